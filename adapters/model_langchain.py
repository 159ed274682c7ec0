"""Any LangChain chat model, or any runnable from messages to a message, as a `Model`."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from ..router.capabilities import Capabilities
from ..router.errors import (
    ConfigurationError,
    DeadlineExceeded,
    RunError,
    UpstreamError,
    UpstreamRefused,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from ..router.evidence import FinishReason, Generation
from ..router.protocols import Completion, Message, ModelCall, OnTokens, Prompt
from ..router.requests import Stop
from ..router.tenancy import current_run
from .langchain_failures import typed_failure
from .model_langchain_binding import ChatFields, prepared, without_retries
from .model_langchain_reading import Answer, read_answer
from .model_langchain_stream import StreamedAnswer
from .worker_threads import WorkerThreads

__all__ = ["LangChainModel"]

_THREADS = 16  # a model that is not async must not hold the event loop's own threads
_MOST_STALE = 20  # connections of an ended event loop, one of which is dropped at each try
_AT_ONCE = 8  # requests of one call that asks for several answers
_NOT_TAKEN = re.compile(
    r"unsupported|not support|does not|only the default|unrecognized|unknown|deprecated", re.I
)
_CAN_LEAVE_OUT = ("temperature", "seed")


def _config() -> dict[str, Any]:
    """Drafts are gated: a graph around us must not stream them to its user. Traces tell by the
    metadata which run a call belongs to."""
    return {"tags": ["nostream", "surefoot"], "metadata": {"surefoot_run_id": current_run()}}


class LangChainModel:
    """Whatever LangChain chats with; a `Model`.

    Of a chat model (also of one with arguments bound to it) the call's temperature, limit of
    tokens, seed and logprobs are set where it has a field for them, on a copy; a temperature or
    seed that the endpoint refuses is left out from then on, and `capabilities` says so. Any other
    runnable is given the messages alone. A prompt of text becomes one user message.

    Several answers are as many requests, answer i with seed + i, at most eight at a time.

    Logprobs are read in each of the shapes that integrations have; where their tokens do not join
    to the text they are dropped, and the answer has none. An answer that does not say why it ended
    is taken for one that broke off, unless `unmarked` says otherwise.

    The client's own retries are switched off: each failure is one typed error, for the caller to
    act on.

    Args:
        model: a `BaseChatModel` or any runnable from messages to a message or a text.
        name: what it is called in errors.
        unmarked: how an answer ended that does not say so; None refuses it as truncated.

    Raises:
        ConfigurationError: `model` is no runnable.
    """

    def __init__(
        self, model: object, *, name: str | None = None, unmarked: FinishReason | None = None
    ) -> None:
        from langchain_core.language_models import BaseChatModel
        from langchain_core.runnables import Runnable, RunnableBinding

        if not isinstance(model, Runnable):
            raise ConfigurationError(
                f"expected a LangChain chat model or a runnable, got {type(model).__name__}",
                field="model",
            )
        inner: Any = model
        while isinstance(inner, RunnableBinding):
            inner = inner.bound
        self._name = name or getattr(inner, "model_name", None) or type(inner).__name__
        self._unmarked = unmarked
        self._is_chat = isinstance(inner, BaseChatModel)
        self._runnable: Any = without_retries(model) if self._is_chat else model
        self._fields = ChatFields.of(inner) if self._is_chat else None
        self._streams = _streams(inner) if self._is_chat else False
        self._is_async = not self._is_chat or _is_async(inner)
        self._threads = WorkerThreads("surefoot-langchain-model", _THREADS)
        self._left_out: set[str] = set()
        self._known = _known(inner, self._fields, self._streams)

    def __repr__(self) -> str:
        return f"LangChainModel({self._name!r})"

    @property
    def capabilities(self) -> Capabilities:
        """What is known without asking."""
        return self._known.with_notes(
            *(f"does not take a {each}" for each in sorted(self._left_out))
        )

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        """Answer a prompt `call.n` times.

        With `on_tokens` the answer is streamed where the model can and reports logprobs with it: it
        is called for every chunk that brings tokens, and a `Stop` closes the stream. Otherwise it
        is called once, with the whole answer.

        Raises:
            DeadlineExceeded: `call.timeout_s` is up, over all requests of this call.
            UpstreamUnavailable, UpstreamRateLimited, UpstreamRefused: by what the model raised.
            UpstreamMalformed: it returned something that is no answer.
            UpstreamTruncated: an answer broke off, or does not say why it ended.
        """
        messages = _messages(call.prompt)
        try:
            async with asyncio.timeout(call.timeout_s) as limit:
                answers = await self._all_answers(call, messages, on_tokens)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DeadlineExceeded(
                f"{self._name} did not answer within {call.timeout_s} s"
            ) from error
        return Completion(
            tuple(each.generation for each in answers),
            sum(each.tokens_in for each in answers),
            sum(each.tokens_out for each in answers),
            calls=call.n,
        )

    async def aclose(self) -> None:
        """Nothing is held: connections belong to the model that was given."""

    async def _all_answers(
        self, call: ModelCall, messages: Sequence[Any], on_tokens: OnTokens | None
    ) -> list[Answer]:
        if call.n == 1:
            return [await self._answer(call, messages, 0, on_tokens)]
        room = asyncio.Semaphore(_AT_ONCE)

        async def one(place: int) -> Answer:
            async with room:
                return await self._answer(call, messages, place, on_tokens)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(place)) for place in range(call.n)]
        except* RunError as errors:
            failed = errors
        else:
            return [task.result() for task in tasks]
        raise _first(failed)

    async def _answer(
        self, call: ModelCall, messages: Sequence[Any], place: int, on_tokens: OnTokens | None
    ) -> Answer:
        for _ in range(_MOST_STALE):
            try:
                answer = await self._ask(call, messages, place, on_tokens)
            except UpstreamRefused as error:
                refused = self._not_taken(str(error))
                if refused is None:
                    raise
                self._left_out.add(refused)
            except UpstreamUnavailable as error:
                if not self._is_stale(error):
                    raise
            else:
                return answer
        return await self._ask(call, messages, place, on_tokens)

    @staticmethod
    def _is_stale(error: UpstreamUnavailable) -> bool:
        """Whether a connection of an earlier, ended event loop was tried: nothing was sent on it.

        Clients keep such connections, LangChain's for OpenAI across all models of the process; each
        is dropped once it has failed.
        """
        return "event loop is closed" in str(error.__cause__).lower()

    def _not_taken(self, complaint: str) -> str | None:
        """The parameter that the endpoint does not take, where it says so and we had set it."""
        if self._fields is None or not _NOT_TAKEN.search(complaint):
            return None
        text = complaint.lower()
        return next(
            (
                each
                for each in _CAN_LEAVE_OUT
                if each in text and getattr(self._fields, each) and each not in self._left_out
            ),
            None,
        )

    async def _ask(
        self, call: ModelCall, messages: Sequence[Any], place: int, on_tokens: OnTokens | None
    ) -> Answer:
        size = sum(len(str(message.content)) for message in messages)
        kwargs = {"stop": [each for each in call.prompt.stop if each]} if self._is_chat else {}
        kwargs = {name: value for name, value in kwargs.items() if value}
        runnable = self._prepared(call, place)
        if on_tokens is None or not self._streams or call.top_logprobs == 0:
            found = await self._invoke(runnable, messages, kwargs)
            answer = read_answer(self._name, found, size, self._unmarked)
            return answer if on_tokens is None else _judged(answer, on_tokens)
        streamed = StreamedAnswer(self._name, size, self._unmarked)
        async with aclosing(self._stream(runnable, messages, kwargs)) as chunks:
            async for chunk in chunks:
                if streamed.add(chunk) and isinstance(on_tokens(streamed.tokens), Stop):
                    return streamed.stopped()
        answer = streamed.finished()
        if len(answer.generation.tokens) > streamed.shown or (
            answer.generation.tokens and not streamed.shown
        ):
            return _judged(answer, on_tokens)
        return answer

    def _prepared(self, call: ModelCall, place: int) -> Any:
        if self._fields is None:
            if call.options is not None:
                raise UpstreamRefused(
                    f"{self._name} is given messages alone; tools and response formats need a "
                    "chat model"
                )
            return self._runnable
        return prepared(self._runnable, self._fields, call, place, self._left_out)

    async def _invoke(self, runnable: Any, messages: Sequence[Any], kwargs: Any) -> object:
        from langgraph.errors import GraphBubbleUp

        try:
            if self._is_async:
                return await runnable.ainvoke(messages, _config(), **kwargs)
            work = partial(runnable.invoke, messages, _config(), **kwargs)
            return await self._threads.run(work)
        except GraphBubbleUp:
            raise  # no failure: the graph around us is being interrupted
        except Exception as error:
            # Every integration raises errors of its own; whatever it was, there is no answer.
            raise typed_failure(self._name, error) from error

    async def _stream(
        self, runnable: Any, messages: Sequence[Any], kwargs: Any
    ) -> AsyncGenerator[Any, None]:
        from langgraph.errors import GraphBubbleUp

        begun = False
        try:
            async with aclosing(runnable.astream(messages, _config(), **kwargs)) as chunks:
                async for chunk in chunks:
                    begun = True
                    yield chunk
        except (GraphBubbleUp, GeneratorExit):
            raise
        except Exception as error:
            # As above; an answer under way that ends so has broken off.
            failure = typed_failure(self._name, error)
            if begun and not isinstance(failure, UpstreamRefused):
                failure = UpstreamTruncated(f"the answer of {self._name} broke off: {failure}")
            raise failure from error


def _messages(prompt: Prompt) -> list[Any]:
    from langchain_core.messages import HumanMessage

    if prompt.messages:
        return [_message(each) for each in prompt.messages]
    if not prompt.text:
        raise UpstreamRefused("the prompt is empty; give it text or messages")
    return [HumanMessage(_encodable(prompt.text))]


def _message(message: Message) -> Any:
    from langchain_core.messages import convert_to_messages

    given: Any = (message.role, _encodable(message.content))
    if message.raw is not None:
        given = json.loads(message.raw)
    try:
        (found,) = convert_to_messages([given])
    except (NotImplementedError, TypeError, ValueError, KeyError) as error:
        raise UpstreamRefused(f"a message cannot be put to LangChain: {error}") from error
    return found


def _encodable(text: str) -> str:
    """The text with lone surrogates replaced: they have no UTF-8 form."""
    return text.encode("utf-8", "replace").decode()


def _judged(answer: Answer, on_tokens: OnTokens) -> Answer:
    found = answer.generation
    if found.tokens and isinstance(on_tokens(found.tokens), Stop):
        stopped = Generation(found.text, found.tokens, "stopped", found.tool_calls)
        return Answer(stopped, answer.tokens_in, answer.tokens_out)
    return answer


def _first(errors: BaseExceptionGroup[RunError]) -> RunError:
    """One of the failures; where one says how to go on, that one."""
    plain = [each for each in _leaves(errors) if isinstance(each, UpstreamError)]
    return plain[0] if plain else next(iter(_leaves(errors)))


def _leaves(errors: BaseExceptionGroup[RunError]) -> list[RunError]:
    found: list[RunError] = []
    for each in errors.exceptions:
        found += _leaves(each) if isinstance(each, BaseExceptionGroup) else [each]
    return found


def _is_async(model: Any) -> bool:
    from langchain_core.language_models import BaseChatModel

    own = type(model)
    return (
        own._agenerate is not BaseChatModel._agenerate or own._astream is not BaseChatModel._astream
    )


def _streams(model: Any) -> bool:
    from langchain_core.language_models import BaseChatModel

    return type(model)._astream is not BaseChatModel._astream and not model.disable_streaming


def _known(model: Any, fields: ChatFields | None, streams: bool) -> Capabilities:
    """What fields and profile of a chat model tell; of any other runnable nothing is known."""
    from langchain_core.language_models import BaseChatModel

    if fields is None:
        return Capabilities(n=False, hidden=False, streaming=False, tools=False)
    profile = getattr(model, "profile", None) or {}
    context = profile.get("max_input_tokens")
    asks = fields.logprobs or "logprobs" in (getattr(model, "model_kwargs", None) or {})
    return Capabilities(
        logprobs=None if asks else False,
        n=False,
        hidden=False,
        streaming=streams,
        context=context if type(context) is int else None,
        tools=type(model).bind_tools is not BaseChatModel.bind_tools,
    )
