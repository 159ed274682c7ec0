"""Small outcome tables made by hand or by a formula, and where the stored ones lie."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from surefoot.policies.fit import FitSettings, Prices
from surefoot.policies.outcomes import Outcome, OutcomeTable
from surefoot.policies.profile import FittedTier
from surefoot.policies.recorded import Replayer
from surefoot.policies.threshold import BuyBand, RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.decisions import Action, Rung

STORED = Path(__file__).resolve().parents[3] / "shared" / "data" / "routing"
"""Outcome tables that are read where they lie and never copied (see their README)."""


def stored(name: str) -> Path:
    """The path of a stored table; the test is skipped where it is absent."""
    path = STORED / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"the stored outcome table {path} is not on this machine")
    return path


def outcome(
    query_id: str,
    tier: int = 0,
    round: int = 0,
    *,
    loss: float | None = 0.0,
    cost: float = 1.0,
    answer: str | None = None,
    latency_s: float | None = 0.5,
    signals: Mapping[str, float | None] | None = None,
    signal_costs: Mapping[str, float] | None = None,
    **extra: Any,
) -> Outcome:
    """A row; drafts of round 0 are closed book, all others saw passages."""
    return Outcome(
        query_id,
        tier,
        round,
        round > 0,
        answer,
        loss,
        cost,
        latency_s,
        {"s": 0.5} if signals is None else signals,
        signal_costs or {},
        extra=extra,
    )


def table_of(rows: Iterable[Outcome]) -> OutcomeTable:
    """The table of these rows."""
    queries: dict[str, dict[Rung, Outcome]] = {}
    for row in rows:
        queries.setdefault(row.query_id, {})[row.rung] = row
    return OutcomeTable(queries)


def shuffled(table: OutcomeTable, seed: int) -> OutcomeTable:
    """The same rows in another order."""
    rows = list(table.rows())
    random.Random(seed).shuffle(rows)
    return table_of(rows)


def settings_of(
    prices: Prices, tiers: int = 2, *, seed: int = 0, versions: Mapping[str, int] | None = None
) -> FitSettings:
    """Settings of a bare table with tiers called a, b, c, ..."""
    return FitSettings(
        tuple(FittedTier("abcdefgh"[tier]) for tier in range(tiers)),
        prices,
        {},
        versions or {},
        seed,
    )


def sigmoid(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z))


Draw = Callable[[random.Random, float], Mapping[Rung, tuple[float, float]]]
"""From a question's ease, which is normal, to (P(right), signal) of its attempts."""


def drawn_table(
    n: int, draw: Draw, costs: Mapping[Rung, float], *, seed: int = 0, spread: float = 1.5
) -> OutcomeTable:
    """`n` questions, each attempt right with its probability, independently."""
    rng = random.Random(seed)
    rows = []
    for number in range(n):
        for rung, (p, signal) in draw(rng, rng.gauss(0.0, spread)).items():
            wrong = float(rng.random() >= p)
            row = outcome(
                f"q{number:04}",
                rung.tier,
                rung.round,
                loss=wrong,
                cost=costs[rung],
                signals={"s": signal},
            )
            rows.append(row)
    return table_of(rows)


def six_questions() -> list[Outcome]:
    """Six questions before two tiers, with and without passages; `free` and `paid` are signals.

    Drafts cost 1 (small), 2 (small with passages), 8 and 10 (large) and take 1, 2, 3 and 4 seconds;
    `paid` costs 0.5 wherever it can be bought. For q5 the search found nothing.
    """
    places = {"sc": (0, 0), "sr": (0, 1), "lc": (1, 0), "lr": (1, 1)}
    costs = {"sc": 1.0, "sr": 2.0, "lc": 8.0, "lr": 10.0}
    latencies = {"sc": 1.0, "sr": 2.0, "lc": 3.0, "lr": 4.0}
    # question: {place: (loss, free, paid)}
    told: dict[str, dict[str, tuple[float | None, float | None, float | None]]] = {
        "q1": {
            "sc": (0, 0.90, 0.1),
            "sr": (None, 0.1, 0.1),  # nobody has judged it
            "lc": (0, 0.1, 0.1),
            "lr": (0, 0.1, 0.1),
        },
        "q2": {
            "sc": (1, 0.60, 0.85),
            "sr": (0, 0.9, 0.9),
            "lc": (0, 0.9, 0.9),
            "lr": (1, 0.9, 0.9),
        },
        "q3": {
            "sc": (1, 0.60, None),
            "sr": (0, 0.85, 0.1),
            "lc": (1, 0.9, 0.9),
            "lr": (0, 0.9, 0.9),
        },
        "q4": {
            "sc": (1, 0.20, 0.9),
            "sr": (1, 0.30, 0.9),
            "lc": (1, 0.9, 0.9),
            "lr": (0, 0.90, 0.9),
        },
        "q5": {
            "sc": (1, 0.10, 0.9),
            "lc": (0.5, 0.60, 0.9),
        },
        "q6": {
            "sc": (1, None, None),
            "sr": (1, 0.40, 0.9),
            "lc": (1, 0.9, 0.9),
            "lr": (0, 0.50, 0.9),
        },
    }
    return [
        outcome(
            query_id,
            *places[place],
            loss=loss,
            cost=costs[place],
            latency_s=latencies[place],
            signals={"free": free, "paid": paid},
            signal_costs={"paid": 0.5},
        )
        for query_id, attempts in told.items()
        for place, (loss, free, paid) in attempts.items()
    ]


def six_rules() -> tuple[RungRule, ...]:
    """Thresholds of 0.8 and 0.7 for the small tier, 0.6 for the large; `paid` bought near 0.8."""
    both = (Action.RETRIEVE, Action.ESCALATE)
    return (
        RungRule(0, 0.8, False, both, (BuyBand("paid", 0.5, 0.8),)),
        RungRule(0, 0.7, True, both),
        RungRule(1, 0.6, False, ()),
        RungRule(1, 0.6, True, ()),
    )


def six_replayer(rows: Iterable[Outcome], floor: float | None = None) -> Replayer:
    """Replays `six_rules` on rows; `paid` is believed before `free`."""
    names = ("small", "large")
    policy = ThresholdPolicy(six_rules(), names, floor)
    return Replayer(table_of(rows), names, policy, BareAssessor(("paid", "free")))
