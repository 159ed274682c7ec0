"""Confidence in what is claimed, not in how it is worded: token alternatives judged by NLI."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..batch import Batch, BatchEstimator
from ..evidence import Alternative, Evidence, Nli, Token
from ..hygiene import FEW_CANDIDATES, MISSING_TOKEN, POSITIVE_LOGPROB, Checked
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable
from .token_sar import counting
from .views import checked_answers

__all__ = ["Ccp", "claim_logprob", "joint_label"]

_make_signal = maker(Signal)

_MOST = 10  # alternatives looked at
_SENTINEL, _ROUNDING = -9999.0, 1e-6
_LARGEST_EXPONENT = 700.0

Label = Literal["contradiction", "neutral", "entailment"]


def joint_label(forward: Nli, backward: Nli) -> Label:
    """What two texts are to each other by the likeliest label in either direction.

    Equal labels keep; entailment against contradiction is neutral; otherwise the label that is not
    neutral wins. Of equally likely labels the one that stands first in `Nli` is taken.
    """
    one, other = _label(forward), _label(backward)
    if one == other or other == "neutral":
        return one
    return other if one == "neutral" else "neutral"


def _label(triple: Nli) -> Label:
    contradiction, neutral, entailment = triple
    if contradiction >= neutral:
        return "contradiction" if contradiction >= entailment else "entailment"
    return "neutral" if neutral >= entailment else "entailment"


def claim_logprob(
    token: Token, logprob: float, nli: Sequence[tuple[Nli, Nli]]
) -> float | Unavailable:
    """ln of p(entailing alternatives) / p(entailing or contradicting ones), at most 0.

    The token itself entails; alternatives that are neutral to it are about something else and
    count nowhere.

    Args:
        nli: one pair per alternative of the token, or of its first ten and more.
    """
    given = token.top_logprobs
    misfit = Unavailable(f"expected NLI for {len(given)} alternatives, got {len(nli)}")
    if len(nli) > len(given) or len(nli) < min(len(given), _MOST):
        return misfit
    ranked = _ranked(given)
    if not ranked or (len(ranked) == 1 and given[ranked[0]].token == token.token):
        return FEW_CANDIDATES
    if given[ranked[0]].logprob > _ROUNDING:
        return POSITIVE_LOGPROB
    entailing, opposed = [logprob], list[float]()
    for i in ranked:
        other = given[i]
        if other.token == token.token:
            continue
        if i >= len(nli):
            return misfit
        forward, backward = nli[i]
        if not (_is_distribution(forward) and _is_distribution(backward)):
            return Unavailable("expected NLI probabilities that sum to 1")
        label = joint_label(forward, backward)
        if label != "neutral":
            side = entailing if label == "entailment" else opposed
            side.append(min(other.logprob, 0.0))
    if not opposed:
        return 0.0
    same = _log_sum(entailing)
    return min(same - _log_sum([same, *opposed]), 0.0)


def _ranked(given: Sequence[Alternative]) -> list[int]:
    """The ten most probable usable alternatives, each token once; equals as listed."""
    logprobs = [other.logprob for other in given]
    usable = [i for i, logprob in enumerate(logprobs) if logprob > _SENTINEL]  # a NaN is not
    usable.sort(key=logprobs.__getitem__, reverse=True)
    best: dict[str, int] = {}
    for i in usable:
        best.setdefault(given[i].token, i)
        if len(best) == _MOST:
            break
    return list(best.values())


def _is_distribution(triple: Nli) -> bool:
    contradiction, neutral, entailment = triple
    return (
        contradiction >= -_ROUNDING
        and neutral >= -_ROUNDING
        and entailment >= -_ROUNDING
        and abs(contradiction + neutral + entailment - 1.0) < 1e-3
    )


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
    and the syntax of a tool call are left out; every other token counts, white space and
    punctuation included. `k` in the details is the fewest alternatives of a token. Unavailable
    where the answer is empty, hygiene finds fault, the NLI is absent or does not fit, or a token
    lacks its logprob or has fewer than two candidates.

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
        counts = counting(checked)
        terms = []
        for i, (token, logprob) in enumerate(zip(checked.tokens, checked.logprobs, strict=True)):
            if not counts[i]:
                continue
            if logprob is None:
                return MISSING_TOKEN
            term = claim_logprob(token, logprob, nli[i])
            if isinstance(term, Unavailable):
                return term
            terms.append(term)
        value = math.exp(max(math.fsum(terms), -_LARGEST_EXPONENT))
        k = min(len(token.top_logprobs) for i, token in enumerate(checked.tokens) if counts[i])
        details: dict[str, Detail] = {"tokens": len(terms), "k": k, **checked.counts()}
        return _make_signal(self.name, value, -value, "uncertainty", details)
