"""Likelihood of the answer, each token weighted by how much the meaning depends on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..content import special_flags
from ..hygiene import MISSING_TOKEN, Checked
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable
from .views import checked_answers

__all__ = ["TokenSar", "counting", "relevance_weights", "token_sar_weighted"]

_make_signal = maker(Signal)

_LARGEST_EXPONENT = 700.0
_ROUNDING = 1e-6  # models' similarities end a little outside of [0, 1]


def counting(checked: Checked) -> list[bool]:
    """Which tokens count: all but control tokens, of a tool call its arguments' values only."""
    if checked.arguments:
        inside = frozenset(checked.arguments)
        return [i in inside for i in range(len(checked.tokens))]
    flags = [not control for control in special_flags(checked.tokens)]
    return flags if any(flags) else [True] * len(flags)


def relevance_weights(
    checked: Checked, similarities: Sequence[float]
) -> tuple[list[float], bool] | Unavailable:
    """Per token its share of the relevance, and whether several tokens had to count alike.

    R = 1 - similarity of the answer to the answer without the token, 0 for tokens that do not
    count; the shares sum to 1. Where nothing is relevant, all tokens that count count alike.
    """
    tokens = checked.tokens
    if len(similarities) != len(tokens):
        return Unavailable(
            f"expected one similarity per token, got {len(similarities)} for {len(tokens)}"
        )
    if not all(-_ROUNDING <= one <= 1.0 + _ROUNDING for one in similarities):
        return Unavailable("expected token similarities in [0, 1]")
    counts = counting(checked)
    relevance = [
        min(max(1.0 - one, 0.0), 1.0) if counted else 0.0
        for one, counted in zip(similarities, counts, strict=True)
    ]
    total = math.fsum(relevance)
    if total > 0.0:
        return [one / total for one in relevance], False
    together = sum(counts)
    return [1.0 / together if counted else 0.0 for counted in counts], together > 1


def token_sar_weighted(checked: Checked, similarities: Sequence[float]) -> float | Unavailable:
    """U = -sum of w log p, in nats; Unavailable where a token with weight lacks its logprob."""
    found = relevance_weights(checked, similarities)
    return found if isinstance(found, Unavailable) else _weighted(checked, found[0])


def _weighted(checked: Checked, weights: Sequence[float]) -> float | Unavailable:
    terms = []
    for logprob, weight in zip(checked.logprobs, weights, strict=True):
        if weight:
            if logprob is None:
                return MISSING_TOKEN
            terms.append(weight * logprob)
    return abs(math.fsum(terms))


@dataclass(frozen=True, slots=True)
class TokenSar(BatchEstimator):
    """U = -sum of w log p over the greedy answer's tokens, w their share of the relevance.

    Relevance R = 1 - g(question + answer, the same without the token), g a sentence similarity
    given as `greedy_token_similarity`; w = R / sum of R. Control tokens have none, nor has the
    syntax of a tool call. `raw` is U in nats, in [0, inf), high is unsure; `value` is exp(-U).
    Where no token is relevant all count alike, and the details say `equal_weights`. Unavailable
    where the answer is empty, hygiene finds fault, the similarities are absent or do not fit, or a
    relevant token lacks its logprob.

    Source: Duan et al. 2024, "Shifting Attention to Relevance: Towards the Predictive Uncertainty
    Quantification of Free-Form Large Language Models" (SAR), arXiv 2307.01379.
    """

    name: ClassVar[str] = "token_sar"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True, given="greedy_token_similarity")

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            checked
            if isinstance(checked, Unavailable)
            else self._read(checked, record.greedy_token_similarity)
            for checked, record in zip(batch.shared(checked_answers), batch.records, strict=True)
        ]

    def _read(self, checked: Checked, similarities: Sequence[float] | None) -> Reading:
        if similarities is None:
            return Unavailable("no token similarities")
        found = relevance_weights(checked, similarities)
        if isinstance(found, Unavailable):
            return found
        weights, equal = found
        raw = _weighted(checked, weights)
        if isinstance(raw, Unavailable):
            return raw
        used = sum(weight > 0.0 for weight in weights)
        details: dict[str, Detail] = {"tokens": used, **checked.counts()}
        if equal:
            details["equal_weights"] = True
        value = math.exp(-min(raw, _LARGEST_EXPONENT))
        return _make_signal(self.name, value, raw, "uncertainty", details)
