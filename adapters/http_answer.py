"""The answer to one HTTP request: its body as it comes, unpacked, of a limited size, and whole."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING

from ..router.errors import UpstreamMalformed, UpstreamTruncated
from .http_exchange import HttpExchange

if TYPE_CHECKING:
    import httpx

__all__ = ["HttpAnswer", "said"]

_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})


class HttpAnswer:
    """The answer to one request, of which the head has come."""

    def __init__(
        self,
        head: httpx.Response,
        exchange: HttpExchange,
        name: str,
        failure: type[httpx.HTTPError],
    ) -> None:
        self._exchange = exchange
        self._name = name
        self._failure = failure
        self.status = head.status_code
        self.headers: Mapping[str, str] = head.headers

    async def body(self, most_bytes: int) -> bytes:
        """The whole body, unpacked; raises UpstreamMalformed where it is larger than that."""
        found = bytearray()
        async with aclosing(self.pieces(most_bytes)) as pieces:
            async for piece in pieces:
                found += piece
        return bytes(found)

    async def pieces(self, most_bytes: int) -> AsyncGenerator[bytes, None]:
        """The body as it comes, unpacked; close it when leaving early.

        Raises:
            UpstreamMalformed: more than `most_bytes`, or packed in a way that was not asked for.
            UpstreamTruncated: it broke off.
        """
        inflater = self._inflater(most_bytes)
        size = packed_size = 0
        try:
            async with aclosing(self._exchange.pieces()) as raw:
                async for piece in raw:
                    # Packed bytes count as well: any number of them may unpack to nothing.
                    packed_size += len(piece)
                    if inflater is not None:
                        piece = inflater.unpacked(piece)
                    size += len(piece)
                    if max(size, packed_size) > most_bytes:
                        raise _too_large(self._name, most_bytes)
                    yield piece
        except self._failure as error:
            raise UpstreamTruncated(
                f"the answer of {self._name} broke off: {said(error)}"
            ) from error
        if inflater is not None:
            inflater.close()

    def _inflater(self, most_bytes: int) -> _Inflater | None:
        encoding = self.headers.get("content-encoding", "").strip().lower()
        if encoding not in _ENCODINGS:
            raise UpstreamMalformed(
                f"{self._name} answered in the encoding '{encoding[:40]}', which was not asked for"
            )
        return _Inflater(self._name, most_bytes) if encoding in ("gzip", "deflate") else None


class _Inflater:
    """Unpacks up to a limit only: a few kilobytes may claim to be gigabytes."""

    def __init__(self, name: str, most_bytes: int) -> None:
        self._name = name
        self._most_bytes = most_bytes
        self._room = most_bytes
        self._inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)

    def unpacked(self, piece: bytes) -> bytes:
        if self._inflater.eof:  # what follows the end would only be gathered
            return b""
        try:
            found = self._inflater.decompress(piece, self._room + 1)
        except zlib.error as error:
            raise UpstreamMalformed(f"{self._name} sent a broken gzip body: {error}") from error
        self._room -= len(found)
        if self._room < 0:
            raise _too_large(self._name, self._most_bytes)
        return found

    def close(self) -> None:
        if not self._inflater.eof:
            raise UpstreamTruncated(f"the answer of {self._name} broke off inside its gzip body")


def said(error: Exception) -> str:
    """The kind of an error and its words."""
    return f"{type(error).__name__} {error}".strip()


def _too_large(name: str, most_bytes: int) -> UpstreamMalformed:
    return UpstreamMalformed(
        f"{name} answered with more than {most_bytes:,} bytes; that is no completion"
    )
