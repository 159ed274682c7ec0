"""A directory of joined weight files, of hashes already computed, and of notices already shown.

Safe for several processes: every file appears whole, by one rename, or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from ..router.errors import WeightsError

__all__ = ["WeightsCache"]

_STALE_AFTER_S = 3600.0
_PARTIAL = ".partial-"


class WeightsCache:
    """The cache in one directory, which is created when something is first written."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def digest(self, path: Path) -> str:
        """The SHA-256 of a file, remembered for its path, size and modification time.

        A file that was changed with its time set back is not noticed; the point is to notice
        broken downloads and other versions without hashing hundreds of megabytes at each start.

        Raises:
            WeightsError: the file cannot be read.
        """
        try:
            state = _state(path)
            known = self._remembered(path, state)
            if known is not None:
                return known
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise WeightsError(
                f"cannot read the weights at {path}: {error.strerror}; check its permissions"
            ) from error
        self._remember(path, state, found)
        return found

    def join(self, chunks: Iterable[bytes], target: Path, size: int) -> str:
        """Write the chunks to `target` in one step, and return their SHA-256.

        Args:
            size: bytes that are going to be written, for the message where the disk is full.

        Raises:
            WeightsError: it cannot be written. Nothing is left behind.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._sweep()
            found = _write_whole(chunks, target)
            state = _state(target)
        except OSError as error:
            raise WeightsError(
                f"cannot write {target}, which needs {size / 1e6:.0f} MB: {error.strerror}; "
                "make room or choose another cache directory"
            ) from error
        self._remember(target, state, found)
        return found

    def first_time(self, what: str) -> bool:
        """Whether this is asked for the first time; true every time where nothing can be kept."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            (self.directory / what).touch(exist_ok=False)
        except FileExistsError:
            return False
        except OSError:
            return True
        return True

    def _sidecar(self, path: Path) -> Path:
        key = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:24]
        return self.directory / f"verdict-{key}.json"

    def _remembered(self, path: Path, state: list[int]) -> str | None:
        try:
            noted = json.loads(self._sidecar(path).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(noted, dict) or noted.get("state") != state:
            return None
        found = noted.get("sha256")
        return found if isinstance(found, str) else None

    def _remember(self, path: Path, state: list[int], digest: str) -> None:
        note = json.dumps({"path": str(path), "state": state, "sha256": digest})
        # Only time is lost where it cannot be kept: the next start hashes again.
        with contextlib.suppress(OSError):
            self.directory.mkdir(parents=True, exist_ok=True)
            _write_whole([note.encode()], self._sidecar(path))

    def _sweep(self) -> None:
        """Remove what a killed process left behind while it was writing."""
        for path in self.directory.glob(f"{_PARTIAL}*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE_AFTER_S:
                    path.unlink()


def _state(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]


def _write_whole(chunks: Iterable[bytes], target: Path) -> str:
    digest = hashlib.sha256()
    handle, name = tempfile.mkstemp(prefix=_PARTIAL, dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    return digest.hexdigest()
