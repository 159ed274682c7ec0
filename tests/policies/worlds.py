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
from surefoot.router.decisions import Rung

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
