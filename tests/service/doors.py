"""Running commands the way people do: in a process of its own, or here where that is enough."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from surefoot.service.cli import main

from .endpoint import Endpoint

PROGRAM = (sys.executable, "-c", "from surefoot.service.cli import main; main()")
THRESHOLDS = "thresholds = { small = 0.7, large = 0.6 }"
WAIT_S = 60.0


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        assert self.out.count("\n") == 1, self.out
        document = json.loads(self.out)
        assert isinstance(document, dict)
        return document

    def check_complaint(self, code: int, *words: str) -> None:
        """It ended with this code, one message that has these words, and nothing else."""
        assert self.code == code, self
        assert self.out == "", self
        assert "Traceback" not in self.err
        for word in words:
            assert word in self.err, self


class Here:
    """Runs commands in this process; `capsys` catches what they print."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *args: str | Path) -> Done:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(arg) for arg in args])
        caught = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, caught.out, caught.err)


def start(
    *args: str | Path | bytes, cwd: Path | None = None, **environment: str
) -> subprocess.Popen[bytes]:
    """A command in a process of its own, its three streams piped."""
    return subprocess.Popen(
        [*PROGRAM, *args],
        cwd=cwd,
        # Buffered, as people's are: what could not be written must not be tried again at the end.
        env={**os.environ, "COLUMNS": "80", "PYTHONUNBUFFERED": "", **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait(process: subprocess.Popen[bytes], given: bytes = b"") -> Done:
    """The end of a command."""
    out, err = process.communicate(given, timeout=WAIT_S)
    return Done(process.returncode, out.decode(), err.decode())


def run(
    *args: str | Path | bytes, given: bytes = b"", cwd: Path | None = None, **environment: str
) -> Done:
    """A command in a process of its own, from start to end."""
    return wait(start(*args, cwd=cwd, **environment), given)


def write_config(
    folder: Path,
    endpoint: Endpoint,
    *,
    policy: str = THRESHOLDS,
    rest: Sequence[str] = ("[retrieval]", "enabled = false"),
    history: str = "none",
    price: str = "{ input = 1.0, output = 2.0 }",
) -> Path:
    """A configuration of two tiers, `small` and `large`, behind the endpoint."""
    lines = []
    for name in ("small", "large"):
        lines += ["[[tiers]]", f'name = "{name}"', f'model = "openai:{name}"']
        lines += [f'base_url = "{endpoint.url}"', f"price = {price}"]
    lines += ["[policy]", policy, "[history]", f'url = "{history}"', *rest]
    path = folder / "surefoot.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
