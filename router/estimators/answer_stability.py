"""Confidence as the answer's staying the same from round to round."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from ..answers import answer_class, class_of, judged_problem
from ..batch import Batch, BatchEstimator
from ..content import content_positions
from ..evidence import Evidence
from ..hygiene import Checked, with_candidates
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable
from .views import checked_answers

__all__ = ["AnswerStability"]

_make_signal = maker(Signal)


@dataclass(frozen=True, slots=True)
class AnswerStability(BatchEstimator):
    """Share of the last r rounds, the present one included, that gave the present answer.

    Answers are compared by their class (`router.answers`). `raw` and `value` are that share, in
    [1/r, 1], higher is surer: with r = 2 one bit. The details hold the lead of the most probable
    candidate over the second (`first_margin`) at the answer's first content token, where it has
    alternatives; a fault in the logprobs costs that detail only. Unavailable where the answer is
    empty, without an earlier answer, and where there are fewer than r rounds.

    Source: ours, after stopping rules that wait for the same answer twice.

    Attributes:
        rounds: r, at least 2.
    """

    rounds: int = 2

    name: ClassVar[str] = "answer_stability"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(given="previous_answers")

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            self._read(record, checked)
            for record, checked in zip(batch.records, batch.shared(checked_answers), strict=True)
        ]

    def _read(self, record: Evidence, checked: Checked | Unavailable) -> Reading:
        problem = judged_problem(record.greedy)
        if problem is not None:
            return problem
        rounds = max(self.rounds, 2)
        earlier = record.previous_answers[1 - rounds :]
        if not earlier:
            return Unavailable("no earlier answer")
        if len(earlier) < rounds - 1:
            return Unavailable(f"needs {rounds} rounds, there were {len(earlier) + 1}")
        present = class_of(record.greedy)
        equal = 1 + sum([answer_class(text) == present for text in earlier])
        share = equal / rounds
        details: dict[str, Detail] = {"rounds": rounds, "equal": equal}
        margin = None if isinstance(checked, Unavailable) else _first_margin(checked)
        if margin is not None:
            details["first_margin"] = margin
        return _make_signal(self.name, share, share, "confidence", details)


def _first_margin(checked: Checked) -> float | None:
    positions = checked.arguments or content_positions(checked.tokens)[0]
    first = replace(checked, tokens=(checked.tokens[positions[0]],))
    found = with_candidates(first)
    if isinstance(found, Unavailable) or len(found.candidates[0]) < 2:
        return None
    best, second = found.candidates[0][:2]
    return math.exp(best) - math.exp(second)
