"""Whether to gate after the answer, route before it, do both, or leave it to a lot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .break_even import BreakEven

__all__ = ["Way", "WayKind", "chosen_way"]

WayKind = Literal["gate", "prior", "prior and gate", "lot"]
"""`lot`: a random share of the requests goes to the last tier; no order of them is worth its price.
"""

_LOT = 0.5  # the nAUC of a random mix
_NEAR = 0.05  # two orders so close are better taken together than one dropped


@dataclass(frozen=True, slots=True)
class Way:
    """What orders a deployment's traffic best by its price, first tier against last.

    The curve of a profile (nAUC and its like) is that of its way at all settings.

    Attributes:
        costs: mean price of an answer by each tier.
        gate_nauc: cross-fitted on the fitted rows, None where undefined; likewise the prior's.
    """

    kind: WayKind
    costs: tuple[float, ...]
    gate_nauc: float | None = None
    prior_nauc: float | None = None


def chosen_way(pairs: Sequence[BreakEven], costs: tuple[float, ...]) -> Way | None:
    """The way of the largest nAUC between the first tier and the last.

    A gate and a prior that are both better than a lot, and about as good, are taken together. None
    where the last tier is not both better and dearer: there is nothing to order requests for.
    """
    pair = next((one for one in pairs if (one.small, one.large) == (0, len(costs) - 1)), None)
    if pair is None or pair.nauc is None:
        return None
    gate, prior = pair.nauc, pair.prior_nauc
    if max(gate, _LOT if prior is None else prior) <= _LOT:
        return Way("lot", costs, gate, prior)
    if prior is None or gate > prior + _NEAR:
        return Way("gate", costs, gate, prior)
    if gate > _LOT and prior > _LOT and prior <= gate + _NEAR:
        return Way("prior and gate", costs, gate, prior)
    return Way("gate" if gate > prior else "prior", costs, gate, prior)
