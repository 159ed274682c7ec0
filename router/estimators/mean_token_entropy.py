"""Confidence from how spread out the next-token distributions are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import mul
from typing import ClassVar

from ..evidence import Evidence
from ..hygiene import COVERAGE, Candidates, check, select
from ..protocols import Needs
from ..signals import Reading, Signal, Unavailable

__all__ = ["MeanTokenEntropy"]

_UNDERFLOW = -600.0  # further down exp(logprob) loses digits, and at -746 it is 0


@dataclass(frozen=True, slots=True)
class MeanTokenEntropy:
    """Mean entropy of the next-token distribution over the greedy answer's content tokens.

    `raw` is in nats, in [0, ln k], high is unsure; `value` is exp(-raw). At each position the
    reported alternatives are renormalized to 1 (nothing changes where the whole vocabulary is
    given). Numbers of different k are not comparable: `k` in the details is the fewest
    alternatives at any position used, `captured_mass` the mean probability they cover.
    Unavailable where the answer is empty, hygiene finds fault, or less than 90 % of the content
    tokens have a logprob and two alternatives.

    Source: Fomicheva et al. 2020, "Unsupervised Quality Estimation for Neural Machine
    Translation"; LM-Polygraph. Departure: LM-Polygraph does not renormalize the top k, which
    makes its entropy too small.

    Attributes:
        content_filter: look at content tokens only; without it every token counts.
    """

    content_filter: bool = True

    name: ClassVar[str] = "mean_token_entropy"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True, top_logprobs=2)

    def estimate(self, evidence: Evidence) -> Reading:
        """The signal, or why there is none."""
        checked = check(evidence.greedy, candidates=True)
        if isinstance(checked, Unavailable):
            return checked
        chosen = select(
            checked, content_filter=self.content_filter, coverage=COVERAGE, least_candidates=2
        )
        if isinstance(chosen, Unavailable):
            return chosen
        used = [checked.candidates[i] for i in chosen.positions]
        pairs = [_entropy_and_mass(candidates) for candidates in used]
        raw = math.fsum([entropy for entropy, _ in pairs]) / len(pairs)
        details = {
            "k": min(map(len, used)),
            "captured_mass": math.fsum([mass for _, mass in pairs]) / len(pairs),
            "coverage": chosen.coverage,
            "filter": chosen.filter,
            **checked.counts(),
        }
        return Signal(self.name, math.exp(-raw), raw, "uncertainty", details)


def _entropy_and_mass(candidates: Candidates) -> tuple[float, float]:
    """Entropy in nats of the renormalized candidates, and what they sum to before that.

    H = ln Z - (1/Z) sum of q ln q, which does not depend on a common factor of the q.
    """
    top = candidates[0]
    if top < _UNDERFLOW:
        entropy, total = _entropy_and_mass(tuple([logprob - top for logprob in candidates]))
        return entropy, total * math.exp(top)
    weights = list(map(math.exp, candidates))
    total = sum(weights)
    entropy = math.log(total) - sum(map(mul, weights, candidates)) / total
    return max(entropy, 0.0), total
