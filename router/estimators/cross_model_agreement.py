"""Confidence as the share of other models that give the same answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..answers import class_of, judged_problem
from ..batch import Batch, BatchEstimator
from ..evidence import Evidence
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable

__all__ = ["CrossModelAgreement"]

_make_signal = maker(Signal)


@dataclass(frozen=True, slots=True)
class CrossModelAgreement(BatchEstimator):
    """Share of the peers' recorded answers that are of the same class as the answer.

    Answers are compared by their class (`router.answers`); an empty answer agrees with none. `raw`
    and `value` are that share, in [0, 1], higher is surer; with n peers there are n + 1 values, so
    ties are many. The details name the peers that agree. A peer whose tool call was cut off is
    left out and counted. Unavailable where the answer is empty and where no peer has one.

    Source: ours, the vote of an ensemble read as confidence.
    """

    name: ClassVar[str] = "cross_model_agreement"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(given="peers")

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [self._read(record) for record in batch.records]

    def _read(self, record: Evidence) -> Reading:
        problem = judged_problem(record.greedy)
        if problem is not None:
            return problem
        own = class_of(record.greedy)
        classes = {name: class_of(answer) for name, answer in record.peers.items()}
        readable = [name for name, found in classes.items() if not isinstance(found, Unavailable)]
        if not readable:
            return Unavailable("no peers")
        agreeing = sorted(name for name in readable if classes[name] == own)
        share = len(agreeing) / len(readable)
        details: dict[str, Detail] = {"peers": len(readable), "agree": ", ".join(agreeing)}
        if len(readable) < len(classes):
            details["left_out"] = len(classes) - len(readable)
        return _make_signal(self.name, share, share, "confidence", details)
