"""What the critic judges, and what practice keeps of it: one state a round of a thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..evidence import Passage
from ..text import question_key

__all__ = ["AcceptLabel", "CriticState", "Labels", "StateRecord", "rounds_found"]

AcceptLabel = Literal["accept", "em"]
"""What counts as right: the answer in other words too, or an exact match alone."""

ACCEPT_F1 = 0.8
"""Word F1 with an accepted answer from which another wording counts as the same answer."""


@dataclass(frozen=True, slots=True)
class CriticState:
    """An answer, and everything that led to it.

    Attributes:
        answer: as served, "" where none was written yet; then only sufficiency can be judged.
        passages: what the answer was drafted from, in the order in which it was found.
        round: searches made so far; 0 is closed book.
        previous_answers: of earlier rounds, oldest first.
        queries: what was searched for, oldest first.
        found_in: per passage, the round that found it, from 1; () where nobody kept it.
        unshown_scores: retrieval scores of the next hits that were not shown, best first.
    """

    question: str
    answer: str = ""
    rationale: str = ""
    passages: tuple[Passage, ...] = ()
    round: int = 0
    previous_answers: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    found_in: tuple[int, ...] = ()
    unshown_scores: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of a state afterwards; None where it is not.

    Attributes:
        em: the normalized answer equals an accepted one.
        f1: highest word F1 with an accepted answer, in [0, 1].
        contains: an accepted answer occurs in the answer, or the other way around.
        sufficient: the passages hold the evidence that the question needs.
    """

    em: bool | None = None
    f1: float | None = None
    contains: bool | None = None
    sufficient: bool | None = None

    @property
    def accept(self) -> bool | None:
        """Whether the answer is right: the same words, nearly so, or an accepted answer in it."""
        f1_says = None if self.f1 is None else self.f1 >= ACCEPT_F1
        known = [said for said in (self.em, f1_says, self.contains) if said is not None]
        return any(known) if known else None

    def right(self, label: AcceptLabel) -> bool | None:
        """Whether the answer is right by that label; None where it is not known."""
        return self.em if label == "em" else self.accept


@dataclass(frozen=True, slots=True)
class StateRecord:
    """One line of a states file.

    Attributes:
        thread_id: the run of rounds that the state belongs to; (thread_id, round) is the key.
        gold: accepted answers, () where unknown.
        extra: fields that this version does not know, kept as they are.
        line: its number in the file, 0 where it never was in one.
    """

    thread_id: str
    state: CriticState
    gold: tuple[str, ...] = ()
    labels: Labels = Labels()
    extra: Mapping[str, Any] = field(default_factory=dict)
    line: int = 0

    @property
    def group(self) -> str:
        """What must never be split between training and judging: all states of one question."""
        return question_key(self.state.question)


def rounds_found(state: CriticState) -> tuple[int, ...]:
    """Per passage, the round that found it, from 1.

    Where nobody kept it, as many searches as there are queries found equally many passages each,
    the earlier ones first; where that does not come out even, one search found them all.
    """
    n, searches = len(state.passages), len(state.queries)
    if len(state.found_in) == n:
        return state.found_in
    if searches > 1 and n % searches == 0:
        each = n // searches
        return tuple(index // each + 1 for index in range(n))
    return (1,) * n
