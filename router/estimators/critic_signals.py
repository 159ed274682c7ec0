"""What the local critic says of an answer, as two signals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..answers import judged_problem
from ..batch import Batch, BatchEstimator
from ..evidence import Evidence
from ..protocols import Needs
from ..signals import Reading, Signal, Unavailable

__all__ = ["CriticAccept", "CriticSufficient"]

_NO_VERDICT = Unavailable("the critic has not judged this answer")
_PASSAGES_ALONE = Unavailable("the critic judges the passages alone")


def _read(name: str, evidence: Evidence, p: float | None, unjudged: Unavailable) -> Reading:
    problem = judged_problem(evidence.greedy)
    if problem is not None:
        return problem
    if p is None:
        return unjudged
    if not 0.0 <= p <= 1.0:
        return Unavailable(f"the critic said {p}, which is no probability")
    return Signal(name, p, p)


@dataclass(frozen=True, slots=True)
class CriticAccept(BatchEstimator):
    """The critic's probability that the answer is right.

    `raw` = `value` = p(accept), in [0, 1]. Unavailable without a verdict, and where the critic had
    no answer to judge.

    Source: Yang et al. 2025, "Knowing You Don't Know: Learning When to Continue Search in
    Multi-round RAG through Self-Practicing" (SIM-RAG), arXiv 2505.02811. Departure: a calibrated
    probability in place of the verdict 0 or 1.
    """

    name: ClassVar[str] = "critic_accept"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(critique=True)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [self._read(record) for record in batch.records]

    def _read(self, evidence: Evidence) -> Reading:
        verdict = evidence.critique
        if verdict is None:
            return _read(self.name, evidence, None, _NO_VERDICT)
        return _read(self.name, evidence, verdict.p_accept, _PASSAGES_ALONE)


@dataclass(frozen=True, slots=True)
class CriticSufficient(BatchEstimator):
    """The critic's probability that the passages hold the evidence that the question needs.

    `raw` = `value` = p(sufficient), in [0, 1]. Unavailable without a verdict. It says nothing of
    the answer: a model may be right without sufficient passages and wrong with them, so combine it
    with a signal of the answer's own (a fitted combination does).

    Source: Joren et al. 2025, "Sufficient Context: A New Lens on Retrieval Augmented Generation
    Systems", arXiv 2411.06037. Departure: a local critic in place of a large model as the rater.
    """

    name: ClassVar[str] = "critic_sufficient"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(critique=True)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [self._read(record) for record in batch.records]

    def _read(self, evidence: Evidence) -> Reading:
        verdict = evidence.critique
        p = None if verdict is None else verdict.p_sufficient
        return _read(self.name, evidence, p, _NO_VERDICT)
