"""What a policy would have done on recorded outcomes, beside what simple rules would have done."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ..router.decisions import Action, Rung
from ..router.errors import UsageError
from ..router.metrics import selective_accuracy
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
        top_tier: the highest tier that was asked.
        best_p: estimate of the best attempt, served or not; None where there is none.
        best_loss: loss of that attempt.
    """

    query_id: str
    rung: Rung | None
    loss: float | None
    cost: float
    latency_s: float
    top_tier: int
    best_p: float | None
    best_loss: float | None


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """A policy on a table; all numbers are means over its questions.

    Attributes:
        n: questions.
        gated_share: answered / all.
        selective_risk: mean loss of the answered ones; None where none was answered.
        joint_risk: loss of the answered ones over all questions.
        system_risk: loss of whatever was served over all questions, an abstention counted as 0.
        deferred_share: questions for which a tier above the first was asked.
        quality: 1 - loss over all questions, an abstention counted as 0.
        cost: per question, bought signals included.
        served_from: share of all questions answered from each rung.
        selective_accuracy_50: accuracy of the surer half by the best attempt's estimate.
        accuracy_100: accuracy of all best attempts.
        selective_gain: the former less the latter; above 0 where confidence means something.
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
    latency_s: float
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
        UsageError: a row on the way has no loss, or is missing.
    """
    served = []
    for done, query_id in enumerate(table.queries, start=1):
        served.append(_served(table, replayer, query_id))
        if progress is not None:
            progress(done, len(table.queries))
    return served


def _served(table: OutcomeTable, replayer: Replayer, query_id: str) -> Served:
    ladder = table.queries[query_id]
    result = replayer.replay(query_id)
    best = result.best
    answered = result.action is Action.ANSWER and best is not None
    best_p = None
    if best is not None and isinstance(best.estimate, Estimate):
        best_p = best.estimate.p
    best_loss = None if best is None else _loss(ladder[best.rung])
    return Served(
        query_id,
        best.rung if answered and best is not None else None,
        best_loss if answered else None,
        result.cost,
        result.latency_s,
        max((attempt.tier for attempt in result.attempts), default=0),
        best_p,
        best_loss,
    )


def _loss(row: Outcome) -> float:
    if row.loss is None:
        raise UsageError(
            f"query {row.query_id!r}, tier {row.tier} has no loss: judge it first, or leave the "
            "question out of the table"
        )
    return row.loss


def replay_report(table: OutcomeTable, served: Sequence[Served], *, seed: int = 0) -> ReplayReport:
    """The numbers of a replay, with 95 % bootstrap intervals over questions."""
    n = len(served)
    means = _means(served)
    rungs = Counter(one.rung for one in served if one.rung is not None)
    halves = _selective(served)
    return ReplayReport(
        n=n,
        gated_share=means["gated_share"] or 0.0,
        selective_risk=means["selective_risk"],
        joint_risk=means["joint_risk"] or 0.0,
        system_risk=means["joint_risk"] or 0.0,
        abstained_share=1.0 - (means["gated_share"] or 0.0),
        deferred_share=means["deferred_share"] or 0.0,
        quality=means["quality"] or 0.0,
        cost=means["cost"] or 0.0,
        latency_s=means["latency_s"] or 0.0,
        served_from={rung: rungs[rung] / n for rung in sorted(rungs)},
        selective_accuracy_50=None if halves is None else halves[0],
        accuracy_100=None if halves is None else halves[1],
        selective_gain=None if halves is None else halves[0] - halves[1],
        intervals=_intervals(served, seed),
        baselines=baselines(table, means["cost"] or 0.0),
    )


def _means(served: Sequence[Served]) -> dict[str, float | None]:
    n = len(served)
    losses = [one.loss for one in served if one.loss is not None]
    lost, answered = math.fsum(losses), len(losses)
    return {
        "gated_share": answered / n,
        "selective_risk": lost / answered if answered else None,
        "joint_risk": lost / n,
        "quality": (answered - lost) / n,
        "deferred_share": sum(one.top_tier > 0 for one in served) / n,
        "cost": math.fsum(one.cost for one in served) / n,
        "latency_s": math.fsum(one.latency_s for one in served) / n,
    }


def _selective(served: Sequence[Served]) -> tuple[float, float] | None:
    """Accuracy of the surer half and of all, over questions with an estimate."""
    known = [one for one in served if one.best_p is not None and one.best_loss is not None]
    scores = [one.best_p or 0.0 for one in known]
    right = [1.0 - (one.best_loss or 0.0) for one in known]
    half = selective_accuracy(scores, right, 0.5)
    whole = selective_accuracy(scores, right, 1.0)
    if isinstance(half, Unavailable) or isinstance(whole, Unavailable):
        return None
    return half, whole


def _all_numbers(served: Sequence[Served]) -> dict[str, float | None]:
    halves = _selective(served)
    return {**_means(served), "selective_gain": None if halves is None else halves[0] - halves[1]}


def _intervals(served: Sequence[Served], seed: int) -> dict[str, Interval]:
    """Percentile intervals; a number that is undefined in most draws has none."""
    rng = random.Random(seed)
    draws = [_all_numbers(rng.choices(served, k=len(served))) for _ in range(_REPS)]
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
