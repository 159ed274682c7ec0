"""What one rung tells of another: P(right) there, how far it may move, and what it costs.

Utility policies and cascade routing compare actions by these models. They are a few numbers a pair
of rungs, so a profile can carry them and a person can read them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from statistics import NormalDist
from typing import Any

from ..router.decisions import Rung
from ..router.errors import UsageError
from ..router.wire import decode, encode

__all__ = ["CLIP", "RungCosts", "RungModel", "ValueModels", "evidence_steps"]

CLIP = 0.005
"""No estimate or prior counts as nearer to 0 or 1: its logit would drown everything else."""

_STEPS = 4
_BISECTIONS = 60
_MOST_SPREAD = 5.0
_MOST_SLOPE = 10.0


@dataclass(frozen=True, slots=True)
class RungModel:
    """P(right) on the rung `target`, given what was seen on the rung `source`.

    logit P = intercept + slope logit p + source_prior logit q_s + target_prior logit q_t, where p
    is the calibrated estimate on the source and q the prior of either tier.

    Attributes:
        source: None before anything was drafted; then `slope` and `source_prior` are 0.
        slope: at least 0: whoever looks surer on one rung does not look worse on the next.
        spread: d, from 0: how much the estimate on the target is expected to add to what is known.
            The weight of the evidence is taken as normal, of mean d^2/2 where the target is right
            and -d^2/2 where it is wrong, and variance d^2; so the estimate keeps its mean.
    """

    source: Rung | None
    target: Rung
    intercept: float
    slope: float = 0.0
    source_prior: float = 0.0
    target_prior: float = 0.0
    spread: float = 0.0

    def at(self, p: float | None = None, prior: tuple[float, ...] | None = None) -> float:
        """P(right) on the target, in (0, 1).

        Args:
            p: the estimate on the source; None where there is no source.
            prior: P(right) of each tier; None leaves it out.
        """
        level = self.intercept
        if p is not None:
            level += self.slope * _logit(p)
        if prior is not None:
            level += self.target_prior * _logit(prior[self.target.tier])
            if self.source is not None:
                level += self.source_prior * _logit(prior[self.source.tier])
        return 1.0 / (1.0 + math.exp(-min(max(level, -700.0), 700.0)))


@dataclass(frozen=True, slots=True)
class RungCosts:
    """What a rung costs, as means over an outcome table, in its currency.

    Attributes:
        answer: of the answer alone.
        signal: what can be bought on the rung; None where nothing is.
        price: of that signal.
        is_blind: whether nothing says how sure the rung is until the signal was bought.
        spread: how much the purchase adds to a free estimate, as in `RungModel`; 0 where blind.
    """

    rung: Rung
    answer: float
    signal: str | None = None
    price: float = 0.0
    is_blind: bool = False
    spread: float = 0.0

    @property
    def reading(self) -> float:
        """What the least estimate on the rung costs: nothing unless it is blind."""
        return self.price if self.is_blind else 0.0


@dataclass(frozen=True, slots=True)
class ValueModels:
    """Every model of a table, frozen.

    Attributes:
        costs: of each rung.
        bare: models without a prior: from nothing to each rung, and from each rung to those that
            can come after it.
        informed: the same with a prior; empty where none was fitted with.

    Raises:
        UsageError: a number that no fit gives.
    """

    costs: tuple[RungCosts, ...]
    bare: tuple[RungModel, ...]
    informed: tuple[RungModel, ...] = ()

    def __post_init__(self) -> None:
        for model in (*self.bare, *self.informed):
            numbers = astuple(model)[2:]
            sane = 0.0 <= model.slope <= _MOST_SLOPE and 0.0 <= model.spread <= _MOST_SPREAD
            if not sane or not all(map(math.isfinite, numbers)):
                raise UsageError(
                    f"the model from {model.source} to {model.target} has numbers {numbers}; "
                    f"expected finite ones, a slope in [0, {_MOST_SLOPE:g}] and a spread in "
                    f"[0, {_MOST_SPREAD:g}]"
                )
        for costs in self.costs:
            if not all(math.isfinite(c) and c >= 0.0 for c in (costs.answer, costs.price)):
                raise UsageError(f"{costs.rung} costs {costs.answer} and {costs.price}")
            if not 0.0 <= costs.spread <= _MOST_SPREAD:
                raise UsageError(f"the spread on {costs.rung} is {costs.spread}")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of every number."""
        canonical = json.dumps(self.to_data(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_data(self) -> dict[str, Any]:
        """JSON-plain."""
        data: dict[str, Any] = encode(self)
        return data

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> ValueModels:
        """The models that `to_data` wrote, exactly.

        Raises:
            UsageError: names the field that does not fit.
        """
        return decode(cls, data)


def evidence_steps(spread: float) -> tuple[float, ...]:
    """Weights of evidence, in nats, that stand for a spread; each comes with either sign.

    They are quantiles of |N(d^2/2, d^2)|, all equally likely. Evidence of weight w speaks for the
    truth with probability 1 / (1 + e^-w); hence at any prior probability the estimate after it has
    the prior probability as its mean, exactly, however few steps there are.
    """
    if spread <= 0.0:
        return (0.0,)
    normal = NormalDist(spread * spread / 2.0, spread)
    found = []
    for step in range(_STEPS):
        share, low, high = (step + 0.5) / _STEPS, 0.0, normal.mean + 8.0 * spread
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2.0
            if normal.cdf(middle) - normal.cdf(-middle) < share:
                low = middle
            else:
                high = middle
        found.append(low)
    return tuple(found)


def _logit(p: float) -> float:
    p = min(max(p, CLIP), 1.0 - CLIP)
    return math.log(p / (1.0 - p))
