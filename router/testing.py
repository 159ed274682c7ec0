"""Test doubles that ship: write tests for an application on Surefoot without patching anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from .errors import RunError
from .evidence import Alternative, Evidence, FinishReason, Generation, Passage, Token, Turn
from .protocols import Completion, ModelCall, Needs, OnTokens, Prompt
from .requests import Stop
from .signals import Reading, Signal

__all__ = [
    "FixedEstimator",
    "FixedRetriever",
    "FunctionModel",
    "PlainPrompter",
    "ScriptedModel",
    "says",
]


def says(
    text: str, p: float = 0.9, *, k: int = 3, finish_reason: FinishReason | None = "stop"
) -> Generation:
    """A generation whose every token (word) has probability `p` and `k` candidates.

    The rest of the mass is shared evenly by the other candidates, so the sum is 1.
    """
    pieces = [word if i == 0 else f" {word}" for i, word in enumerate(text.split(" "))]
    rest = math.log(max((1.0 - p) / max(k - 1, 1), 1e-12))
    tokens = tuple(
        Token(
            piece,
            math.log(p),
            (
                Alternative(piece, math.log(p)),
                *(Alternative(f"<{piece}~{i}>", rest) for i in range(1, k)),
            ),
        )
        for piece in pieces
    )
    return Generation(text, tokens if text else (), finish_reason)


class FunctionModel:
    """A model made from a function of the call; counts its calls and keeps them.

    The function returns a text, a generation, or an error to raise. With `n` above 1 it is called
    once per answer, with the seed raised each time.
    """

    def __init__(self, answer: Callable[[ModelCall], str | Generation | RunError]) -> None:
        self._answer = answer
        self.calls: list[ModelCall] = []

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        """Ask the function; feed `on_tokens` token by token."""
        self.calls.append(call)
        generations = []
        for i in range(call.n):
            answer = self._answer(replace(call, n=1, seed=call.seed + i))
            if isinstance(answer, RunError):
                raise answer
            generation = says(answer) if isinstance(answer, str) else answer
            generations.append(_fed(generation, on_tokens))
        tokens_in = len(_prompt_words(call.prompt)) * call.n
        tokens_out = sum(len(generation.tokens) for generation in generations)
        return Completion(tuple(generations), tokens_in, tokens_out, calls=call.n)

    async def aclose(self) -> None:
        """Nothing is held."""


class ScriptedModel(FunctionModel):
    """A model that gives its answers in order, and the last one again and again."""

    def __init__(self, *answers: str | Generation | RunError) -> None:
        if not answers:
            raise ValueError("a scripted model needs at least one answer")
        script = list(answers)
        super().__init__(lambda call: script.pop(0) if len(script) > 1 else script[0])


def _prompt_words(prompt: Prompt) -> list[str]:
    text = prompt.text or " ".join(message.content for message in prompt.messages)
    return text.split()


def _fed(generation: Generation, on_tokens: OnTokens | None) -> Generation:
    if on_tokens is None:
        return generation
    for end in range(1, len(generation.tokens) + 1):
        if isinstance(on_tokens(generation.tokens[:end]), Stop):
            tokens = generation.tokens[:end]
            return Generation("".join(token.token for token in tokens), tokens, "stopped")
    return generation


class FixedRetriever:
    """Finds the same passages for every query; given an error, raises it instead."""

    def __init__(self, passages: Iterable[Passage] = (), error: RunError | None = None) -> None:
        self._passages = tuple(passages)
        self._error = error
        self.queries: list[str] = []

    async def search(self, query: str, k: int) -> Sequence[Passage]:
        """The first `k` of them."""
        self.queries.append(query)
        if self._error is not None:
            raise self._error
        return self._passages[: max(k, 0)]


@dataclass(frozen=True, slots=True)
class FixedEstimator:
    """An estimator that says what it is told, or asks a function of the evidence."""

    name: str
    value: float | Callable[[Evidence], Reading] = 0.5
    needs: Needs = field(default_factory=Needs)
    version: int = 1

    def estimate(self, evidence: Evidence) -> Reading:
        """The fixed value, or what the function says."""
        if callable(self.value):
            return self.value(evidence)
        return Signal(self.name, self.value, self.value)


class PlainPrompter:
    """Question, passages and turns one after the other, without any instruction."""

    def prompt(
        self, tier: int, question: str, passages: Sequence[Passage], turns: Sequence[Turn]
    ) -> Prompt:
        """Everything on lines of its own."""
        lines = [f"{turn.question}\n{turn.answer}" for turn in turns]
        lines += [passage.text for passage in passages]
        return Prompt("\n".join([*lines, question]), stop=("\n",))
