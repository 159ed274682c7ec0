"""A directory that holds one search index: its manifest, its generations, its lock.

::

    DIRECTORY/
        lock                one writer at a time, over all processes
        manifest.json       what is indexed, and which generation is the current one
        generation-XXXX/    the engine's files, never changed once the manifest names them

An update writes a new generation beside the current one and then replaces the manifest, which is
one atomic step: whoever is killed at any moment leaves the old index or none, never half of one.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from ..router.errors import StoreCorrupt, StoreError, UsageError
from ..router.wire import decode, encode

__all__ = ["IndexStore", "IndexedFile", "Manifest", "store_errors"]

_MANIFEST = "manifest.json"
_GENERATION = "generation-"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """One source of passages as it was when it was read.

    Attributes:
        path: relative to the folder, with forward slashes.
        size: bytes.
        mtime_ns: time of the last change, as the file system tells it.
        digest: SHA-256 of the content; the truth where size and time are only a shortcut.
        passages: how many the file gave.
        remark: why it was skipped (no passages), or what was amiss with it; None where all is well.
    """

    path: str
    size: int
    mtime_ns: int
    digest: str
    passages: int
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an index holds.

    Attributes:
        key: what it was written by and for; another key means that it is of no use.
        generation: name of the directory with the engine's files.
        fingerprint: digest of the indexed content, whatever way the index came about.
        passages: how many can be found.
        stale: how many more lie in the files, deleted but still counted in word frequencies.
        scanned_ns: clock at the beginning of the scan, nanoseconds since the epoch.
        files: by path.
        checks: per file of the generation its size and CRC-32.
    """

    key: str
    generation: str
    fingerprint: str
    passages: int
    stale: int = 0
    scanned_ns: int = 0
    files: tuple[IndexedFile, ...] = ()
    checks: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@contextmanager
def store_errors(doing: str, directory: Path) -> Iterator[None]:
    """Turns failures of the file system and of the engine into a `StoreError` that says what to do.

    The engine reports all of its failures as ValueError, a full disk included.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        raise StoreError(
            f"could not {doing} {directory}: {error}; check that the directory can be written and "
            f"that the disk is not full ({_free_space(directory)})"
        ) from error


def _free_space(directory: Path) -> str:
    for place in (directory, *directory.parents):
        try:
            return f"{shutil.disk_usage(place).free / 1e6:,.0f} MB free"
        except OSError:
            continue
    return "free space unknown"


class IndexStore:
    """The directory. Everything but `locked` is called with the lock held."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Waits until no other thread or process works on this directory, which is made if absent.

        The operating system gives the lock back when its holder dies, however it dies.
        """
        with store_errors("lock the search index", self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
            handle = open(self.directory / "lock", "a+b")
        with handle:
            with store_errors("lock the search index", self.directory):
                _lock(handle)
            yield

    def load(self, key: str) -> Manifest | None:
        """The manifest, verified against the files; None where nothing was written yet.

        Raises:
            StoreCorrupt: what lies there is not what was written, or was written for another `key`.
        """
        path = self.directory / _MANIFEST
        try:
            data = json.loads(path.read_bytes())
            if not isinstance(data, dict):
                raise StoreCorrupt(f"{path} is not a JSON object")
            if data.get("key") != key:
                raise StoreCorrupt(f"{path} is of {data.get('key')}, and this is {key}")
            manifest = decode(Manifest, data)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, UsageError) as error:
            raise StoreCorrupt(f"{path} cannot be read: {error}") from error
        found = _checks(self.path_of(manifest))
        for name in sorted({*found, *manifest.checks}):
            if found.get(name) != manifest.checks.get(name):
                raise StoreCorrupt(f"{self.path_of(manifest) / name} is not as it was written")
        return manifest

    def path_of(self, manifest: Manifest) -> Path:
        """Where the engine's files of a manifest lie."""
        return self.directory / manifest.generation

    @contextmanager
    def new_generation(self, base: Manifest | None = None) -> Iterator[Path]:
        """An empty directory, or a copy of `base`, to write to; removed again where that fails."""
        path = self.directory / f"{_GENERATION}{os.urandom(6).hex()}"
        try:
            with store_errors("write the search index to", path):
                if base is None:
                    path.mkdir()
                else:
                    ignored = shutil.ignore_patterns("*.lock")
                    source = self.path_of(base)
                    shutil.copytree(source, path, ignore=ignored, copy_function=_link_or_copy)
            yield path
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise

    def publish(self, manifest: Manifest) -> Manifest:
        """Makes the manifest's generation the current one, and removes the others.

        Returns it with the checks filled in.
        """
        with store_errors("write the search index to", self.directory):
            manifest = replace(manifest, checks=_checks(self.path_of(manifest)))
            temporary = self.directory / f"{_MANIFEST}.new"
            with open(temporary, "w", encoding="utf-8") as file:
                json.dump(encode(manifest), file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.directory / _MANIFEST)
        for path in self.directory.glob(f"{_GENERATION}*"):
            if path.name != manifest.generation:
                # Elsewhere than on POSIX an open index cannot be removed; the next update will.
                shutil.rmtree(path, ignore_errors=True)
        return manifest


def _checks(directory: Path) -> dict[str, tuple[int, int]]:
    """Size and CRC-32 of each file: enough against truncation and decay, not against malice."""
    found: dict[str, tuple[int, int]] = {}
    try:
        for path in directory.iterdir():
            if path.suffix != ".lock" and path.is_file():
                found[path.name] = _check(path)
    except OSError:
        # Missing or unreadable: the comparison with what was written will say so.
        return {}
    return found


def _check(path: Path) -> tuple[int, int]:
    size = crc = 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            size, crc = size + len(chunk), zlib.crc32(chunk, crc)
    return size, crc


def _link_or_copy(source: str, target: str) -> None:
    """The engine never changes a written file, it replaces it: a hard link is as good as a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: IO[bytes]) -> None:
        handle.seek(0)
        msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)
else:
    import fcntl

    def _lock(handle: IO[bytes]) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)
