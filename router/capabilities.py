"""What a model can be asked for, and which signals are out of reach where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, runtime_checkable

from .protocols import Estimator, HiddenWanted, Needs

__all__ = [
    "NOTHING_KNOWN",
    "Capabilities",
    "Capable",
    "hidden_wanted",
    "out_of_reach",
    "shortfall",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model can do; None where nobody knows.

    Attributes:
        logprobs: whether answers come with the logprobs of their tokens.
        top_logprobs: candidates per token that can be had at least; where the model's limit is
            known, that limit.
        n: whether several answers come from one request.
        hidden: whether hidden states can be seen.
        streaming: whether an answer can be judged while it is being written.
        context: tokens of prompt and answer together.
        tools: whether it calls tools.
        notes: what else is out of the ordinary, in words.
    """

    logprobs: bool | None = None
    top_logprobs: int | None = None
    n: bool | None = None
    hidden: bool | None = None
    streaming: bool | None = None
    context: int | None = None
    tools: bool | None = None
    notes: tuple[str, ...] = ()

    def with_notes(self, *notes: str) -> Capabilities:
        """The same with further notes, none of them twice."""
        new = [note for note in dict.fromkeys(notes) if note not in self.notes]
        return replace(self, notes=(*self.notes, *new)) if new else self

    def updated(self, later: Capabilities) -> Capabilities:
        """What is known after `later` was found out, which wins wherever it knows anything."""
        return Capabilities(
            _newer(self.logprobs, later.logprobs),
            _newer(self.top_logprobs, later.top_logprobs),
            _newer(self.n, later.n),
            _newer(self.hidden, later.hidden),
            _newer(self.streaming, later.streaming),
            _newer(self.context, later.context),
            _newer(self.tools, later.tools),
            self.notes,
        ).with_notes(*later.notes)

    def in_words(self) -> str:
        """One line for people; what nobody knows is left out, and so are the notes."""
        words = [
            _logprob_words(self.logprobs, self.top_logprobs),
            _either(self.n, "several answers at once", "one answer at a time"),
            _either(self.streaming, "streaming", "no streaming"),
            _either(self.hidden, "hidden states", None),
            _either(self.tools, "tools", "no tools"),
            None if self.context is None else f"context {self.context}",
        ]
        return ", ".join(word for word in words if word) or "nothing is known of what it can do"


NOTHING_KNOWN = Capabilities()


@runtime_checkable
class Capable(Protocol):
    """A model that can tell what it can do."""

    @property
    def capabilities(self) -> Capabilities:
        """What is known so far."""
        ...


def shortfall(needs: Needs, can: Capabilities) -> str | None:
    """What an estimator needs that the model cannot give; None where it can, or nobody knows."""
    if (needs.logprobs or needs.top_logprobs) and can.logprobs is False:
        return "no logprobs"
    most = can.top_logprobs
    if can.logprobs and most is not None and needs.top_logprobs > most:
        return f"{most} candidates a token of {needs.top_logprobs}"
    if needs.hidden and can.hidden is False:
        return "no hidden states"
    return None


def out_of_reach(
    estimators: Sequence[Estimator], can: Capabilities
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What is lacking, each with the names of the signals that it puts out of reach."""
    found: dict[str, list[str]] = {}
    for estimator in estimators:
        why = shortfall(estimator.needs, can)
        if why is not None:
            found.setdefault(why, []).append(estimator.name)
    return tuple((why, tuple(names)) for why, names in found.items())


def hidden_wanted(estimators: Sequence[Estimator]) -> tuple[HiddenWanted, ...]:
    """The hidden states that any of them reads, each once."""
    return tuple(dict.fromkeys(one for each in estimators for one in each.needs.hidden))


def _newer(known: T | None, later: T | None) -> T | None:
    return known if later is None else later


def _either(value: bool | None, yes: str, no: str | None) -> str | None:
    if value is None:
        return None
    return yes if value else no


def _logprob_words(logprobs: bool | None, most: int | None) -> str | None:
    if not logprobs:
        return None if logprobs is None else "no logprobs"
    return "logprobs" if most is None else f"{most} candidates per token"
