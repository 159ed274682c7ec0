"""Logged traffic by a formula: what a gate served, what was drawn for an audit, what came back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from surefoot.policies.monitor_evidence import Promise, RungScores, rung_scores
from surefoot.policies.outcomes import Outcome, OutcomeTable

from .worlds import outcome, table_of

DAY_S = 86_400.0
BEGIN = 1_000.0 * DAY_S


def promise(**changed: Any) -> Promise:
    told: dict[str, Any] = {
        "alpha": 0.1,
        "kind": "selective",
        "certificate": "c1",
        "certified_at": BEGIN,
        **changed,
    }
    return Promise(**told)


def gated(
    number: int,
    *,
    loss: float | None = None,
    audited: bool = False,
    propensity: float | None = 0.2,
    score: float | None = 0.8,
    **extra: Any,
) -> Outcome:
    """An answer that tier 0's gate let through, one a minute."""
    return outcome(
        f"r{number:05}",
        loss=loss,
        signals={"s": score},
        **{
            "served": True,
            "action": "answer",
            "audited": audited,
            "propensity": propensity,
            "ts": BEGIN + 60.0 * number,
            **extra,
        },
    )


def traffic(
    n: int,
    risk: float,
    *,
    seed: int = 0,
    first: int = 0,
    propensity: float = 0.2,
    shift: float = 0.0,
    arrive: float = 1.0,
) -> Iterator[Outcome]:
    """`n` gated answers, of which a share is drawn, and of these labels a share has come."""
    rng = random.Random(f"{seed} {first}")
    for number in range(first, first + n):
        drawn = rng.random() < propensity
        wrong = float(rng.random() < risk)
        came = rng.random() < arrive
        score = min(1.0, max(0.0, rng.betavariate(4, 2) + shift))
        yield gated(
            number,
            loss=wrong if drawn and came else None,
            audited=drawn,
            propensity=propensity,
            score=score,
        )


def calibration(n: int = 2_000, seed: int = 99) -> RungScores:
    """Scores of tier 0 as `traffic` without a shift has them."""
    return rung_scores(traffic(n, 0.1, seed=seed), 0, "s")


def log(*rows: Iterator[Outcome]) -> OutcomeTable:
    return table_of(row for part in rows for row in part)
