"""What passages did to the answer: certainty gained, and agreement with the answer without them."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..answers import answer_class
from ..batch import Batch, BatchEstimator
from ..evidence import Evidence
from ..hygiene import answer_problem
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable
from ..tool_calls import is_tool_call
from .candidate_table import candidate_table, measured_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["CkPlugGain", "ContextAgreement", "relative_top_entropy", "word_f1"]

_make_signal = maker(Signal)

_RELATIVE_TOP, _KEPT_AT_LEAST = 0.01, 10

_Spread = tuple[float, dict[str, Detail]]


def relative_top_entropy(logprobs: Array) -> Array:
    """(n,): entropy in nats of the candidates with p >= 0.01 p(1), but of the ten best at least.

    They are renormalized to 1; what is as probable as the tenth counts with it.

    Args:
        logprobs: (n, k), each row highest first.
    """
    import numpy as np

    best = logprobs[:, :1]
    tenth = logprobs[:, min(_KEPT_AT_LEAST, logprobs.shape[1]) - 1, None]
    below = logprobs < np.minimum(best + math.log(_RELATIVE_TOP), tenth)
    gaps = np.where(below, 0.0, logprobs - best)
    weights = np.where(below, 0.0, np.exp(gaps))
    totals = weights.sum(axis=1)
    found: Array = np.maximum(np.log(totals) - (weights * gaps).sum(axis=1) / totals, 0.0)
    return found


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
        alone = Batch(
            [
                Evidence(record.question, record.without_context)
                for record in batch.records
                if record.without_context is not None
            ]
        )
        outside = iter(self._spreads(alone))
        return [
            self._reading(inside, None if record.without_context is None else next(outside))
            for record, inside in zip(batch.records, self._spreads(batch), strict=True)
        ]

    def _spreads(self, batch: Batch) -> list[_Spread | Unavailable]:
        """Per record the mean entropy of its answer, and from how many candidates."""
        table = batch.shared(candidate_table, self.content_filter)
        means = table.means(batch.shared(measured_rows, self.content_filter, relative_top_entropy))
        found = iter(zip(means.tolist(), table.details, strict=True))
        return [next(found) if problem is None else problem for problem in table.problems]

    def _reading(
        self, inside: _Spread | Unavailable, outside: _Spread | Unavailable | None
    ) -> Reading:
        if isinstance(inside, Unavailable):
            return inside
        if outside is None:
            return Unavailable("no answer without context")
        if isinstance(outside, Unavailable):
            return Unavailable(f"without context: {outside.reason}")
        entropy_with, shared = inside
        entropy_without, alone = outside
        raw = entropy_without - entropy_with
        details: dict[str, Detail] = {
            "entropy_with": entropy_with,
            "entropy_without": entropy_without,
            "conflict_test": entropy_without < 2.0 * entropy_with,
            "k": shared["k"],
            "k_without": alone["k"],
            "filter": shared["filter"],
        }
        return _make_signal(self.name, 1.0 / (1.0 + math.exp(-raw)), raw, "confidence", details)


def word_f1(one: str, other: str) -> float:
    """F1 of the words that two answers share, each word as often as it occurs, in [0, 1].

    Words are those of the answers' classes, so that equal answers score 1; an empty answer scores
    0 with any other.
    """
    first, second = (Counter(answer_class(text).split()) for text in (one, other))
    total = first.total() + second.total()
    return 2.0 * (first & second).total() / total if total else 1.0


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
        if is_tool_call(alone):
            return Unavailable("without context: tool call")
        equal = answer_class(record.greedy.text) == answer_class(alone.text)
        score = word_f1(record.greedy.text, alone.text)
        return _make_signal(self.name, score, score, "confidence", {"equal": equal})
