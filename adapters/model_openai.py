"""Any OpenAI-compatible endpoint as a `Model`."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import time
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..router.errors import (
    ConfigurationError,
    DeadlineExceeded,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from ..router.evidence import Generation
from ..router.protocols import Completion, ModelCall, OnTokens
from ..router.requests import Stop
from .openai_wire import Failed, parse_completion, request_body, status_error

if TYPE_CHECKING:
    import httpx

__all__ = ["OpenAIModel"]

MAX_BODY_BYTES = 16 * 1024 * 1024
_CONNECT_TIMEOUT_S = 10.0
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
_ABOUT_N = re.compile(r"\bn\b|one completion choice", re.IGNORECASE)
# Keys of local servers are often a word like "none", which an answer may well contain.
_SHORTEST_SECRET = 8


class OpenAIModel:
    """A model behind `/chat/completions` (prompts with messages) and `/completions` (text).

    Logprobs are asked for and accepted in either of their shapes; where their tokens do not join
    to the text they are dropped, and the answer has none. At most 20 candidates are asked for.

    Several answers are asked for in one request, and one by one with seed + i where the endpoint
    refuses that or sends fewer; with one request the seed names the whole set.

    Without a reported usage, tokens are estimated at one per three characters.

    There are no retries here, no streaming, and no pause after a rate limit: each failure is one
    typed error, for the caller to act on.

    Raises:
        ConfigurationError: the URL or the key cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str | None = None,
        *,
        max_body_bytes: int = MAX_BODY_BYTES,
        clock: Callable[[], float] = time.time,
    ) -> None:
        import httpx

        self._httpx = httpx
        self._url = _checked_url(base_url)
        self._model = model
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {_checked_key(api_key)}"
        self._secret = api_key or ""
        self._max_body_bytes = max_body_bytes
        self._clock = clock
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # Learned from refusals: what this endpoint does not understand.
        self._takes_n = True
        self._limit_field = "max_tokens"

    def __repr__(self) -> str:
        return f"OpenAIModel({self._model!r} at {self._url.host!r})"

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        """Answer a prompt `call.n` times.

        `on_tokens` is called once for each answer, when it is complete: nothing is streamed yet,
        so a `Stop` marks the answer as stopped but saves nothing.

        Raises:
            DeadlineExceeded: `call.timeout_s` is up, over all requests of this call.
            UpstreamUnavailable: no connection, or status 408, 409, 425, 500 and above.
            UpstreamRateLimited: status 429; `retry_after_s` where the endpoint gave it.
            UpstreamRefused: any other error status; an overlong prompt says so.
            UpstreamMalformed: no completion, or a body above the size limit.
            UpstreamTruncated: the body broke off, or an answer ended without a finish_reason.
        """
        if not call.prompt.messages and not call.prompt.text:
            raise UpstreamRefused("the prompt is empty; give it text or messages")
        try:
            async with asyncio.timeout(call.timeout_s) as limit:
                completion = await self._all_answers(call)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DeadlineExceeded(
                f"{self._model} did not answer within {call.timeout_s} s"
            ) from error
        if on_tokens is None:
            return completion
        judged = tuple(_judged(each, on_tokens) for each in completion.generations)
        return Completion(judged, completion.tokens_in, completion.tokens_out, completion.calls)

    async def aclose(self) -> None:
        """Close the connections. The next call would open new ones."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()

    async def _all_answers(self, call: ModelCall) -> Completion:
        if call.n == 1 or not self._takes_n:
            return await self._one_by_one(call, 0)
        try:
            together = await self._ask(call, n=call.n, place=0)
        except UpstreamRefused as error:
            if not _ABOUT_N.search(str(error)):
                raise
            self._takes_n = False
            return await self._one_by_one(call, 0)
        have = len(together.generations)
        if have >= call.n:
            return Completion(
                together.generations[: call.n], together.tokens_in, together.tokens_out
            )
        self._takes_n = False
        return _joined([together, await self._one_by_one(call, have)])

    async def _one_by_one(self, call: ModelCall, start: int) -> Completion:
        """Answers `start` to n - 1, each by a request of its own, all under way at once."""
        if start + 1 == call.n:
            return _joined([await self._ask(call, n=1, place=start)])
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._ask(call, n=1, place=place))
                    for place in range(start, call.n)
                ]
        except* UpstreamError as errors:
            failed = errors
        else:
            return _joined([task.result() for task in tasks])
        raise _first(failed)

    async def _ask(self, call: ModelCall, *, n: int, place: int) -> Completion:
        try:
            return await self._ask_once(call, n, place, self._limit_field)
        except UpstreamRefused as error:
            # OpenAI's newer models want the limit under another name, and say so.
            if "max_completion_tokens" not in str(error) or not call.prompt.messages:
                raise
        self._limit_field = "max_completion_tokens"
        return await self._ask_once(call, n, place, self._limit_field)

    async def _ask_once(self, call: ModelCall, n: int, place: int, limit_field: str) -> Completion:
        path = "chat/completions" if call.prompt.messages else "completions"
        content = request_body(self._model, call, n=n, place=place, limit_field=limit_field)
        status, retry_after, body = await self._post(path, content)
        if status != 200:
            raise status_error(self._model, Failed(status, retry_after, body, self._clock()))
        return parse_completion(self._model, body, call, self._clock())

    async def _post(self, path: str, content: bytes) -> tuple[int, str | None, bytes]:
        httpx = self._httpx
        url = f"{self._url}/{path}"
        answering = False
        try:
            async with self._open_client().stream(
                "POST", url, content=content, headers=self._headers
            ) as response:
                answering = True
                body = self._without_secret(await self._read(response))
                return response.status_code, response.headers.get("Retry-After"), body
        except httpx.HTTPError as error:
            said = f"{type(error).__name__} {error}".strip()
            if answering:
                raise UpstreamTruncated(f"the answer of {self._model} broke off: {said}") from error
            raise UpstreamUnavailable(
                f"{self._model} at {self._url.host} cannot be reached: {said}"
            ) from error

    async def _read(self, response: httpx.Response) -> bytes:
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _ENCODINGS:
            raise UpstreamMalformed(
                f"{self._model} answered in the encoding '{encoding}', which was not asked for"
            )
        limit, raw = self._max_body_bytes, bytearray()
        async for chunk in response.aiter_raw():
            raw += chunk
            if len(raw) > limit:
                raise self._too_large()
        if encoding in ("gzip", "deflate"):
            return self._inflated(bytes(raw))
        return bytes(raw)

    def _inflated(self, raw: bytes) -> bytes:
        # Unpacked up to the limit only: a few kilobytes may claim to be gigabytes.
        inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        try:
            body = inflater.decompress(raw, self._max_body_bytes + 1)
        except zlib.error as error:
            raise UpstreamMalformed(f"{self._model} sent a broken gzip body: {error}") from error
        if len(body) > self._max_body_bytes:
            raise self._too_large()
        if not inflater.eof:
            raise UpstreamTruncated(f"the answer of {self._model} broke off inside its gzip body")
        return body

    def _too_large(self) -> UpstreamMalformed:
        return UpstreamMalformed(
            f"{self._model} answered with more than {self._max_body_bytes:,} bytes; "
            "that is no completion"
        )

    def _without_secret(self, body: bytes) -> bytes:
        """The body with the API key blotted out, should the endpoint repeat it."""
        if len(self._secret) < _SHORTEST_SECRET:
            return body
        return body.replace(self._secret.encode(), b"***")

    def _open_client(self) -> httpx.AsyncClient:
        # Connections belong to one event loop; a client of an earlier, ended loop is useless.
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._loop = loop
            self._client = self._httpx.AsyncClient(
                timeout=self._httpx.Timeout(None, connect=_CONNECT_TIMEOUT_S),
                # The environment's proxy is for the world outside, not for this machine.
                trust_env=not _is_loopback(self._url.host),
            )
        return self._client


def _joined(completions: list[Completion]) -> Completion:
    return Completion(
        tuple(each for completion in completions for each in completion.generations),
        sum(completion.tokens_in for completion in completions),
        sum(completion.tokens_out for completion in completions),
        sum(completion.calls for completion in completions),
    )


def _first(errors: BaseExceptionGroup[UpstreamError]) -> UpstreamError:
    found = errors.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


def _judged(generation: Generation, on_tokens: OnTokens) -> Generation:
    if generation.tokens and isinstance(on_tokens(generation.tokens), Stop):
        return Generation(generation.text, generation.tokens, "stopped")
    return generation


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
