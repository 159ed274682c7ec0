"""A home, an endpoint and a terminal of known width for every test of the command line."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .doors import Here
from .endpoint import Endpoint, Says


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Caches and histories of this test alone."""
    path = tmp_path / "home"
    monkeypatch.setenv("SUREFOOT_HOME", str(path))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.chdir(tmp_path)
    return path


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Here:
    return Here(capsys)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """The small tier is sure of Paris and of nothing else; the large one knows a bit more."""
    answers = {
        ("small", "What is the capital of France?"): Says("Paris", 0.95),
        ("small", ""): Says("Lyon", 0.2),
        ("large", "Who painted the Mona Lisa?"): Says("Leonardo da Vinci", 0.9),
        ("large", ""): Says("Lyon", 0.3),
    }
    with Endpoint(answers) as found:
        yield found


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a folder on a disk of its own with so many bytes left; skips where none can be made."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def filled(left: int) -> Path:
        command = ("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder))
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("no disk of one's own can be mounted here")
        (folder / "ballast").write_bytes(bytes(shutil.disk_usage(folder).free - left))
        return folder

    yield filled
    subprocess.run(("umount", str(folder)), capture_output=True)
