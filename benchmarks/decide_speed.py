"""CPU time of one decision, by kind of policy; the best of several passes.

python benchmarks/decide_speed.py
"""

from __future__ import annotations

import time

from surefoot.policies.prices import Prices
from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.policies.utility import UtilityPolicy
from surefoot.policies.value_models import RungCosts, RungModel, ValueModels
from surefoot.router.budget import Budget, Forecast, Spend
from surefoot.router.decisions import Attempt, Rung
from surefoot.router.protocols import Policy, Situation
from surefoot.router.signals import Estimate, Signal

NAMES = ("small", "large", "largest")
AHEAD = Forecast(1.0, 0.0)


def situation(p: float) -> Situation:
    estimate = Estimate(p, "s", True)
    signals = {"s": Signal("s", p, p)}
    one = Attempt("1", 0, 0, False, "x", "stop", 1.0, 0.0, signals, {}, estimate)
    open_ = ((1, AHEAD), (2, AHEAD))
    return Situation(
        one.rung, one, estimate, one, True, AHEAD, open_, (), (), Spend(), Budget(), "run-1"
    )


def measured(policy: Policy) -> float:
    found, best = situation(0.6), float("inf")
    for _ in range(15):
        began = time.process_time()
        for _ in range(5000):
            policy.decide(found)
        best = min(best, (time.process_time() - began) / 5000)
    return best * 1e6


def main() -> None:
    rules = tuple(RungRule(tier, 0.7) for tier in range(3))
    certified = tuple(RungRule(tier, 0.6, score="s", tie=0.5) for tier in range(3))
    rungs = tuple(Rung(tier, 0, False) for tier in range(3))
    costs = tuple(RungCosts(rung, 4.0**rung.tier) for rung in rungs)
    models = (
        *(RungModel(None, rung, 1.0) for rung in rungs),
        *(RungModel(a, b, 1.0, 0.5, spread=1.0) for a in rungs for b in rungs if a.tier < b.tier),
    )
    utility = UtilityPolicy(ValueModels(costs, models), Prices(100.0, 60.0), NAMES)
    for name, policy in (
        ("threshold", ThresholdPolicy(rules, NAMES)),
        ("certified, raw score, a tie to break", ThresholdPolicy(certified, NAMES)),
        ("utility, three open steps", utility),
    ):
        print(f"{name:40} {measured(policy):5.1f} microseconds")


if __name__ == "__main__":
    main()
