"""Confidence of a long answer as that of its least sure step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..evidence import Evidence
from ..hygiene import NO_LOGPROBS, answer_problem
from ..making import maker
from ..protocols import Estimator, Needs
from ..signals import Reading, Signal, Unavailable
from ..steps.positions import Positions, Sentences
from ..steps.reading import StepReader
from .mmboundary import MMBoundary

__all__ = ["WeakestStep"]

_make_signal = maker(Signal)


@dataclass(frozen=True, slots=True)
class WeakestStep(BatchEstimator):
    """min over the steps of the greedy answer of the signal of that step.

    `raw` and `value` are that minimum, in [0, 1], higher is surer. The details say how many `steps`
    there are, which is the `weakest` (from 1), and at which token it begins (`position`). An answer
    of one sentence is one step. Unavailable where the answer is empty or its tokens are not there,
    and where any step has no signal: the missing one may have been the weakest.

    Source: ours; steps after FineCE (arXiv 2508.12040), confidence of a step after MMBoundary
    (arXiv 2505.23224).

    Attributes:
        positions: where steps end.
        of_step: what is read of each.
    """

    positions: Positions = field(default_factory=Sentences)
    of_step: Estimator = field(default_factory=MMBoundary)

    name: ClassVar[str] = "weakest_step"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True, top_logprobs=2)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [self._read(record) for record in batch.records]

    def _read(self, record: Evidence) -> Reading:
        problem = answer_problem(record.greedy)
        if problem is not None:
            return problem
        steps = StepReader(self.positions, self.of_step).whole(record.greedy.tokens)
        if not steps:
            return NO_LOGPROBS
        least, weakest = 2.0, 0
        for number, one in enumerate(steps):
            if isinstance(one.reading, Unavailable):
                return one.reading
            if one.reading.value < least:
                least, weakest = one.reading.value, number
        details = {
            "steps": len(steps),
            "weakest": weakest + 1,
            "position": steps[weakest].step.start,
        }
        return _make_signal(self.name, least, least, "confidence", details)
