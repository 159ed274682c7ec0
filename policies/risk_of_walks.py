"""The losses that a risk target speaks of, and the p-value of a configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..router.errors import UsageError
from ..router.risk.betting import betting_p_values
from ..router.risk.binomial import upper_limit as binomial_limit
from ..router.risk.p_values import exact_binomial
from ..router.risk.targets import RiskTarget
from .certificates import GroupRisk

if TYPE_CHECKING:
    from .ladders import Flags, Floats
    from .paths import Walked

__all__ = [
    "JudgedRisk",
    "Served",
    "losses_of",
    "served_of",
    "tested_risk",
    "tested_walks",
    "upper_limit",
]


@dataclass(frozen=True, slots=True)
class Served:
    """What one configuration did on each question; arrays are (questions,).

    Attributes:
        gated: whether a gate let an answer through; `served` whether there was one at all.
        loss: of what was served; NaN where nobody has judged it.
    """

    gated: Flags
    served: Flags
    loss: Floats


@dataclass(frozen=True, slots=True)
class JudgedRisk:
    """One configuration against one target.

    Attributes:
        n: questions; `n_accepted` those that a gate answered.
        losses: sum of the losses that the target speaks of, over `denominator` of them.
        groups: each group's own numbers, where groups were asked for.
    """

    n: int
    n_accepted: int
    losses: float
    denominator: int
    p_value: float
    method: str
    groups: tuple[GroupRisk, ...] = ()

    @property
    def mean(self) -> float | None:
        """Of the losses; None without any."""
        return self.losses / self.denominator if self.denominator else None


def served_of(walked: Walked, at: int = 0) -> Served:
    """One configuration of a walk."""
    return Served(walked.gated[at], walked.stage[at] >= 0, walked.loss[at])


def tested_walks(
    target: RiskTarget,
    walked: Walked,
    *,
    seed: int,
    groups: Mapping[tuple[str, str], Flags] | None = None,
) -> Iterator[JudgedRisk]:
    """Each configuration of a walk in turn, worked out no further than it is asked for.

    Graded losses are bet on for all configurations at once, which costs little more than for one.
    """
    import numpy as np

    configurations = range(len(walked.gated))
    if target.loss == "binary" or groups:
        for at in configurations:
            yield tested_risk(target, served_of(walked, at), seed=seed, groups=groups)
        return
    each = [losses_of(target, served_of(walked, at)) for at in configurations]
    if target.kind == "selective":
        losses, counted = np.nan_to_num(walked.loss), walked.gated
    else:
        losses, counted = np.stack(each), np.ones_like(walked.gated)
    p_values = betting_p_values(losses, counted, target.alpha, target.delta, seed=seed)
    for at in configurations:
        n, accepted = len(walked.gated[at]), int(walked.gated[at].sum())
        total = float(each[at].sum())
        yield JudgedRisk(n, accepted, total, len(each[at]), float(p_values[at]), "betting")


def tested_risk(
    target: RiskTarget,
    served: Served,
    *,
    seed: int,
    groups: Mapping[tuple[str, str], Flags] | None = None,
) -> JudgedRisk:
    """The p-value of "the risk is above alpha"; with groups the largest one of any group.

    A promise for every group at once needs no correction: it is false only if one of them is, and
    that group's own test errs with probability delta at most.

    Raises:
        UsageError: a loss that is needed is unknown, or is not 0 or 1 though the target says so.
    """
    whole = _tested(target, served, seed)
    if not groups:
        return whole
    parts = []
    for (name, value), members in groups.items():
        part = _tested(target, _only(served, members), seed)
        parts.append(GroupRisk(name, value, part.n, part.n_accepted, part.mean, part.p_value))
    worst = max(whole.p_value, *[part.p_value for part in parts])
    return JudgedRisk(
        whole.n,
        whole.n_accepted,
        whole.losses,
        whole.denominator,
        worst,
        whole.method,
        tuple(parts),
    )


def upper_limit(target: RiskTarget, tested: JudgedRisk, served: Served, *, seed: int) -> float:
    """The upper confidence limit of the risk at level 1 - delta."""
    if tested.method == "exact binomial":
        return binomial_limit(round(tested.losses), tested.denominator, target.delta)
    low, high = 0.0, 1.0
    for _ in range(14):  # the p-value falls as the alpha that is asked about rises
        middle = (low + high) / 2
        p = _bet_on(target, served, middle, seed)
        low, high = (low, middle) if p <= target.delta else (middle, high)
    return high


def _only(served: Served, members: Flags) -> Served:
    return Served(served.gated[members], served.served[members], served.loss[members])


def _tested(target: RiskTarget, served: Served, seed: int) -> JudgedRisk:
    losses = losses_of(target, served)
    n, total = len(losses), float(losses.sum())
    whole = bool(((losses == 0.0) | (losses == 1.0)).all())
    if target.loss == "binary" and whole:
        p, method = exact_binomial(round(total), n, target.alpha), "exact binomial"
    else:
        p, method = _bet_on(target, served, target.alpha, seed), "betting"
    return JudgedRisk(len(served.gated), int(served.gated.sum()), total, n, p, method)


def _bet_on(target: RiskTarget, served: Served, alpha: float, seed: int) -> float:
    """The bets of `tested_walks`, to the last one: the order is one of all questions.

    An order of the accepted alone would be another draw, and what one draw certifies another may
    not.
    """
    import numpy as np

    if target.kind == "selective":
        losses, counted = np.nan_to_num(served.loss), served.gated
    else:
        losses, counted = losses_of(target, served), np.ones_like(served.gated)
    p_values = betting_p_values(losses, counted[None, :], alpha, target.delta, seed=seed)
    return float(p_values[0])


def losses_of(target: RiskTarget, served: Served) -> Floats:
    """What the risk is the mean of. Raises UsageError as `tested_risk`."""
    import numpy as np

    if target.kind == "selective":
        losses = served.loss[served.gated]
    elif target.kind == "joint":
        losses = np.where(served.gated, served.loss, 0.0)
    else:
        losses = np.where(served.served, served.loss, target.abstention_loss)
    if np.isnan(losses).any():
        raise UsageError("an answer that the policy serves was not judged: its loss is unknown")
    if target.loss == "binary":
        told = served.loss[served.served]
        odd = told[(told != 0.0) & (told != 1.0)]
        if len(odd):
            raise UsageError(
                f"loss: {float(odd[0])} is neither 0 nor 1; certify graded losses with "
                "--loss bounded"
            )
    return losses
