"""Models that are loaded at the same time by several threads do not spoil each other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters.critic_torch_encoder import open_encoder
from surefoot.adapters.encoder_files import find_encoder
from surefoot.adapters.encoder_torch import TorchEncoder
from surefoot.adapters.model_transformers_engine import TransformersEngine
from surefoot.adapters.model_transformers_files import find_causal_model

from ..tiny_causal import tiny_causal
from ..tiny_encoders import tiny_sentence

transformers = pytest.importorskip("transformers")
pytest.importorskip("torch")


def watch(monkeypatch: pytest.MonkeyPatch, name: str, inside: list[int], most: list[int]) -> None:
    """Counts the threads inside `from_pretrained` of the class, and keeps each there a while."""
    kind = getattr(transformers, name)
    original: Callable[..., Any] = kind.from_pretrained

    def slow(*args: Any, **how: Any) -> Any:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.05)
        try:
            return original(*args, **how)
        finally:
            inside.pop()

    monkeypatch.setattr(kind, "from_pretrained", slow)


def test_one_model_is_loaded_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    causal, sentence = tiny_causal(tmp_path / "causal"), tiny_sentence(tmp_path / "sentence")
    tie_weights = transformers.PreTrainedModel.tie_weights
    inside: list[int] = []
    most: list[int] = []
    for name in ("AutoModel", "AutoModelForCausalLM", "AutoTokenizer"):
        watch(monkeypatch, name, inside, most)
    encoders = [
        TorchEncoder(find_encoder(f"transformers:{sentence}", tmp_path), "AutoModel")
        for _ in range(2)
    ]
    engines = [TransformersEngine(find_causal_model(str(causal))) for _ in range(2)]
    loads: list[Callable[[], object]] = [
        lambda: open_encoder(sentence),
        *(encoder._load for encoder in encoders),
        *(engine._opened for engine in engines),
    ]
    threads = [threading.Thread(target=load) for load in loads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 2 * len(loads)  # a tokenizer and a model each
    assert max(most) == 1
    assert transformers.PreTrainedModel.tie_weights is tie_weights
