"""Confidence as the probability of the whole greedy answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ..content import special_flags
from ..evidence import Evidence
from ..hygiene import MISSING_TOKEN, Checked, check
from ..protocols import Needs
from ..signals import Reading, Signal, Unavailable

__all__ = ["GNll"]

_LARGEST_EXPONENT = 700.0  # exp(-700) is about 1e-304; below it floats lose precision, then vanish


@dataclass(frozen=True, slots=True)
class GNll:
    """Negative log-likelihood of the greedy answer, U = -sum of log p over all its tokens.

    `raw` is U in nats, in [0, inf), high is unsure; `value` is exp(-U), floored at exp(-700).
    Nothing is normalized by length or filtered: the end-of-sequence token counts where the
    provider reports it. Meant for an answer at temperature 0; of a sampled one it is another,
    noisier number. Unavailable where the answer is empty, hygiene finds fault, or any token other
    than a control token lacks its logprob. Also known as `msp`, maximum sequence probability.

    Source: Aichberger, Schweighofer and Hochreiter 2024, "Rethinking Uncertainty Estimation in
    Natural Language Generation" (G-NLL), arXiv 2412.15176.
    """

    name: ClassVar[str] = "g_nll"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True)

    def estimate(self, evidence: Evidence) -> Reading:
        """The signal, or why there is none."""
        checked = check(evidence.greedy)
        if isinstance(checked, Unavailable):
            return checked
        present = [logprob for logprob in checked.logprobs if logprob is not None]
        if checked.missing and not _only_control_missing(checked):
            return MISSING_TOKEN
        raw = abs(math.fsum(present))
        value = math.exp(-min(raw, _LARGEST_EXPONENT))
        details = {"filter": "off", "tokens": len(present), **checked.counts()}
        return Signal(self.name, value, raw, "uncertainty", details)


def _only_control_missing(checked: Checked) -> bool:
    flags = special_flags(checked.tokens)
    return all(
        control for control, logprob in zip(flags, checked.logprobs, strict=True) if logprob is None
    )
