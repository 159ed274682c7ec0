"""A stream of chat or text completions, put together into what the plain answer would have been."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..router.errors import UpstreamError, UpstreamMalformed, UpstreamTruncated
from ..router.protocols import Completion, ModelCall, OnTokens
from .openai_choice import StreamedChoice
from .openai_usage import tokens_used
from .openai_wire import parse_json
from .sse import Event, EventParser
from .upstream_status import Failed, complaint_of, error_status, short, status_error

__all__ = ["StreamReading", "StreamedAnswer", "looks_like_events", "read_events"]

_DONE = b"[DONE]"
_LAST_WORDS_S = 1.0  # for the usage and the end, after the last answer has ended
_REUSE_S = 0.05  # for the end of the body, which makes the connection usable again
_BEGINNINGS = (b"data:", b"event:", b":")


class StreamedAnswer:
    """What has come of a stream so far; `on_tokens` is asked for every chunk that brings tokens.

    Attributes:
        model: what it is called in errors.
        is_done: the stream has said that it is at its end.
    """

    def __init__(self, model: str, call: ModelCall, n: int, on_tokens: OnTokens | None) -> None:
        self.model = model
        self._call = call
        self._n = n
        self._on_tokens = on_tokens
        self._is_chat = bool(call.prompt.messages)
        self._choices: dict[int, StreamedChoice] = {}
        self._usage: object = None
        self.is_done = False

    @property
    def is_whole(self) -> bool:
        """Whether all answers that were asked for have ended: what may still come is the usage."""
        choices = self._choices.values()
        return len(choices) >= self._n and all(one.is_over for one in choices)

    @property
    def is_stopped(self) -> bool:
        """Whether the gate has ended all answers that were asked for."""
        choices = self._choices.values()
        return len(choices) >= self._n and all(one.is_stopped for one in choices)

    @property
    def has_begun(self) -> bool:
        """Whether anything of an answer has come."""
        return any(one.has_text for one in self._choices.values())

    def take(self, event: Event) -> None:
        """Take in an event; what comes after the end of the stream is ignored.

        Raises:
            UpstreamMalformed: it is no chunk of a completion.
            UpstreamTruncated: it reports an error, without saying which.
            UpstreamError: it reports an error.
        """
        if self.is_done:
            return
        if event.data.strip() == _DONE:
            self.is_done = True
            return
        chunk = parse_json(self.model, event.data)
        if not isinstance(chunk, dict):
            raise UpstreamMalformed(f"{self.model} sent a chunk that is {short(chunk)}")
        if chunk.get("error") or event.name == "error":
            raise self._failure(chunk, event.data)
        if chunk.get("usage"):
            self._usage = chunk["usage"]
        choices = chunk.get("choices")
        if not isinstance(choices, list):
            if choices is None:  # keep-alives, the usage, or notes of a gateway
                return
            raise UpstreamMalformed(f"{self.model} sent choices that are {short(choices)}")
        for choice in choices:
            self._take(choice)

    def take_last(self, event: Event) -> None:
        """Take in an event that the end of the connection left unfinished: if it can be read, it
        is whole."""
        try:
            self.take(event)
        except UpstreamMalformed as error:
            if not self.is_whole:
                raise self._broken_off("inside a chunk") from error

    def completion(self) -> Completion:
        """All answers, once the stream is at its end.

        Raises:
            UpstreamTruncated: an answer did not say why it ended.
            UpstreamMalformed: the stream has no answer, or one without anything in it.
        """
        if not self._choices:
            if self.is_done:
                raise UpstreamMalformed(f"{self.model} sent a stream without any choices")
            raise self._broken_off("before its first word")
        if not self.is_done and not self.is_whole:
            raise self._broken_off("without a finish_reason")
        generations = tuple([self._choices[index].generation() for index in sorted(self._choices)])
        return Completion(generations, *tokens_used(self._usage, self._call, generations))

    def _take(self, choice: Any) -> None:
        if not isinstance(choice, Mapping):
            raise UpstreamMalformed(f"{self.model} sent a choice that is {short(choice)}")
        index = choice.get("index", 0)
        if type(index) is not int or not 0 <= index < max(self._n, 128):
            raise UpstreamMalformed(f"{self.model} sent a choice with the index {short(index)}")
        if index not in self._choices:
            self._choices[index] = StreamedChoice(self.model, self._on_tokens)
        self._choices[index].take(choice, is_chat=self._is_chat)

    def _failure(self, chunk: Mapping[str, Any], data: bytes) -> UpstreamError:
        error = chunk.get("error") or chunk
        status = error_status(error)
        if status is not None:
            return status_error(self.model, Failed(status, data))
        said = f"{self.model} reported an error in its stream: {complaint_of(data)}"
        if self.has_begun:
            return UpstreamTruncated(said)
        return UpstreamMalformed(said)

    def _broken_off(self, where: str) -> UpstreamTruncated:
        return UpstreamTruncated(f"the stream of {self.model} ended {where}")


@dataclass(frozen=True, slots=True)
class StreamReading:
    """How a stream is read.

    Attributes:
        idle_timeout_s: between two events, once an answer has begun. Before that an endpoint may
            be reading a long prompt; comments that keep the connection alive are no events.
        most_pending: bytes of one event.
        cleaned: what is done with the bytes of an event before anybody looks at them.
        keeps_connection: whether it is worth reading to the end of the body.
    """

    idle_timeout_s: float
    most_pending: int
    cleaned: Callable[[bytes], bytes]
    keeps_connection: bool = False

    async def read(self, pieces: AsyncIterator[bytes], streamed: StreamedAnswer) -> None:
        """Read until the stream has ended, or the gate has stopped it.

        Once all answers are whole, whatever goes wrong with the rest does not matter.

        Raises:
            UpstreamTruncated: it broke off, stood still, or reported an error.
            UpstreamMalformed: what came is no completion, or too large.
            UpstreamError: it reported an error.
        """
        try:
            async with asyncio.timeout(None) as idle:
                await self._read(pieces, streamed, idle)
        except UpstreamError:
            if not streamed.is_whole:
                raise
        except TimeoutError as error:
            if not idle.expired():
                raise
            if not streamed.is_done and not streamed.is_whole:
                raise UpstreamTruncated(
                    f"the stream of {streamed.model} stood still for {self.idle_timeout_s:g} s"
                ) from error

    async def _read(
        self, pieces: AsyncIterator[bytes], streamed: StreamedAnswer, idle: asyncio.Timeout
    ) -> None:
        now, parser = asyncio.get_running_loop().time, EventParser()
        async for piece in pieces:
            events = parser.feed(piece)
            for event in events:
                streamed.take(Event(self.cleaned(event.data), event.name))
                if streamed.is_stopped:
                    return
            if streamed.is_done and not self.keeps_connection:
                return
            if parser.pending > self.most_pending:
                raise UpstreamMalformed(
                    f"{streamed.model} sent a chunk of more than {self.most_pending:,} bytes"
                )
            if events and streamed.has_begun:
                idle.reschedule(now() + self._patience_s(streamed))
        for event in parser.finish():
            streamed.take_last(Event(self.cleaned(event.data), event.name))

    def _patience_s(self, streamed: StreamedAnswer) -> float:
        if streamed.is_done:
            return _REUSE_S
        if streamed.is_whole:
            return min(self.idle_timeout_s, _LAST_WORDS_S)
        return self.idle_timeout_s


def looks_like_events(body: bytes) -> bool:
    """Whether a body is a stream of events, whatever its headers say."""
    return body.lstrip().startswith(_BEGINNINGS)


def read_events(body: bytes, streamed: StreamedAnswer) -> Completion:
    """The answers in a stream that came as one body. Raises as `StreamedAnswer`."""
    parser = EventParser()
    try:
        for event in parser.feed(body):
            streamed.take(event)
            if streamed.is_stopped:
                return streamed.completion()
        for event in parser.finish():
            streamed.take_last(event)
    except UpstreamError:
        if not streamed.is_whole:
            raise
    return streamed.completion()
