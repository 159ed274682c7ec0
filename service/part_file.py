"""A file of lines that is written bit by bit, and can be gone on with after any interruption.

Lines go to `F.part`; beside it `F.part.json` says of what work they are. When all is written, F
takes the place of `F.part` in one step: whoever reads F sees all of it or nothing. What is in
`F.part` after an interruption, a killed process included, are the first lines of the work, perhaps
with half a line at the end, which is cut off.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ..router.errors import StoreError, UsageError
from ..router.tables import write_atomically

__all__ = ["PartFile", "part_names"]


def part_names(target: Path) -> tuple[Path, Path]:
    """Where the lines of an unfinished file lie, and what says of which work they are."""
    part = target.name + ".part"
    return target.with_name(part), target.with_name(part + ".json")


class PartFile:
    """A file in the making, for use in a `with` statement: `lines`, `keep`, `write`, `finish`.

    Args:
        target: the file that it becomes.
        work: what the lines depend on, as plain JSON; only lines of equal work are gone on with.

    Raises:
        StoreError: the folder or file cannot be written.
        UsageError: another process is writing it.
    """

    def __init__(self, target: Path, work: Mapping[str, Any]) -> None:
        self.target = target
        self.path, self._sidecar = part_names(target)
        self._work = json.loads(json.dumps(work))
        self._file: IO[bytes] | None = None

    def __enter__(self) -> PartFile:
        with self._store_errors():
            if self.target.exists() and not self.target.is_file():  # finish would replace a device
                raise OSError("it is no regular file")
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab")
        _lock(self._file, self.path)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk; the whole lines before it stay
                self._file.close()

    def is_of_other_work(self) -> bool:
        """Whether there are lines, and of other work: they would be lost if this one were begun."""
        with self._store_errors():
            if not self.path.stat().st_size:
                return False
        try:
            return bool(json.loads(self._sidecar.read_bytes()) != self._work)
        except (OSError, ValueError):
            return True

    def lines(self) -> Iterator[tuple[int, Any]]:
        """What an earlier run of the same work left: where each line ends, and what it says.

        Nothing of other work, and nothing behind a line that is not whole.
        """
        try:
            if json.loads(self._sidecar.read_bytes()) != self._work:
                return
        except (OSError, ValueError):
            return
        with self._store_errors(), self.path.open("rb") as file:
            end = 0
            for line in file:
                try:
                    found = json.loads(line) if line.endswith(b"\n") else None
                except (ValueError, RecursionError):
                    return
                if found is None:
                    return
                end += len(line)
                yield end, found

    def keep(self, size: int) -> None:
        """Cut everything behind the first `size` bytes; what is written next follows them."""
        assert self._file is not None
        with self._store_errors():
            self._file.truncate(size)
            self._file.flush()
        if size == 0:  # emptied first: lines never stand beside the description of other work
            write_atomically(self._sidecar, json.dumps(self._work, indent=1) + "\n")

    def write(self, data: bytes) -> None:
        """Append whole lines and hand them to the operating system."""
        assert self._file is not None
        with self._store_errors():
            self._file.write(data)
            self._file.flush()

    def finish(self) -> None:
        """Let the file take its place, safe on disk."""
        assert self._file is not None
        with self._store_errors():
            os.fsync(self._file.fileno())
            self._file.close()
            self.path.replace(self.target)
            self._sidecar.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _store_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"{self.target} was not written: {error}; what was finished is kept in {self.path}"
            ) from error


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows does not let two processes rename or cut one file anyway
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise UsageError(f"{path} is being written by another process; wait for it") from error
