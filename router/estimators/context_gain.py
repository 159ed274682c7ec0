"""What passages did to the answer: certainty gained, and agreement with the answer without them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ..answers import class_of
from ..batch import Batch, BatchEstimator
from ..evidence import Evidence
from ..hygiene import answer_problem
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable
from ..text import normalize_answer
from .candidate_measures import entropy
from .candidate_table import candidate_table, measured_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["CkPlugGain", "ContextAgreement", "relative_top_entropy", "token_f1"]

_make_signal = maker(Signal)

_RELATIVE_TOP, _KEPT_AT_LEAST = 0.01, 10


def relative_top_entropy(logprobs: Array) -> Array:
    """(n,): entropy in nats of the candidates with p >= 0.01 p(1), of the ten best at least.

    Args:
        logprobs: (n, k), each row highest first.
    """
    import numpy as np

    kept = logprobs >= logprobs[:, :1] + math.log(_RELATIVE_TOP)
    kept[:, :_KEPT_AT_LEAST] = True
    if kept.all():
        return entropy(logprobs)
    return np.array([entropy(row[None, mask])[0] for row, mask in zip(logprobs, kept, strict=True)])


@dataclass(frozen=True, slots=True)
class CkPlugGain(BatchEstimator):
    """Mean token entropy of the answer without passages, less that of the answer with them.

    Per content token the entropy of the candidates with p >= 0.01 p(1), of ten at least,
    renormalized. `raw` is the gain in nats; below 0 the passages conflict with what the model
    knows. `value` is 1 / (1 + exp(-raw)). The details hold both entropies and the paper's own test
    (`conflict_test`: entropy without < 2 * entropy with). Unavailable where either answer is
    empty, lacks candidates, or the answer without passages is absent.

    Source: Bi et al. 2025, "Parameters vs. Context: Fine-Grained Control of Knowledge Reliance in
    Language Models" (CK-PLUG), arXiv 2503.15888. Departure: a signal only, no logits are edited.

    Attributes:
        content_filter: look at content tokens only; without it every token counts.
    """

    content_filter: bool = True

    name: ClassVar[str] = "ck_plug_gain"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True, top_logprobs=2, given="without_context")

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        alone = [record.without_context for record in batch.records]
        with_context = self._entropies(batch)
        known = [
            replace(record, greedy=other)
            for record, other in zip(batch.records, alone, strict=True)
            if other is not None
        ]
        without = iter(self._entropies(Batch(known)))
        return [
            self._reading(inside, next(without) if other is not None else None)
            for inside, other in zip(with_context, alone, strict=True)
        ]

    def _entropies(self, batch: Batch) -> list[float | Unavailable]:
        table = batch.shared(candidate_table, self.content_filter)
        means = table.means(batch.shared(measured_rows, self.content_filter, relative_top_entropy))
        found = iter(means.tolist())
        return [next(found) if problem is None else problem for problem in table.problems]

    def _reading(self, inside: float | Unavailable, outside: float | Unavailable | None) -> Reading:
        if isinstance(inside, Unavailable):
            return inside
        if outside is None:
            return Unavailable("no answer without context")
        if isinstance(outside, Unavailable):
            return Unavailable(f"without context: {outside.reason}")
        raw = outside - inside
        details: dict[str, Detail] = {
            "entropy_with": inside,
            "entropy_without": outside,
            "conflict_test": outside < 2.0 * inside,
        }
        return _make_signal(self.name, 1.0 / (1.0 + math.exp(-raw)), raw, "confidence", details)


def token_f1(one: str, other: str) -> float:
    """F1 of the words that two answers share, normalized, in [0, 1]; 1 where both are empty."""
    first, second = Counter(normalize_answer(one).split()), Counter(normalize_answer(other).split())
    if not first or not second:
        return float(first == second)
    return 2.0 * (first & second).total() / (first.total() + second.total())


@dataclass(frozen=True, slots=True)
class ContextAgreement(BatchEstimator):
    """Word F1 of the answer with passages and the answer without them.

    `raw` and `value` are the F1, in [0, 1], higher is surer: what a model says either way it tends
    to know. `equal` in the details is the one bit of equal answers (`router.answers`). Needs no
    logprobs. Unavailable where the answer is empty and where the one without passages is absent;
    an empty answer without passages shares nothing.

    Source: ours, the black-box proxy of `ck_plug_gain`; F1 as in Rajpurkar et al. 2016 (SQuAD).
    """

    name: ClassVar[str] = "context_agreement"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(given="without_context")

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [self._read(record) for record in batch.records]

    def _read(self, record: Evidence) -> Reading:
        problem = answer_problem(record.greedy)
        if problem is not None:
            return problem
        alone = record.without_context
        if alone is None:
            return Unavailable("no answer without context")
        equal = class_of(record.greedy) == class_of(alone)
        score = 1.0 if equal else token_f1(record.greedy.text, alone.text)
        return _make_signal(self.name, score, score, "confidence", {"equal": equal})
