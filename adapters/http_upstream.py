"""One HTTP endpoint that answers POSTs: connections, sizes, broken-off bodies, and its key.

What fails is a typed error that tells how far the request came; the key is in none of them.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any

from ..router.errors import (
    ConfigurationError,
    UpstreamError,
    UpstreamMalformed,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from .http_exchange import HttpExchange

if TYPE_CHECKING:
    import httpx

__all__ = ["HttpAnswer", "HttpUpstream"]

_CONNECT_TIMEOUT_S = 10.0
# Servers close idle connections after 5 s or more, and a request that meets the closing is lost.
_KEEPALIVE_S = 4.0
_MOST_CONNECTIONS = 512
_MOST_IDLE = 64
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
# Keys of local servers are often a word like "none", which an answer may well contain.
_SHORTEST_SECRET = 8
_SECRET_NAME = re.compile(r"key|token|secret|password|signature|^sig$", re.IGNORECASE)
_STREAM_HEADERS = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}


class HttpUpstream:
    """POSTs JSON below one URL; opens its connections at the first request.

    Args:
        base_url: what paths are appended to; its query stays at the end.
        name: what it is called in errors.
        api_key: sent as a bearer token, and blotted out wherever the endpoint repeats it.

    Raises:
        ConfigurationError: the URL or the key cannot be used.

    Attributes:
        reuses_streams: whether a stream read to its end leaves a connection for the next request.
    """

    def __init__(self, base_url: str, name: str, api_key: str | None = None) -> None:
        import httpx

        self._httpx = httpx
        self._url = _checked_url(base_url)
        self._name = name
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {_checked_key(api_key)}"
        candidates = (api_key or "", *_secrets_of(self._url))
        self._secrets = tuple(each for each in candidates if len(each) >= _SHORTEST_SECRET)
        self._urls: dict[str, httpx.URL] = {}
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stream_headers = dict(_STREAM_HEADERS)
        self.reuses_streams = self._url.scheme == "https"
        if not self.reuses_streams:
            # llama.cpp's server promises to keep the connection of a stream, and closes it: what
            # is sent on it next would be lost. Without TLS a new one costs next to nothing.
            self._stream_headers["Connection"] = "close"

    @property
    def host(self) -> str:
        """Where it is."""
        return self._url.host

    @asynccontextmanager
    async def post(
        self, path: str, content: bytes, *, streams: bool = False
    ) -> AsyncIterator[HttpAnswer]:
        """One request, and its answer for as long as the block lasts; leaving it early frees the
        connection, and with it the upstream.

        Raises:
            UpstreamUnavailable: no answer came; `reach` tells whether anything was sent.
        """
        client = self._open_client()
        request = client.build_request(
            "POST",
            self._url_of(path),
            content=content,
            headers=self._stream_headers if streams else None,
        )
        async with AsyncExitStack() as stack:
            exchange = HttpExchange(client, request)
            try:
                head = await stack.enter_async_context(exchange)
            except self._httpx.HTTPError as error:
                raise self._unavailable(error) from error
            yield HttpAnswer(head, exchange, self._name, self._httpx.HTTPError)

    def without_secret(self, data: bytes) -> bytes:
        """The bytes with the key blotted out, should the endpoint repeat it."""
        for secret in self._secrets:
            data = data.replace(secret.encode(), b"***")
        return data

    def silence(self, error: UpstreamError) -> None:
        """Blot the key out of the error's message, however it was spelled on the wire."""
        said = str(error)
        for secret in self._secrets:
            said = said.replace(secret, "***")
        if said != str(error):
            error.args = (said,)

    async def aclose(self) -> None:
        """Close the connections. The next request would open new ones."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()

    def _unavailable(self, error: httpx.HTTPError) -> UpstreamUnavailable:
        httpx = self._httpx
        unsent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
        return UpstreamUnavailable(
            f"{self._name} at {self.host} cannot be reached: {_said(error)}",
            reach="not_sent" if isinstance(error, unsent) else "sent",
        )

    def _url_of(self, path: str) -> httpx.URL:
        # Kept: parsing a URL takes longer than all else that a request needs of it.
        found = self._urls.get(path)
        if found is None:
            whole = f"{self._url.path.rstrip('/')}/{path}"
            found = self._urls[path] = self._url.copy_with(path=whole)
        return found

    def _open_client(self) -> httpx.AsyncClient:
        # Connections belong to one event loop; a client of an earlier, ended loop is useless.
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            httpx = self._httpx
            self._loop = loop
            self._client = httpx.AsyncClient(
                headers=self._headers,
                cookies=_NoCookies(),
                timeout=httpx.Timeout(None, connect=_CONNECT_TIMEOUT_S),
                limits=httpx.Limits(
                    max_connections=_MOST_CONNECTIONS,
                    max_keepalive_connections=_MOST_IDLE,
                    keepalive_expiry=_KEEPALIVE_S,
                ),
                # The environment's proxy is for the world outside, not for this machine.
                trust_env=not _is_loopback(self._url.host),
            )
        return self._client


class _NoCookies(CookieJar):
    """Keeps none: no request may be told apart by an earlier one, perhaps of another tenant."""

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Nothing is kept."""


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
                f"the answer of {self._name} broke off: {_said(error)}"
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


def _said(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()


def _too_large(name: str, most_bytes: int) -> UpstreamMalformed:
    return UpstreamMalformed(
        f"{name} answered with more than {most_bytes:,} bytes; that is no completion"
    )


def _checked_url(base_url: str) -> httpx.URL:
    import httpx

    try:
        url = httpx.URL(base_url.rstrip("/"))
    except (httpx.InvalidURL, TypeError) as error:
        raise ConfigurationError(
            f"base_url cannot be read as a URL: {error}", field="base_url"
        ) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError(
            "base_url must begin with http:// or https:// and name a host, "
            "e.g. http://localhost:8000/v1",
            field="base_url",
        )
    return url


def _secrets_of(url: httpx.URL) -> list[str]:
    """The password in a URL, and the parameters that are named like keys."""
    named = [value for name, value in url.params.multi_items() if _SECRET_NAME.search(name)]
    return [url.password, *named]


def _checked_key(key: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(
            "the API key holds white space or characters that a header cannot carry; "
            "check for a line break at its end",
            field="api_key",
        )
    return key


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
