"""One HTTP endpoint that answers POSTs: its connections and its key.

What fails is a typed error that tells how far the request came; the key is in none of them.
"""

from __future__ import annotations

import asyncio
import ipaddress
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..router.errors import ConfigurationError, UpstreamError, UpstreamUnavailable
from .http_answer import HttpAnswer, said
from .http_exchange import HttpExchange
from .public_url import SECRET_NAME
from .shy_url import shy

if TYPE_CHECKING:
    import httpx

__all__ = ["HttpUpstream"]

_CONNECT_TIMEOUT_S = 10.0
# Servers close idle connections after 5 s or more, and a request that meets the closing is lost.
_KEEPALIVE_S = 4.0
_MOST_CONNECTIONS = 512
_MOST_IDLE = 64
# Keys of local servers are often a word like "none", which an answer may well contain.
_SHORTEST_SECRET = 8
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
        url = self._url_of(path)
        request = client.build_request(
            "POST", url, content=content, headers=self._stream_headers if streams else None
        )
        request.url = url  # else a plain copy of it, which httpx would log
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
        words = str(error)
        for secret in self._secrets:
            words = words.replace(secret, "***")
        if words != str(error):
            error.args = (words,)

    async def aclose(self) -> None:
        """Close the connections. The next request would open new ones."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()

    def _unavailable(self, error: httpx.HTTPError) -> UpstreamUnavailable:
        httpx = self._httpx
        unsent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
        return UpstreamUnavailable(
            f"{self._name} at {self.host} cannot be reached: {said(error)}",
            reach="not_sent" if isinstance(error, unsent) else "sent",
        )

    def _url_of(self, path: str) -> httpx.URL:
        # Kept: parsing a URL takes longer than all else that a request needs of it.
        found = self._urls.get(path)
        if found is None:
            whole = f"{self._url.path.rstrip('/')}/{path}"
            found = self._urls[path] = shy(self._url.copy_with(path=whole))
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


def _checked_url(base_url: str) -> httpx.URL:
    import httpx

    try:
        urlsplit(base_url)  # finds unclosed brackets, which httpx takes for a host's
        url = httpx.URL(base_url.rstrip("/"))
    except (httpx.InvalidURL, TypeError, ValueError):
        # Its words may quote a password: one with a slash reads like a port.
        raise ConfigurationError(
            "base_url cannot be read as a URL; check the host, the port, and that a password has "
            "its reserved characters escaped (/ as %2F)",
            field="base_url",
        ) from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError(
            "base_url must begin with http:// or https:// and name a host, "
            "e.g. http://localhost:8000/v1",
            field="base_url",
        )
    return url


def _secrets_of(url: httpx.URL) -> list[str]:
    """The password in a URL, also as the header that it is sent in, and parameters like keys."""
    named = [value for name, value in url.params.multi_items() if SECRET_NAME.search(name)]
    if not url.password:
        return named
    basic = b64encode(f"{url.username}:{url.password}".encode()).decode()
    return [url.password, basic, *named]


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
