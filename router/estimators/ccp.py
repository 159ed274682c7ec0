"""Confidence in what is claimed, not in how it is worded: token alternatives judged by NLI."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..batch import Batch, BatchEstimator
from ..content import special_flags
from ..evidence import Evidence, Nli, Token
from ..hygiene import MISSING_TOKEN, Checked
from ..making import maker
from ..protocols import Needs
from ..signals import Reading, Signal, Unavailable
from .views import checked_answers

__all__ = ["Ccp", "claim_logprob", "joint_label"]

_make_signal = maker(Signal)

_MOST = 10  # alternatives looked at
_SENTINEL, _ROUNDING = -9999.0, 1e-6

Label = Literal["contradiction", "neutral", "entailment"]
_LABELS: tuple[Label, Label, Label] = ("contradiction", "neutral", "entailment")


def joint_label(forward: Nli, backward: Nli) -> Label:
    """What two texts are to each other by the likeliest label in either direction.

    Equal labels keep; entailment against contradiction is neutral; otherwise the label that is not
    neutral wins.
    """
    one, other = _label(forward), _label(backward)
    if one == other:
        return one
    if "neutral" not in (one, other):
        return "neutral"
    return other if one == "neutral" else one


def _label(triple: Nli) -> Label:
    return _LABELS[max(range(3), key=triple.__getitem__)]


def claim_logprob(
    token: Token, logprob: float, nli: Sequence[tuple[Nli, Nli]]
) -> float | Unavailable:
    """ln of p(entailing alternatives) / p(entailing or contradicting ones), at most 0.

    The token itself entails; alternatives that are neutral to it are about something else and
    count nowhere.
    """
    given = token.top_logprobs
    if len(nli) < min(len(given), _MOST):
        return Unavailable(f"expected NLI for {len(given)} alternatives, got {len(nli)}")
    entailing, opposed = {token.token: logprob}, dict[str, float]()
    ranked = sorted(range(len(given)), key=lambda i: -_usable(given[i].logprob))[:_MOST]
    for i in ranked:
        other = given[i]
        if not other.logprob > _SENTINEL or other.token == token.token:
            continue
        if other.logprob > _ROUNDING:
            return Unavailable("positive logprob")
        if i >= len(nli):
            return Unavailable(f"expected NLI for {len(given)} alternatives, got {len(nli)}")
        if not all(_is_distribution(triple) for triple in nli[i]):
            return Unavailable("expected NLI probabilities that sum to 1")
        label = joint_label(*nli[i])
        if label != "neutral":
            side = entailing if label == "entailment" else opposed
            side[other.token] = max(side.get(other.token, other.logprob), other.logprob)
    same = _log_sum(entailing.values())
    return min(same - _log_sum([same, *opposed.values()]), 0.0)


def _usable(logprob: float) -> float:
    return logprob if logprob > _SENTINEL else -math.inf  # a NaN fails the comparison


def _is_distribution(triple: Nli) -> bool:
    return all(p >= -_ROUNDING for p in triple) and abs(sum(triple) - 1.0) < 1e-3


def _log_sum(logprobs: Iterable[float]) -> float:
    numbers = sorted(logprobs)
    top = numbers[-1]
    return top + math.log(math.fsum([math.exp(one - top) for one in numbers]))


@dataclass(frozen=True, slots=True)
class Ccp(BatchEstimator):
    """Claim-conditioned probability: the product over tokens of p(same claim) / p(same or opposed).

    Per token the alternatives that entail the answer as written (itself included) against those
    that entail or contradict it, by `alternatives_nli`: the ten most probable, both directions.
    `raw` = -exp(sum of the logarithms), in [-1, 0], high is unsure; `value` = -raw. Control tokens
    are left out. Unavailable where the answer is empty, hygiene finds fault, the NLI is absent or
    does not fit, or a token lacks its logprob.

    Source: Fadeeva et al. 2024, "Fact-Checking the Output of Large Language Models via Token-Level
    Uncertainty Quantification" (CCP), arXiv 2403.04696.
    """

    name: ClassVar[str] = "ccp"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True, top_logprobs=2, given="alternatives_nli")

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            checked if isinstance(checked, Unavailable) else self._read(checked, record)
            for checked, record in zip(batch.shared(checked_answers), batch.records, strict=True)
        ]

    def _read(self, checked: Checked, record: Evidence) -> Reading:
        nli = record.alternatives_nli
        if nli is None:
            return Unavailable("no NLI of the alternatives")
        if len(nli) != len(checked.tokens):
            return Unavailable(
                f"expected NLI for each of {len(checked.tokens)} tokens, got {len(nli)}"
            )
        terms = []
        rows = zip(
            checked.tokens, checked.logprobs, nli, special_flags(checked.tokens), strict=True
        )
        for token, logprob, judged, special in rows:
            if special:
                continue
            if logprob is None:
                return MISSING_TOKEN
            term = claim_logprob(token, logprob, judged)
            if isinstance(term, Unavailable):
                return term
            terms.append(term)
        value = math.exp(max(math.fsum(terms), -700.0))
        details = {"tokens": len(terms), **checked.counts()}
        return _make_signal(self.name, value, -value, "uncertainty", details)
