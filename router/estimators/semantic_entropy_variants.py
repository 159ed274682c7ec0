"""Semantic entropy as other libraries compute it, for comparison with their numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..batch import Batch
from ..making import maker
from ..signals import Detail, Reading, Signal, Unavailable
from .nli_matrices import NliEstimator, nli_matrices
from .record_stacks import Stacked
from .sample_probability import sample_totals
from .semantic_classes import (
    Rows,
    agree,
    either_entails,
    nli_labels,
    overlapping_classes,
    partition,
    strict_relations,
)
from .semantic_entropy import weight_entropy
from .soft_sums import falling_sigmoid, log_sum_exp
from .views import Likelihood, likelihoods

__all__ = ["SemanticEntropyLmp", "SemanticEntropyUqlm"]

_make_signal = maker(Signal)


@dataclass(frozen=True, slots=True)
class SemanticEntropyUqlm(NliEstimator):
    """UQLM's token-probability semantic entropy, bug for bug.

    -sum over classes of p_c ln p_c over the greedy answer and its samples, p_c the class's share
    of q_i = exp(mean logprob of all tokens of i). Classes overlap (`overlapping_classes`, one
    entailing the other is enough), so that an answer may count more than once. `raw` is in nats,
    in [0, ln(M+1)], high is unsure; `value` is 1 - raw/ln(M+1). Unavailable with fewer than 2
    samples, without an answer text, where the NLI matrix is missing or wrong, and where hygiene
    finds fault with an answer (where UQLM returns NaN).

    Source: UQLM 0.6.7: Bouchard and Chauhan 2025, arXiv 2504.19254.
    """

    name: ClassVar[str] = "semantic_entropy_uqlm"
    version: ClassVar[int] = 1
    reads_logprobs: ClassVar[bool] = True

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        every = batch.shared(likelihoods, False)
        return [
            rows
            if isinstance(rows, Unavailable)
            else self._read([record.greedy.text, *[s.text for s in record.samples]], rows, likely)
            for record, rows, likely in zip(
                batch.records, _either_relations(batch).rows(), every, strict=True
            )
        ]

    def _read(
        self, texts: Sequence[str], rows: Rows, every: Sequence[Likelihood | Unavailable]
    ) -> Reading:
        means = [one.mean for one in every if not isinstance(one, Unavailable)]
        if len(means) < len(every):
            reasons = [one.reason for one in every if isinstance(one, Unavailable)]
            return Unavailable(f"an answer: {min(reasons)}")
        classes = overlapping_classes(texts, rows)
        most = max(means)
        masses = [sum([math.exp(means[i] - most) for i in members]) for members in classes]
        raw = weight_entropy(masses)
        details: dict[str, Detail] = {"m": len(texts) - 1, "classes": len(classes)}
        if _order_matters(classes, texts, rows):
            details["order_matters"] = True
        value = min(max(1.0 - raw / math.log(len(texts)), 0.0), 1.0)
        return _make_signal(self.name, value, raw, "uncertainty", details)


def _either_relations(batch: Batch) -> Stacked:
    judged = batch.shared(nli_matrices).at_least(2)
    return judged.mapped(lambda nli: either_entails(nli_labels(nli)))


def _order_matters(classes: Sequence[Sequence[int]], texts: Sequence[str], rows: Rows) -> bool:
    if sum(map(len, classes)) > len(texts):
        return True
    ids = [0] * len(texts)
    for number, members in enumerate(classes):
        for member in members:
            ids[member] = number
    return not agree(ids, texts, rows, apart=None)


@dataclass(frozen=True, slots=True)
class SemanticEntropyLmp(NliEstimator):
    """LM-Polygraph's semantic entropy, bug for bug: -(1/M) sum over samples j of ln P(c(j)).

    P(c) is the sum over the class of exp(L_i), L_i the total logprob of sample i, and c(j) the
    class of sample j (mutual entailment, by NLI alone). No entropy: P(c) is not normalized and may
    be above 1, so that `raw` may be negative or above ln M, and equal samples count repeatedly.
    High `raw` is unsure; `value` is 1/(1 + exp(raw)), an order only. Unavailable as
    `SemanticEntropyRao`.

    Source: LM-Polygraph 0.7.0, `SemanticEntropy`, after Kuhn et al. 2023, arXiv 2302.09664.
    """

    name: ClassVar[str] = "semantic_entropy_lmp"
    version: ClassVar[int] = 1
    reads_logprobs: ClassVar[bool] = True

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        relations = batch.shared(strict_relations).rows()
        return [
            self._read(rows, likely)
            for rows, likely in zip(relations, batch.shared(sample_totals, False), strict=True)
        ]

    def _read(self, rows: Any, likely: tuple[float, ...] | Unavailable) -> Reading:
        if isinstance(rows, Unavailable):
            return rows
        if isinstance(likely, Unavailable):
            return likely
        m = len(likely)
        # Names of their own: here equal texts are joined by what NLI says of them, or not at all.
        classes = partition([str(i) for i in range(m)], rows)
        members: list[list[float]] = [[] for _ in classes.sizes]
        for number, one in zip(classes.ids, likely, strict=True):
            members[number].append(one)
        raw = -math.fsum([len(totals) * log_sum_exp(totals) for totals in members]) / m
        details = classes.details(len(members))
        return _make_signal(self.name, falling_sigmoid(raw), raw + 0.0, "uncertainty", details)
