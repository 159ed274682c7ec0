"""What a policy would have done on recorded outcomes, beside what simple rules would have done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from ..router.decisions import Action, Rung
from ..router.errors import UsageError
from ..router.protocols import Policy
from ..router.signals import Estimate
from .baselines import Baseline, baselines
from .outcomes import Outcome, OutcomeTable
from .profile import Profile
from .recorded import Replayer
from .replay_arrays import ReplayArrays
from .replay_bootstrap import replay_intervals, replay_numbers
from .replay_run import replay_questions

__all__ = [
    "Interval",
    "ReplayReport",
    "Served",
    "charged_for_abstaining",
    "replay_all",
    "replay_profile",
    "replay_report",
    "replayer_of",
    "serve",
    "serve_table",
    "served_arrays",
]

Interval = tuple[float, float]
"""A 95 % percentile interval over questions drawn anew."""


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
        gated: whether a gate let the served attempt through; False on an abstention.
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
    gated: bool = False


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """A policy on a table; all numbers are means over its questions.

    G = an answer was let through by a gate, V = an answer was served, gated or not, L = its loss.

    Attributes:
        n: questions.
        gated_share: P(G).
        selective_risk: E[L | G]; None where no gate let anything through.
        joint_risk: E[L 1{G}].
        system_risk: E[L 1{V}] + a P(not V), a = what an abstention is charged.
        abstained_share: P(not V).
        deferred_share: questions for which a tier above the first was asked.
        quality: E[(1 - L) 1{V}].
        cost: per question, bought signals included.
        latency_s: per question; None where the table does not tell all of them.
        served_from: share of all questions served from each rung, gated or not.
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
        progress: called with questions done and questions in all, now and then and at the end.

    Raises:
        UsageError: what was served has no loss, or a row on the way is missing.
    """
    one = partial(serve, table, replayer)
    return replay_questions(list(table.queries), one, Served, progress=progress)


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
        result.gated,
    )


def _row(table: OutcomeTable, query_id: str, rung: Rung) -> Outcome:
    row = table.row(query_id, rung)
    assert row is not None  # the replay has just stood on it
    return row


def served_arrays(served: Sequence[Served], abstention_loss: float = 0.0) -> ReplayArrays:
    """The columns of a replay, as the numbers of one and of two replays need them."""
    return ReplayArrays.of(
        [one.query_id for one in served],
        gated=[one.gated for one in served],
        served=[one.rung is not None for one in served],
        loss=[one.loss for one in served],
        cost=[one.cost for one in served],
        latency_s=[one.latency_s for one in served],
        deferred=[one.top_tier > 0 for one in served],
        best_p=[one.best_p for one in served],
        best_loss=[one.best_loss for one in served],
        abstention_loss=abstention_loss,
    )


def replay_report(
    table: OutcomeTable, served: Sequence[Served], *, seed: int = 0, abstention_loss: float = 0.0
) -> ReplayReport:
    """The numbers of a replay, with 95 % bootstrap intervals over questions.

    They depend on the questions' names and the seed, not on the order of the rows.

    Args:
        abstention_loss: what `system_risk` charges for an abstention.
    """
    arrays = served_arrays(served, abstention_loss)
    numbers = replay_numbers(arrays)
    rungs = Counter(one.rung for one in served if one.rung is not None)
    return ReplayReport(
        n=len(served),
        served_from={rung: rungs[rung] / len(served) for rung in sorted(rungs)},
        intervals=replay_intervals(arrays, seed=seed),
        baselines=baselines(table, numbers["cost"] or 0.0),
        **cast(dict[str, Any], numbers),
    )


def charged_for_abstaining(profile: Profile) -> float:
    """What an abstention is charged, as the certificate says; 0 without one."""
    certificate = profile.certificate
    return 0.0 if certificate is None else certificate.target.abstention_loss


def replayer_of(
    table: OutcomeTable, profile: Profile, questions: Mapping[str, str] | None = None
) -> Replayer:
    """What replays a profile's policy, entry, prior and calibrators on a table.

    Args:
        questions: texts by query id, for rows without one; a prior reads them.

    Raises:
        UsageError: the table has tiers that the profile does not know, or a gate reads a signal
            that no row of the table has.
    """
    _check_signals(table, profile)
    return Replayer(
        table,
        profile.names,
        profile.policy(),
        profile.assessor(),
        prior=profile.prior,
        entry=profile.entry_policy(),
        questions=questions,
    )


def _check_signals(table: OutcomeTable, profile: Profile) -> None:
    """A gate that never finds what it reads would pass nothing on, and say nothing of it."""
    known = frozenset(table.signals)
    kinds = {(row.tier, row.retrieved) for row in table.rows()}
    for rung in profile.rungs:
        if not rung.gated or (rung.tier, rung.retrieved) not in kinds:
            continue
        if rung.score is not None:
            wanted = [{rung.score}]
        else:
            wanted = [set(fitted.parts) for fitted in rung.calibrators]
        if wanted and not any(parts <= known for parts in wanted):
            raise UsageError(
                f"the gate of {profile.names[rung.tier]} reads {', '.join(sorted(wanted[0]))}; the "
                f"table's signals are {', '.join(table.signals) or 'none'}: replay the profile on "
                "outcomes with the signals that it was fitted on"
            )


def serve_table(
    table: OutcomeTable,
    profile: Profile,
    progress: Callable[[int, int], None] | None = None,
    *,
    questions: Mapping[str, str] | None = None,
) -> list[Served]:
    """Every question of the table through a profile; arguments and errors as `replayer_of`."""
    return replay_all(table, replayer_of(table, profile, questions), progress)


def replay_profile(
    table: OutcomeTable,
    profile: Profile,
    *,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
    questions: Mapping[str, str] | None = None,
) -> ReplayReport:
    """The numbers of a profile on a table."""
    tell = None if progress is None else partial(progress, "replaying questions")
    served = serve_table(table, profile, tell, questions=questions)
    return replay_report(table, served, seed=seed, abstention_loss=charged_for_abstaining(profile))
