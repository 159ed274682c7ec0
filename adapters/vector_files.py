"""Vectors on disk, each under a key, for one encoder.

::

    DIRECTORY/
        lock             one writer at a time, over all processes
        manifest.json    encoder, sizes and checksum, and which file holds the rows
        rows-XXXX.bin    n keys of 16 bytes, then n x d float16; never changed once it is named
        unfinished.bin   rows of an update that is under way, appended chunk by chunk

Whoever is killed at any moment leaves the old rows or the new ones, and what was unfinished can be
gone on with.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..router.errors import StoreCorrupt, UsageError
from ..router.wire import decode
from .index_store import IndexStore, store_errors

if TYPE_CHECKING:
    from numpy import float16
    from numpy.typing import NDArray

__all__ = ["KEY_BYTES", "Rows", "VectorFiles"]

KEY_BYTES = 16
"""Length of every key."""

_FORMAT = 1
_MANIFEST = "manifest.json"
_UNFINISHED = "unfinished.bin"
_MAGIC = b"SFV1"
_HEADER = struct.Struct("<4sI")
_CRC = struct.Struct("<I")
_BLOCK = 4096
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Rows:
    """Vectors and their keys: row i of `vectors` (n, d) belongs to key i."""

    keys: tuple[bytes, ...]
    vectors: NDArray[float16]


@dataclass(frozen=True, slots=True)
class _Manifest:
    format: int
    encoder: str
    rows: int
    dimensions: int
    file: str
    crc: int


class VectorFiles:
    """The directory. Everything but `locked` is called with the lock held."""

    def __init__(self, directory: Path, encoder: str) -> None:
        self.directory = directory
        self._encoder = encoder

    def locked(self) -> AbstractContextManager[None]:
        """Waits until nobody else works on this directory, which is made if absent."""
        return IndexStore(self.directory).locked()

    def load(self) -> Rows | None:
        """The rows, mapped into memory; None where none were written yet.

        Raises:
            StoreCorrupt: what lies there is not what was written, or is of another encoder.
        """
        path = self.directory / _MANIFEST
        try:
            manifest = decode(_Manifest, json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, UsageError) as error:
            raise StoreCorrupt(f"{path} cannot be read: {error}") from error
        if (manifest.format, manifest.encoder) != (_FORMAT, self._encoder):
            raise StoreCorrupt(f"{path} is of {manifest.encoder}, and this is {self._encoder}")
        return self._mapped(manifest)

    def _mapped(self, manifest: _Manifest) -> Rows:
        import numpy as np

        path = self.directory / Path(manifest.file).name
        n, d = manifest.rows, manifest.dimensions
        try:
            size = path.stat().st_size
            if size != n * (KEY_BYTES + 2 * d) or _crc_of(path) != manifest.crc:
                raise StoreCorrupt(f"{path} is not as it was written")
            with open(path, "rb") as file:
                keys = file.read(n * KEY_BYTES)
            if not n * d:
                return Rows(tuple(_keys(keys)), np.empty((n, d), np.float16))
            # Copy on write: nothing here writes, but torch warns of arrays that it cannot.
            vectors = np.memmap(path, np.float16, "c", n * KEY_BYTES, (n, d))
        except OSError as error:
            raise StoreCorrupt(f"{path} cannot be read: {error}") from error
        return Rows(tuple(_keys(keys)), vectors)

    def write(
        self, keys: Sequence[bytes], dimensions: int, find: Callable[[bytes], NDArray[float16]]
    ) -> Rows:
        """Replaces all rows in one step; `find` gives the vector of a key.

        What was unfinished is removed. Raises StoreError, then all is as it was.
        """
        path = self.directory / f"rows-{os.urandom(6).hex()}.bin"
        try:
            with store_errors("write the vectors of the passages to", self.directory):
                crc = _write_rows(path, keys, find)
                manifest = _Manifest(_FORMAT, self._encoder, len(keys), dimensions, path.name, crc)
                _replace(self.directory / _MANIFEST, json.dumps(asdict(manifest)))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._clear(keep=path.name)
        return self._mapped(manifest)

    def _clear(self, keep: str) -> None:
        for path in (*self.directory.glob("rows-*.bin"), self.directory / _UNFINISHED):
            if path.name != keep:
                try:
                    path.unlink(missing_ok=True)
                except OSError:
                    continue  # elsewhere than on POSIX an open file stays; the next update tries

    def unfinished(self) -> Mapping[bytes, NDArray[float16]]:
        """The whole records of an update that did not end, by key; torn ones are left out."""
        import numpy as np

        try:
            data = (self.directory / _UNFINISHED).read_bytes()
        except OSError:
            return {}
        dimensions = _dimensions(data)
        if dimensions is None:
            return {}
        found: dict[bytes, NDArray[float16]] = {}
        size = KEY_BYTES + 2 * dimensions
        for at in range(_HEADER.size, len(data) - size - _CRC.size + 1, size + _CRC.size):
            record = data[at : at + size]
            if _CRC.unpack_from(data, at + size)[0] != zlib.crc32(record):
                break  # what follows a torn record cannot be trusted to begin where it should
            found[record[:KEY_BYTES]] = np.frombuffer(record, np.float16, offset=KEY_BYTES)
        return found

    def restart(self, rows: Mapping[bytes, NDArray[float16]], dimensions: int) -> None:
        """Begins the unfinished rows anew with these, which takes torn records away.

        Raises StoreError.
        """
        path = self.directory / _UNFINISHED
        with store_errors("write the vectors of the passages to", self.directory):
            data = b"".join(_record(key, vector) for key, vector in rows.items())
            path.write_bytes(_HEADER.pack(_MAGIC, dimensions) + data)

    def append(self, keys: Sequence[bytes], vectors: NDArray[float16]) -> None:
        """Adds finished rows to the unfinished ones. Raises StoreError."""
        with store_errors("write the vectors of the passages to", self.directory):
            with open(self.directory / _UNFINISHED, "ab") as file:
                file.write(b"".join(map(_record, keys, vectors)))


def _record(key: bytes, vector: NDArray[float16]) -> bytes:
    record = key + vector.tobytes()
    return record + _CRC.pack(zlib.crc32(record))


def _dimensions(data: bytes) -> int | None:
    if len(data) < _HEADER.size:
        return None
    magic, dimensions = _HEADER.unpack_from(data)
    return int(dimensions) if magic == _MAGIC else None


def _keys(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), KEY_BYTES):
        yield data[at : at + KEY_BYTES]


def _write_rows(
    path: Path, keys: Sequence[bytes], find: Callable[[bytes], NDArray[float16]]
) -> int:
    """Writes a file of rows to the disk, for good; its CRC-32."""
    crc = 0
    with open(path, "wb") as file:
        for data in _blocks(keys, find):
            crc = zlib.crc32(data, crc)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return crc


def _blocks(keys: Sequence[bytes], find: Callable[[bytes], NDArray[float16]]) -> Iterator[bytes]:
    yield b"".join(keys)
    for start in range(0, len(keys), _BLOCK):
        yield b"".join(find(key).tobytes() for key in keys[start : start + _BLOCK])


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.new")
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _crc_of(path: Path) -> int:
    crc = 0
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            crc = zlib.crc32(chunk, crc)
    return crc
