"""What a policy would have done on recorded outcomes, beside what simple rules would have done."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from ..router.decisions import Action, Rung
from ..router.errors import UsageError
from ..router.metrics import selective_accuracy
from ..router.protocols import Policy
from ..router.signals import Estimate, Unavailable
from .baselines import Baseline, baselines
from .outcomes import Outcome, OutcomeTable
from .profile import Profile
from .recorded import Replayer

__all__ = [
    "Interval",
    "ReplayReport",
    "Served",
    "replay_all",
    "replay_profile",
    "replay_report",
    "serve",
    "serve_table",
]

Interval = tuple[float, float]
"""A 95 % percentile interval over questions drawn anew."""

_REPS = 1000


@dataclass(frozen=True, slots=True)
class Served:
    """How one question ended.

    Attributes:
        rung: of the served attempt; None on an abstention.
        loss: of what was served; None on an abstention.
        latency_s: None where the table does not tell an attempt's.
        top_tier: the highest tier that was asked.
        best_p: estimate of the best attempt, served or not; None where there is none.
        best_loss: loss of that attempt; None where nobody has judged it.
        visited: the rungs of all attempts, in order.
    """

    query_id: str
    rung: Rung | None
    loss: float | None
    cost: float
    latency_s: float | None
    top_tier: int
    best_p: float | None
    best_loss: float | None
    visited: tuple[Rung, ...] = ()


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """A policy on a table; all numbers are means over its questions.

    Attributes:
        n: questions.
        gated_share: answered / all.
        selective_risk: mean loss of the answered ones; None where none was answered.
        joint_risk: loss of the answered ones over all questions.
        system_risk: loss of whatever was served over all questions, an abstention counted as 0.
            Equal to `joint_risk` here, where nothing is served but what a gate let through.
        deferred_share: questions for which a tier above the first was asked.
        quality: 1 - loss over all questions, an abstention counted as 0.
        cost: per question, bought signals included.
        latency_s: per question; None where the table does not tell all of them.
        served_from: share of all questions answered from each rung.
        selective_accuracy_50: accuracy of the surer half by the best attempt's estimate, over
            questions whose best attempt has an estimate and was judged.
        accuracy_100: accuracy of all best attempts of these questions.
        selective_gain: the former less the latter; above 0 where confidence means something.
        intervals: of each of these numbers that is defined in most draws.
    """

    n: int
    gated_share: float
    selective_risk: float | None
    joint_risk: float
    system_risk: float
    abstained_share: float
    deferred_share: float
    quality: float
    cost: float
    latency_s: float | None
    served_from: Mapping[Rung, float]
    selective_accuracy_50: float | None
    accuracy_100: float | None
    selective_gain: float | None
    intervals: Mapping[str, Interval]
    baselines: Mapping[str, Baseline]


def replay_all(
    table: OutcomeTable, replayer: Replayer, progress: Callable[[int, int], None] | None = None
) -> list[Served]:
    """Every question of the table through the policy.

    Args:
        progress: called with questions done and questions in all.

    Raises:
        UsageError: what was served has no loss, or a row on the way is missing.
    """
    served = []
    for done, query_id in enumerate(table.queries, start=1):
        served.append(serve(table, replayer, query_id))
        if progress is not None:
            progress(done, len(table.queries))
    return served


def serve(
    table: OutcomeTable, replayer: Replayer, query_id: str, policy: Policy | None = None
) -> Served:
    """One question of the table through the replayer's policy, or another one.

    Raises:
        UsageError: as `replay_all`.
    """
    result = replayer.replay(query_id, policy)
    best = result.best
    served = best if result.action is Action.ANSWER else None
    loss = None if best is None else _row(table, query_id, best.rung).loss
    if served is not None and loss is None:
        raise UsageError(
            f"query {query_id!r} is answered by tier {served.tier}, and that row has no loss: "
            "judge it first, or leave the question out of the table"
        )
    visited = tuple([attempt.rung for attempt in result.attempts])
    is_timed = all(_row(table, query_id, rung).latency_s is not None for rung in visited)
    return Served(
        query_id,
        None if served is None else served.rung,
        None if served is None else loss,
        result.cost,
        result.latency_s if is_timed else None,
        max([rung.tier for rung in visited], default=0),
        best.estimate.p if best is not None and isinstance(best.estimate, Estimate) else None,
        loss,
        visited,
    )


def _row(table: OutcomeTable, query_id: str, rung: Rung) -> Outcome:
    row = table.row(query_id, rung)
    assert row is not None  # the replay has just stood on it
    return row


def replay_report(table: OutcomeTable, served: Sequence[Served], *, seed: int = 0) -> ReplayReport:
    """The numbers of a replay, with 95 % bootstrap intervals over questions.

    They depend on the questions' names and the seed, not on the order of the rows.
    """
    ordered = sorted(served, key=lambda one: one.query_id)
    numbers = _numbers(ordered)
    rungs = Counter(one.rung for one in ordered if one.rung is not None)
    return ReplayReport(
        n=len(ordered),
        served_from={rung: rungs[rung] / len(ordered) for rung in sorted(rungs)},
        intervals=_intervals(ordered, seed),
        baselines=baselines(table, numbers["cost"] or 0.0),
        **cast(dict[str, Any], numbers),
    )


def _numbers(served: Sequence[Served]) -> dict[str, float | None]:
    n = len(served)
    losses = [one.loss for one in served if one.loss is not None]
    lost, answered = math.fsum(losses), len(losses)
    times = [one.latency_s for one in served if one.latency_s is not None]
    half, whole = _accuracies(served)
    return {
        "gated_share": answered / n,
        "selective_risk": lost / answered if answered else None,
        "joint_risk": lost / n,
        "system_risk": lost / n,
        "abstained_share": (n - answered) / n,
        "deferred_share": sum([one.top_tier > 0 for one in served]) / n,
        "quality": (answered - lost) / n,
        "cost": math.fsum([one.cost for one in served]) / n,
        "latency_s": math.fsum(times) / n if len(times) == n else None,
        "selective_accuracy_50": half,
        "accuracy_100": whole,
        "selective_gain": None if half is None or whole is None else half - whole,
    }


def _accuracies(served: Sequence[Served]) -> tuple[float | None, float | None]:
    """Accuracy of the surer half and of all, over questions with an estimate and a loss."""
    scores, right = [], []
    for one in served:
        if one.best_p is not None and one.best_loss is not None:
            scores.append(one.best_p)
            right.append(1.0 - one.best_loss)
    half = selective_accuracy(scores, right, 0.5)
    if isinstance(half, Unavailable):
        return None, None
    return half, math.fsum(right) / len(right)


def _intervals(served: Sequence[Served], seed: int) -> dict[str, Interval]:
    """Percentile intervals; a number that is undefined in most draws has none."""
    rng = random.Random(seed)
    draws = [_numbers(rng.choices(served, k=len(served))) for _ in range(_REPS)]
    intervals: dict[str, Interval] = {}
    for name in draws[0]:
        values = sorted(value for draw in draws if (value := draw[name]) is not None)
        if 2 * len(values) >= _REPS:
            last = len(values) - 1
            intervals[name] = (values[round(0.025 * last)], values[round(0.975 * last)])
    return intervals


def serve_table(
    table: OutcomeTable, profile: Profile, progress: Callable[[int, int], None] | None = None
) -> list[Served]:
    """Every question of the table through a profile's policy and calibrators."""
    replayer = Replayer(table, profile.names, profile.policy(), profile.assessor())
    return replay_all(table, replayer, progress)


def replay_profile(
    table: OutcomeTable,
    profile: Profile,
    *,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> ReplayReport:
    """The numbers of a profile on a table."""
    report = None if progress is None else partial(progress, "replaying questions")
    return replay_report(table, serve_table(table, profile, report), seed=seed)
