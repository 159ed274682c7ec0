"""CPU time of the pure loop per attempt: no model, no I/O, estimators and sizer trivial.

    python benchmarks/loop_speed.py [--runs N] [--repeats K]

The promise is at most 30 microseconds per attempt. An attempt's time holds everything that the loop
does for it: opening the run, its requests, its assessment and decision, and the result. A signal
that is bought has its attempt assessed and decided on again: such runs are judged per assessment.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from surefoot.policies.threshold import BuyBand, RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.budget import Budget, Price
from surefoot.router.decisions import Result
from surefoot.router.evidence import Evidence, Passage, Turn
from surefoot.router.loop import open_run
from surefoot.router.plan import Plan, RetrievalPlan, TierPlan
from surefoot.router.protocols import Needs
from surefoot.router.requests import (
    Draft,
    Drafted,
    Reply,
    Request,
    Retrieve,
    Retrieved,
    Sample,
    Sampled,
)
from surefoot.router.signals import Reading, Signal
from surefoot.router.testing import FixedEstimator, says

__all__ = ["SCENARIOS", "assessments", "measure", "run_once"]

_SURE, _UNSURE = Signal("sure", 0.9, 0.9), Signal("sure", 0.5, 0.5)
_AGREED = Signal("agreed", 0.9, 0.9)

REPLIES: Mapping[type[Request], Reply] = {
    Draft: Reply(Drafted(says("Paris is the capital of France")), 1e-4, 0.1, 1, 100),
    Sample: Reply(Sampled((says("Paris"),) * 3), 3e-4, 0.2, 3, 300),
    Retrieve: Reply(
        Retrieved(tuple(Passage(str(i), "France", "Paris is its capital", 1.0) for i in range(3))),
        elapsed_s=0.01,
    ),
}


class FlatSizer:
    """A prompt's length without looking at it."""

    def prompt_tokens(
        self, tier: int, question: str, passages: Sequence[Passage], turns: Sequence[Turn]
    ) -> int:
        """100 tokens, and 50 a passage."""
        return 100 + 50 * len(passages)


def _plan(tiers: int, says_of: Callable[[Evidence], Reading], buy: bool = False) -> Plan:
    names = ("small", "medium", "large")[:tiers]
    band = (BuyBand("agreed", 0.3, 0.8),) if buy else ()
    rules = tuple(RungRule(tier, 0.7, buy=band) for tier in range(tiers))
    price = Price(1e-6, 2e-6)
    return Plan(
        tuple(TierPlan(name, name, price=price) for name in names),
        ThresholdPolicy(rules, names),
        BareAssessor(("agreed", "sure") if buy else ("sure",)),
        FlatSizer(),
        free=(FixedEstimator("sure", says_of),),
        buyable=(FixedEstimator("agreed", lambda _: _AGREED, Needs(samples=3)),) if buy else (),
        budget=Budget(max_cost=1.0, deadline_s=10.0),
        retrieval=None if tiers == 3 else RetrievalPlan(),
    )


SCENARIOS: Mapping[str, Plan] = {
    "answer at once": _plan(2, lambda _: _SURE),
    "retrieve, then answer": _plan(2, lambda seen: _SURE if seen.passages else _UNSURE),
    "two escalations": _plan(3, lambda e: _SURE if len(e.previous_answers) == 2 else _UNSURE),
    "buy samples": _plan(2, lambda _: _UNSURE, buy=True),
}
"""What is run, by name."""


def run_once(plan: Plan) -> Result:
    """One whole run; every reply is ready beforehand."""
    run = open_run(plan, "What is the capital of France?", run_id="1")
    while run.request is not None:
        run.advance(REPLIES[type(run.request)])
    assert run.result is not None
    return run.result


def assessments(result: Result) -> int:
    """How often something was judged and decided: once an attempt, and once more a purchase."""
    return sum(step.action is not None for step in result.trail)


def measure(plan: Plan, runs: int, repeats: int) -> list[float]:
    """Microseconds of CPU per run, one number a repeat."""
    run_once(plan)
    times = []
    for _ in range(repeats):
        start = time.process_time()
        for _ in range(runs):
            run_once(plan)
        times.append((time.process_time() - start) / runs * 1e6)
    return times


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000, help="runs in one repeat")
    parser.add_argument("--repeats", type=int, default=15, help="repeats, of which min and median")
    options = parser.parse_args()
    print("CPU in microseconds: min (median) of the repeats")
    print(
        f"{'scenario':<24}{'requests':>9}{'attempts':>9}{'per attempt':>16}{'per assessment':>16}"
    )
    for name, plan in SCENARIOS.items():
        result = run_once(plan)
        times = measure(plan, options.runs, options.repeats)
        least, middle = min(times), statistics.median(times)
        shares = [len(result.attempts), assessments(result)]
        cells = [f"{least / share:.1f} ({middle / share:.1f})" for share in shares]
        print(
            f"{name:<24}{len(result.trail):>9}{len(result.attempts):>9}"
            + "".join(f"{cell:>16}" for cell in cells)
        )


if __name__ == "__main__":
    main()
