"""`surefoot model-server` as a process, with a key, on a port of its choice."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from ..local_models import smollm2_weights
from .doors import PROGRAM, Here

pytestmark = pytest.mark.slow


def test_it_serves_chats_with_logprobs_to_who_has_the_key(tmp_path: Path) -> None:
    weights = smollm2_weights()  # or skip
    environment = {
        **os.environ,
        "SUREFOOT_HOME": str(tmp_path),
        "SUREFOOT_MODEL_KEY": "open sesame",
    }
    command = (*PROGRAM, "model-server", str(weights.path), "--port", "0", "--context", "128")
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        found = re.search(r"(http://127\.0\.0\.1:\d+/v1)$", process.stderr.readline().strip())
        assert found is not None
        body = {
            "messages": [{"role": "user", "content": "What is the capital of Italy?"}],
            "max_tokens": 4,
            "logprobs": True,
            "top_logprobs": 2,
        }
        where = f"{found[1]}/chat/completions"
        assert httpx.post(where, json=body).status_code == 401
        headers = {"Authorization": "Bearer open sesame"}
        answer = httpx.post(where, json=body, headers=headers, timeout=60).json()
        tokens = answer["choices"][0]["logprobs"]["content"]
        assert [len(token["top_logprobs"]) for token in tokens] == [2] * len(tokens) != []
    finally:
        process.terminate()
        assert process.wait(timeout=30) == 0
        assert process.stderr is not None
        process.stderr.close()


def test_what_cannot_be_served_is_said(here: Here, tmp_path: Path) -> None:
    ended = here("model-server", "smollm3")
    assert ended.code == 2 and "smollm2-135m" in ended.err
    (tmp_path / "broken.gguf").write_bytes(b"GGUF, but no more than that")
    ended = here("model-server", str(tmp_path / "broken.gguf"))
    assert ended.code == 2 and "broken.gguf" in ended.err
