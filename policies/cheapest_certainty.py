"""The cheapest way to a certificate: how many labels more, of which drafts, at which threshold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..router.errors import UsageError
from ..router.risk.sample_size import accepted_labels_needed
from ..router.risk.targets import RiskTarget
from .label_choice import LabelCandidate

__all__ = ["CertaintyOption", "cheapest_way_to_certainty"]


@dataclass(frozen=True, slots=True)
class CertaintyOption:
    """What certifying the gates at one margin would take.

    Attributes:
        margin: how far above its threshold a draft must score; below 0 is looser.
        share: of the candidates that it accepts.
        risk: expected loss of an accepted draft by the calibrated probabilities, shrunk to
            (sum + 1) / (n + 2).
        needed: accepted labels for a certificate at the power asked for; None where the risk is
            alpha or more, and no number of labels would do.
        have: accepted drafts with a label.
        more: labels to buy; None as `needed`.
        available: accepted drafts without a label, to buy them of; where these are fewer, the rest
            waits for traffic.
        propensity: of each available draft, the same for all, so that the exact test holds.
        by_tier: labels to buy of each tier's drafts, rounded up.
    """

    margin: float
    share: float
    risk: float
    needed: int | None
    have: int
    more: int | None
    available: int
    propensity: float
    by_tier: Mapping[int, int]

    @property
    def is_in_reach(self) -> bool:
        """Whether the drafts that are there suffice."""
        return self.more is not None and self.more <= self.available


def cheapest_way_to_certainty(
    candidates: Sequence[LabelCandidate],
    target: RiskTarget,
    margins: Sequence[float],
    *,
    power: float = 0.8,
) -> tuple[CertaintyOption, ...]:
    """The ways to certify the selective risk, cheapest first.

    First those with labels enough in reach, then those that need traffic, then those that no label
    can help; within each by labels to buy, then by the share that the gates accept. Labels are
    drawn among the accepted drafts alone, each as likely, and read by the exact binomial test:
    unequal propensities narrow an interval, but their betting test asks for more labels than they
    save. What is certified at the end must be chosen before its labels are seen.

    Args:
        margins: where the gates might stand, as of `choose_labels`.
        power: chance of the certificate if the probabilities are right, in (0, 1).

    Raises:
        UsageError: another kind of risk, graded losses, no candidate, or a power out of range.
    """
    if target.kind != "selective" or target.loss != "binary":
        raise UsageError(
            f"expected a selective risk of binary losses, got {target.kind} of {target.loss} ones"
        )
    if not candidates:
        raise UsageError("there is no candidate to label")
    options = [_option(candidates, target, margin, power) for margin in sorted(set(margins))]
    return tuple(sorted(options, key=_order))


def _order(option: CertaintyOption) -> tuple[bool, bool, int, float]:
    more = 0 if option.more is None else option.more
    return option.more is None, not option.is_in_reach, more, -option.share


def _option(
    candidates: Sequence[LabelCandidate], target: RiskTarget, margin: float, power: float
) -> CertaintyOption:
    accepted = [one for one in candidates if one.margin is not None and one.margin >= margin]
    n = len(accepted)
    risk = (math.fsum(1.0 - one.p for one in accepted) + 1.0) / (n + 2.0)
    needed = accepted_labels_needed(target.alpha, target.delta, risk, power=power)
    have = sum(one.labelled for one in accepted)
    more = None if needed is None else max(0, needed - have)
    tiers = Counter(one.tier for one in accepted if not one.labelled)
    available = tiers.total()
    bought = 0 if more is None else min(more, available)
    shares = {
        tier: math.ceil(bought * count / available - 1e-9) for tier, count in sorted(tiers.items())
    }
    return CertaintyOption(
        margin,
        n / len(candidates),
        risk,
        needed,
        have,
        more,
        available,
        bought / available if available else 0.0,
        shares,
    )
