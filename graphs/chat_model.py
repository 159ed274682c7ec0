"""The router as a LangChain chat model: a drop-in for the one that an application has."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field, PrivateAttr

from ..router.budget import Budget, Spend
from ..router.decisions import Action, Result
from ..router.drive import Answered, OnText, Router
from ..router.errors import (
    Abstained,
    DeadlineExceeded,
    UpstreamRefused,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from ..router.live_run import LiveRun
from ..router.perform import Session
from ..router.shared_budget import SharedBudget
from ..router.trail import failure_kind
from .chat_messages import answer_message, caller_request
from .decision_field import decision_field
from .sync_door import SyncDoor
from .token_logprobs import chat_logprobs

if TYPE_CHECKING:
    from .config import Built
    from .settings import Settings

__all__ = ["RouterChatModel"]


class RouterChatModel(BaseChatModel):
    """Gated answers of a router, wherever LangChain takes a chat model.

    Nothing is shown before the decision has been made, but where a live gate lets it: a stream
    begins when the answer is judged, and drafts that were rejected reach no callback that streams.
    Tools, structured output and
    further arguments are passed on to every tier. Drafts are greedy, whatever the temperature,
    since calibrators are fitted on greedy drafts.

    The answer's `response_metadata["surefoot"]` holds the decision, its `usage_metadata` the tokens
    of all attempts, since all were paid.

    Attributes:
        router: what decides; whoever built it closes it.
        names: of the tiers.
        model: what the router is called in traces.
        abstain: whether an abstention is an answer with `abstain_text`, or an `Abstained` error.
        shared: limits of all calls together, also of others that have the same.
        session: whose runs these are; a call may bring its own (`bind(session=...)`).
        timeout: seconds that a call may take, beside the deployment's own limit.
        max_tokens: of an answer, where that is fewer than the tier's.
        temperature: taken, since applications set it, and without effect.
        logprobs: whether the metadata hold the answer's tokens, where its tier knows them.
        top_logprobs: how many candidates beside each.

    Raises:
        UsageError: from a call in which no user says anything.
        Abstained: from a call, where abstentions are errors.
        UpstreamUnavailable, UpstreamRefused, DeadlineExceeded: no tier wrote anything at all.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    router: Router = Field(repr=False, exclude=True)
    names: tuple[str, ...] = ()
    model: str = "surefoot"
    abstain: Literal["answer", "error"] = "answer"
    abstain_text: str = "I do not know."
    shared: SharedBudget | None = Field(default=None, repr=False, exclude=True)
    session: Session = Field(default=Session(), repr=False)
    timeout: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    temperature: float | None = None
    logprobs: bool = False
    top_logprobs: int = 5

    _door: SyncDoor = PrivateAttr(default_factory=SyncDoor)

    @classmethod
    def of(cls, built: Built, **more: Any) -> RouterChatModel:
        """The model over a built deployment; `more` are attributes."""
        return cls(router=built.router, names=built.names, **more)

    @classmethod
    def from_config(cls, config: Settings | Path | str, **more: Any) -> RouterChatModel:
        """The model over the deployment of a TOML file or of settings. Raises as `build`."""
        from .config import build
        from .places import Surroundings
        from .settings import Settings, load_settings

        if isinstance(config, Settings):
            return cls.of(build(config), **more)
        path = Path(config)
        return cls.of(build(load_settings(path), Surroundings(path.resolve().parent)), **more)

    def close(self) -> None:
        """Close the router that `from_config` built, and the loop of sync calls."""
        self._door.call(self.router.aclose())
        self._door.close()

    @property
    def _llm_type(self) -> str:
        return "surefoot"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        # What LangChain's own cache tells models apart by.
        return {"model": self.model, "deployment": self.router.performer.fingerprint}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        name = kwargs.get("model") or self.model
        found = LangSmithParams(ls_provider="surefoot", ls_model_name=name, ls_model_type="chat")
        if self.max_tokens is not None:
            found["ls_max_tokens"] = self.max_tokens
        if self.temperature is not None:
            found["ls_temperature"] = self.temperature
        if stop or self.stop:
            found["ls_stop"] = list(stop or self.stop)
        return found

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | bool | dict[str, Any] | None = None,
        parallel_tool_calls: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The model with tools, for every tier.

        Args:
            tools: whatever LangChain takes for one.
            tool_choice: a tool's name, `auto`, `any`, `none`, or what OpenAI takes.
        """
        strict = kwargs.get("strict")
        given = {
            "tools": [convert_to_openai_tool(tool, strict=strict) for tool in tools],
            "tool_choice": tool_choice,
            "parallel_tool_calls": parallel_tool_calls,
            **kwargs,
        }
        return self.bind(**{name: value for name, value in given.items() if value is not None})

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with _as_parent(run_manager):
            return self._door.call(self._answer(messages, stop, kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with _as_parent(run_manager):
            return await self._answer(messages, stop, kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        chunks = self._told_live(messages, stop, kwargs, run_manager)
        try:
            while (chunk := self._door.call(_next(chunks))) is not None:
                if run_manager is not None:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk
        finally:
            self._door.call(chunks.aclose())

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        chunks = self._told_live(messages, stop, kwargs, run_manager)
        async with aclosing(chunks):
            async for chunk in chunks:
                if run_manager is not None:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    async def _told_live(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        arguments: dict[str, Any],
        manager: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None,
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        """What a live gate lets be shown as it comes, then what is left of the answer, then all
        that is known."""
        # Stop sequences: a part of one may be shown before the rest of it is there.
        is_live = self.router.plan.release_gate is not None and not (stop or self.stop)
        if not is_live:
            with _as_parent(manager):
                found = await self._answer(messages, stop, arguments)
            for chunk in _chunks(found):
                yield chunk
            return
        with _as_parent(manager):
            run = LiveRun(lambda on_text: self._answer(messages, stop, arguments, on_text))
        shown = ""
        try:
            async for piece in run.pieces():
                shown += piece
                yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
            found = await run.ended()
        finally:
            await run.cancel()
        for chunk in _chunks(found, shown):
            yield chunk

    async def _answer(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        arguments: dict[str, Any],
        on_text: OnText | None = None,
    ) -> ChatResult:
        arguments = dict(arguments)
        session = arguments.pop("session", None) or self.session
        limit = arguments.pop("max_tokens", None) or self.max_tokens
        arguments.pop("temperature", None)
        timeout = arguments.pop("timeout", None) or self.timeout
        request = caller_request(messages, stop or self.stop, limit, arguments)
        budget = _within(self.router.plan.budget, timeout)
        if self.shared is None:
            answered = await self.router.respond(
                request, session=session, budget=budget, on_text=on_text
            )
        else:
            with self.shared.lend(budget) as loan:
                answered = await self.router.respond(
                    request, session=session, budget=loan.budget, on_text=on_text
                )
                loan.used = _used(answered.result)
        return self._told(answered)

    def _told(self, answered: Answered) -> ChatResult:
        result = answered.result
        text = result.answer
        if result.action is Action.ABSTAIN:
            if result.released:  # what was shown has no end, and no other words can follow it
                raise UpstreamTruncated(result.reason)
            _raise_unreached(result)
            if self.abstain == "error":
                raise Abstained(result.reason)
            text = self.abstain_text
        metadata: dict[str, Any] = {"surefoot": decision_field(result, self.names)}
        if self.logprobs and answered.generation is not None:
            tokens = answered.generation.tokens
            metadata["logprobs"] = chat_logprobs(tokens, self.top_logprobs)
        message = answer_message(result, text or "", self.model, metadata)
        return ChatResult(generations=[ChatGeneration(message=message)])


def _used(result: Result) -> Spend:
    return Spend(cost=result.cost, calls=result.calls, tokens=result.tokens)


def _within(configured: Budget, timeout: float | None) -> Budget:
    if timeout is None:
        return configured
    known = configured.deadline_s
    return replace(configured, deadline_s=timeout if known is None else min(known, timeout))


def _raise_unreached(result: Result) -> None:
    """What the world did is an error, for retries and fallbacks; an abstention is none."""
    kinds = {kind for step in result.trail if (kind := failure_kind(step)) is not None}
    if result.attempts or not kinds:
        return
    if DeadlineExceeded.kind in kinds:
        raise DeadlineExceeded(result.reason)
    if kinds == {UpstreamRefused.kind}:
        raise UpstreamRefused(result.reason)
    raise UpstreamUnavailable(result.reason)


async def _next(chunks: AsyncIterator[ChatGenerationChunk]) -> ChatGenerationChunk | None:
    return await anext(chunks, None)


def _chunks(found: ChatResult, shown: str = "") -> Iterator[ChatGenerationChunk]:
    """What is left of the text first, then all that is known once it has ended."""
    message = found.generations[0].message
    assert isinstance(message, AIMessage)
    if rest := message.text[len(shown) :]:
        yield ChatGenerationChunk(message=AIMessageChunk(content=rest, id=message.id))
    called = [
        *(
            _call_chunk(one["name"], one["args"], one["id"], at)
            for at, one in enumerate(message.tool_calls)
        ),
        *(
            tool_call_chunk(name=one["name"], args=one["args"], id=one["id"], index=at)
            for at, one in enumerate(message.invalid_tool_calls, start=len(message.tool_calls))
        ),
    ]
    last = AIMessageChunk(
        content="",
        id=message.id,
        tool_call_chunks=called,
        usage_metadata=message.usage_metadata,
        response_metadata=message.response_metadata,
        chunk_position="last",
    )
    yield ChatGenerationChunk(message=last)


def _call_chunk(name: str, arguments: dict[str, Any], id: str | None, at: int) -> Any:
    import json

    written = json.dumps(arguments, ensure_ascii=False)
    return tool_call_chunk(name=name, args=written, id=id, index=at)


@contextmanager
def _as_parent(
    manager: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None,
) -> Iterator[None]:
    """Calls of the tiers' own LangChain models are traced below this one."""
    if manager is None:
        yield
        return
    children = AsyncCallbackManager(
        handlers=[],
        parent_run_id=manager.run_id,
        inheritable_tags=manager.inheritable_tags,
        inheritable_metadata=manager.inheritable_metadata,
    )
    children.set_handlers(manager.inheritable_handlers)
    token = var_child_runnable_config.set({"callbacks": children})
    try:
        yield
    finally:
        var_child_runnable_config.reset(token)
