"""The chat model's streams where a gate lets drafts be shown while they are written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from langchain_core.messages import AIMessageChunk

from surefoot.graphs.caller_prompter import CallerPrompter
from surefoot.graphs.chat_model import RouterChatModel
from surefoot.graphs.prompter import TemplatePrompter
from surefoot.policies.release_gate import ReleaseGate, ReleaseRule
from surefoot.router.drive import Router
from surefoot.router.errors import UpstreamTruncated
from surefoot.router.estimators.perplexity import Perplexity
from surefoot.router.evidence import Generation
from surefoot.router.perform import Performer
from surefoot.router.protocols import Completion, ModelCall, OnTokens
from surefoot.router.requests import Stop
from surefoot.router.steps.positions import Sentences
from surefoot.router.steps.reading import StepReader
from surefoot.router.testing import says

from ..router.plans import plan_of

QUESTION = "What is the capital of France?"
TEXT = "It is Paris. The city lies on the Seine."


class Paced:
    """Writes a word every few milliseconds, and may break off before the last one.

    Attributes:
        written: words so far.
        was_left: nobody wanted the rest.
    """

    def __init__(self, generation: Generation, *, breaks: bool = False) -> None:
        self.written = 0
        self.was_left = False
        self._generation = generation
        self._breaks = breaks

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        """One answer."""
        tokens = self._generation.tokens
        try:
            for self.written in range(1, len(tokens) + 1):
                if on_tokens is not None:
                    assert not isinstance(on_tokens(tokens[: self.written]), Stop)
                await asyncio.sleep(0.01)
                if self._breaks and self.written == len(tokens) - 1:
                    raise UpstreamTruncated("it broke off")
        except asyncio.CancelledError:
            self.was_left = True
            raise
        return Completion((self._generation,), 5, len(tokens))

    async def aclose(self) -> None:
        """Nothing is held."""


def chat_model(model: Paced, threshold: float = 0.8) -> RouterChatModel:
    tiers = plan_of().tiers[:1]
    gate = ReleaseGate({0: ReleaseRule(StepReader(Sentences(), Perplexity()), threshold)})
    plan = plan_of(0.9, tiers=tiers, release_gate=gate, retrieval=None)
    notes = TemplatePrompter(("chat",))
    router = Router(
        plan,
        Performer(plan, (model,), notes),
        callers=lambda request: CallerPrompter(request, (True,), notes),
    )
    return RouterChatModel(router=router, names=("small",))


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Iterator[str]:
    yield request.param


async def chunks_of(chat: RouterChatModel, model: Paced, kind: str) -> list[tuple[str, int]]:
    """Each chunk's text, and how much was written when it came."""

    def sync() -> list[tuple[str, int]]:
        return [(chunk.text, model.written) for chunk in chat.stream(QUESTION)]

    if kind == "sync":
        return await asyncio.to_thread(sync)
    return [(chunk.text, model.written) async for chunk in chat.astream(QUESTION)]


async def test_words_come_as_they_are_written(kind: str) -> None:
    model = Paced(says(TEXT))
    chat = chat_model(model)
    found = await chunks_of(chat, model, kind)
    chat.close()
    assert "".join(text for text, _ in found) == TEXT
    (first, written), *_ = found
    assert first.startswith("It is Paris. The") and 4 <= written < 9  # nine words in all


async def test_nothing_comes_before_the_end_where_the_gate_keeps_it(kind: str) -> None:
    model = Paced(says(TEXT))
    chat = chat_model(model, threshold=0.95)
    found = await chunks_of(chat, model, kind)
    chat.close()
    assert [text for text, _ in found if text] == [TEXT]
    assert found[0][1] == 9


async def test_one_that_breaks_off_raises(kind: str) -> None:
    model = Paced(says(TEXT), breaks=True)
    chat = chat_model(model)
    with pytest.raises(UpstreamTruncated, match="broke off"):
        await chunks_of(chat, model, kind)
    chat.close()


async def test_whoever_stops_reading_stops_the_model(kind: str) -> None:
    model = Paced(says(" ".join(["Yes.", *["Word"] * 200])))
    chat = chat_model(model)

    def sync() -> None:
        stream = chat.stream(QUESTION)
        next(stream)
        stream.close()  # type: ignore[attr-defined]  # it is a generator

    if kind == "sync":
        await asyncio.to_thread(sync)
    else:
        stream = chat.astream(QUESTION)
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert model.was_left and model.written < 200
    chat.close()


async def test_the_last_chunk_tells_what_was_decided() -> None:
    chat = chat_model(Paced(says(TEXT)))
    whole: AIMessageChunk | None = None
    async for chunk in chat.astream(QUESTION):
        assert isinstance(chunk, AIMessageChunk)
        whole = chunk if whole is None else whole + chunk
    assert whole is not None and whole.text == TEXT
    assert whole.response_metadata["surefoot"]["released"].startswith("perplexity 0.900")
    assert whole.usage_metadata is not None and whole.usage_metadata["total_tokens"] == 14
    chat.close()


async def test_with_stop_sequences_nothing_is_live() -> None:
    model = Paced(says(TEXT))
    chat = chat_model(model)
    found = [chunk.text async for chunk in chat.astream(QUESTION, stop=["END"])]
    assert [text for text in found if text] == [TEXT]
    chat.close()
