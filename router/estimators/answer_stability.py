"""Confidence as the answer's staying the same from round to round."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ..answers import answer_class, class_of, judged_problem
from ..batch import Batch, BatchEstimator
from ..evidence import Evidence, Token
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable

__all__ = ["AnswerStability"]

_make_signal = maker(Signal)


@dataclass(frozen=True, slots=True)
class AnswerStability(BatchEstimator):
    """Share of the last r rounds, the present one included, that gave the present answer.

    Answers are compared by their class (`router.answers`). `raw` and `value` are that share, in
    [1/r, 1], higher is surer: with r = 2 one bit. The details hold the lead of the first token over
    its runner-up (`first_margin`) where alternatives are there. Unavailable where the answer is
    empty and where there are fewer than r rounds.

    Source: the stopping rule of test-time adaptive retrieval, "same answer twice"; ours in detail.

    Attributes:
        rounds: r, at least 2.
    """

    rounds: int = 2

    name: ClassVar[str] = "answer_stability"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(given="previous_answers")

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [self._read(record) for record in batch.records]

    def _read(self, record: Evidence) -> Reading:
        problem = judged_problem(record.greedy)
        if problem is not None:
            return problem
        earlier = record.previous_answers[-(self.rounds - 1) :]
        if len(earlier) < self.rounds - 1:
            return Unavailable(f"needs {self.rounds} rounds, there were {len(earlier) + 1}")
        present = class_of(record.greedy)
        equal = 1 + sum(answer_class(text) == present for text in earlier)
        share = equal / self.rounds
        details: dict[str, Detail] = {"rounds": self.rounds, "equal": equal}
        margin = _first_margin(record.greedy.tokens)
        if margin is not None:
            details["first_margin"] = margin
        return _make_signal(self.name, share, share, "confidence", details)


def _first_margin(tokens: tuple[Token, ...]) -> float | None:
    if not tokens:
        return None
    usable = sorted(o.logprob for o in tokens[0].top_logprobs if -9999.0 < o.logprob <= 0.0)
    return math.exp(usable[-1]) - math.exp(usable[-2]) if len(usable) > 1 else None
