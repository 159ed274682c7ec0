"""Any OpenAI-compatible endpoint as a `Model`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

from ..router.capabilities import Capabilities
from ..router.errors import DeadlineExceeded, UpstreamError, UpstreamRefused
from ..router.evidence import Generation
from ..router.protocols import Completion, ModelCall, OnTokens
from ..router.requests import Stop
from .http_answer import HttpAnswer
from .http_upstream import HttpUpstream
from .openai_request import Dialect, is_about_n, mended, request_body
from .openai_stream import StreamedAnswer, StreamReading, looks_like_events, read_events
from .openai_wire import parse_completion
from .upstream_status import Failed, status_error

__all__ = ["OpenAIModel"]

MAX_BODY_BYTES = 16 * 1024 * 1024
IDLE_TIMEOUT_S = 15.0
# Each token of a stream comes in an envelope that is as large as itself.
_STREAM_OVERHEAD = 4
_MOST_MENDINGS = 6


class OpenAIModel:
    """A model behind `/chat/completions` (prompts with messages) and `/completions` (text).

    Logprobs are asked for and accepted in either of their shapes; where their tokens do not join
    to the text they are dropped, and the answer has none. At most 20 candidates are asked for.

    Several answers are asked for in one request, and one by one with seed + i where the endpoint
    refuses that or sends fewer; with one request the seed names the whole set.

    A call's options and messages as a caller wrote them reach the endpoint verbatim. Without a
    reported usage, tokens are estimated at one per three characters.

    What an endpoint does not understand of a request (the name of the limit, a temperature, a
    seed, streams) is left out once it has said so; `capabilities` tells. There are no retries of
    other failures here: each is one typed error, which says how far the request came and what the
    endpoint asked for, for the caller to act on.

    Args:
        base_url: ends where `/chat/completions` begins.
        max_body_bytes: of an answer, unpacked; a stream may be four times as long.
        idle_timeout_s: between two events of a stream, after its first.
        clock: seconds since the epoch, against which dates in headers are read.

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
        idle_timeout_s: float = IDLE_TIMEOUT_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._upstream = HttpUpstream(base_url, model, api_key)
        self._model = model
        self._max_body_bytes = max_body_bytes
        self._idle_timeout_s = idle_timeout_s
        self._clock = clock
        self._dialect = Dialect()

    def __repr__(self) -> str:
        return f"OpenAIModel({self._model!r} at {self._upstream.host!r})"

    @property
    def capabilities(self) -> Capabilities:
        """What its refusals have told."""
        dialect = self._dialect
        return Capabilities(
            hidden=False,
            n=None if dialect.takes_n else False,
            streaming=None if dialect.streams else False,
            notes=dialect.notes,
        )

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        """Answer a prompt `call.n` times.

        With `on_tokens` the answer is streamed, and `on_tokens` is called for every piece that
        brings tokens of its text; a `Stop` ends the request at once, which frees the endpoint.
        Where it sends no logprobs, each piece of text stands for one token without a logprob, in
        these calls only. Without `on_tokens` nothing is streamed.

        Raises:
            DeadlineExceeded: `call.timeout_s` is up, over all requests of this call.
            UpstreamUnavailable: no connection, or status 408, 409, 425, 500 and above.
            UpstreamRateLimited: status 429.
            UpstreamUnauthorized: status 401, 402 or 403.
            ContentRefused: the endpoint's policy forbids the prompt.
            ContextOverflow: the prompt is too long.
            UpstreamRefused: any other error status, or a call that cannot be put.
            UpstreamMalformed: no completion, or a body above the size limit.
            UpstreamTruncated: the body broke off, a stream stood still or reported an error, or an
                answer ended without a finish_reason.
        """
        if not call.prompt.messages and not call.prompt.text:
            raise UpstreamRefused("the prompt is empty; give it text or messages", reach="not_sent")
        try:
            async with asyncio.timeout(call.timeout_s) as limit:
                return await self._all_answers(call, on_tokens)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DeadlineExceeded(
                f"{self._model} did not answer within {call.timeout_s} s"
            ) from error
        except UpstreamError as error:
            self._upstream.silence(error)
            raise

    async def aclose(self) -> None:
        """Close the connections. The next call would open new ones."""
        await self._upstream.aclose()

    async def _all_answers(self, call: ModelCall, on_tokens: OnTokens | None) -> Completion:
        if call.n == 1 or not self._dialect.takes_n:
            return await self._one_by_one(call, 0, on_tokens)
        try:
            together = await self._ask(call, call.n, 0, on_tokens)
        except UpstreamRefused as error:
            if type(error) is not UpstreamRefused or not is_about_n(str(error)):
                raise
            self._dialect = replace(self._dialect, takes_n=False)
            return await self._one_by_one(call, 0, on_tokens)
        have = len(together.generations)
        if have >= call.n:
            return replace(together, generations=together.generations[: call.n])
        self._dialect = replace(self._dialect, takes_n=False)
        return _joined([together, await self._one_by_one(call, have, on_tokens)])

    async def _one_by_one(
        self, call: ModelCall, start: int, on_tokens: OnTokens | None
    ) -> Completion:
        """Answers `start` to n - 1, each by a request of its own, all under way at once."""
        if start + 1 == call.n:
            return await self._one(call, start, on_tokens)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._one(call, place, on_tokens))
                    for place in range(start, call.n)
                ]
        except* UpstreamError as errors:
            failed = errors
        else:
            return _joined([task.result() for task in tasks])
        raise _first(failed)

    async def _one(self, call: ModelCall, place: int, on_tokens: OnTokens | None) -> Completion:
        found = await self._ask(call, 1, place, on_tokens)
        return replace(found, generations=found.generations[:1])

    async def _ask(
        self, call: ModelCall, n: int, place: int, on_tokens: OnTokens | None
    ) -> Completion:
        """One request, put again in another way where the endpoint does not understand it."""
        for _ in range(_MOST_MENDINGS):
            dialect = self._dialect
            streams = on_tokens is not None and dialect.streams
            try:
                return await self._ask_once(call, n, place, on_tokens, dialect)
            except UpstreamRefused as error:
                # Another request may have learned it meanwhile.
                better = mended(dialect, call, str(error), streams=streams)
                if better is None or type(error) is not UpstreamRefused:
                    raise
                self._dialect = better
        return await self._ask_once(call, n, place, on_tokens, self._dialect)

    async def _ask_once(
        self, call: ModelCall, n: int, place: int, on_tokens: OnTokens | None, dialect: Dialect
    ) -> Completion:
        path = "chat/completions" if call.prompt.messages else "completions"
        streams = on_tokens is not None and dialect.streams
        content = request_body(self._model, call, dialect, n=n, place=place, streams=streams)
        async with self._upstream.post(path, content, streams=streams) as answer:
            if answer.status == 200 and streams and _is_event_stream(answer):
                streamed = StreamedAnswer(self._model, call, n, on_tokens)
                return await self._streamed(answer, streamed)
            body = self._upstream.without_secret(await answer.body(self._max_body_bytes))
            if answer.status != 200:
                failed = Failed(answer.status, body, answer.headers, self._clock())
                raise status_error(self._model, failed)
        if streams and looks_like_events(body):
            return read_events(body, StreamedAnswer(self._model, call, n, on_tokens))
        completion = parse_completion(self._model, body, call)
        if on_tokens is None:
            return completion
        judged = tuple(_judged(each, on_tokens) for each in completion.generations)
        return replace(completion, generations=judged)

    async def _streamed(self, answer: HttpAnswer, streamed: StreamedAnswer) -> Completion:
        reading = StreamReading(
            self._idle_timeout_s,
            self._max_body_bytes,
            self._upstream.without_secret,
            keeps_connection=self._upstream.reuses_streams,
        )
        async with aclosing(answer.pieces(self._max_body_bytes * _STREAM_OVERHEAD)) as pieces:
            await reading.read(pieces, streamed)
        return streamed.completion()


def _is_event_stream(answer: HttpAnswer) -> bool:
    return answer.headers.get("content-type", "").strip().lower().startswith("text/event-stream")


def _judged(generation: Generation, on_tokens: OnTokens) -> Generation:
    """An answer that came in one piece although it was to be streamed."""
    if generation.tokens and isinstance(on_tokens(generation.tokens), Stop):
        return Generation(generation.text, generation.tokens, "stopped")
    return generation


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
