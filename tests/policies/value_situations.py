"""Value models whose chances can be read off, and situations before them."""

from __future__ import annotations

import math

from surefoot.policies.value_models import RungCosts, RungModel, ValueModels
from surefoot.router.budget import Budget, Forecast, Spend
from surefoot.router.decisions import Attempt, Rung
from surefoot.router.protocols import BuyOption, Situation
from surefoot.router.signals import Estimate, Unavailable

NAMES = ("small", "large", "largest")
AHEAD = Forecast(1.0, 0.0)
SMALL, LARGE, LARGEST = Rung(0, 0, False), Rung(1, 0, False), Rung(2, 0, False)
SEARCHED = Rung(0, 1, True)


def logit(p: float) -> float:
    return math.log(p / (1.0 - p))


def flat(source: Rung | None, target: Rung, p: float, spread: float = 0.0) -> RungModel:
    """A model that says p whatever was seen."""
    return RungModel(source, target, logit(p), spread=spread)


FLAT = ValueModels(
    (
        RungCosts(SMALL, 1.0),
        RungCosts(LARGE, 4.0),
        RungCosts(LARGEST, 32.0),
        RungCosts(SEARCHED, 1.0),
    ),
    (
        flat(None, SMALL, 0.6),
        flat(None, LARGE, 0.9),
        flat(None, LARGEST, 0.95),
        flat(None, SEARCHED, 0.5),
        flat(SMALL, LARGE, 0.9),
        flat(SMALL, LARGEST, 0.95),
        flat(SMALL, SEARCHED, 0.5),
    ),
)
"""From the small tier: the large one is right in .9, the largest in .95, a search leads to .5;
without spread nothing is learned on the way, so every value is the plain formula."""


def attempt(p: float | None, tier: int = 0, id: str = "1", *, whole: bool = True) -> Attempt:
    estimate = Unavailable("no logprobs") if p is None else Estimate(p, "s", True)
    reason = "stop" if whole else "length"
    return Attempt(id, tier, 0, False, "x", reason, 1.0, 0.0, {}, {}, estimate)  # type: ignore[arg-type]  # one of two literals


def situation(
    now: Attempt,
    best: Attempt | None = None,
    *,
    escalate: tuple[int, ...] = (1, 2),
    retrieve: bool = True,
    buy: tuple[str, ...] = (),
    prior: tuple[float, ...] | None = None,
) -> Situation:
    return Situation(
        now.rung,
        now,
        now.estimate,
        best or (now if now.is_complete else None),
        now.is_complete,
        AHEAD if retrieve else None,
        tuple((tier, AHEAD) for tier in escalate),
        tuple(BuyOption(name, AHEAD) for name in buy),
        (),
        Spend(),
        Budget(),
        prior=prior,
    )
