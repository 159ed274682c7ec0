"""A candidate on the questions that another policy was asked, as far as its drafts go."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from reprlib import repr as shown
from typing import Literal

from ..router.decisions import Action, Result, Rung
from ..router.errors import UsageError
from ..router.signals import Estimate
from .outcomes import Outcome, OutcomeTable
from .profile import Profile
from .recorded import Replayer

__all__ = [
    "CandidateRun",
    "Gap",
    "Needs",
    "logged_audit",
    "nothing_needed",
    "profile_needs",
    "run_candidate",
]

Gap = Literal["draft", "search", "signal", "audit"]
"""What the logs lack: a draft that was not made, a search that was not run, a signal that was not
read, or an audit that the served draft could have been drawn for."""

Needs = Callable[[Rung], frozenset[str]]
"""Signals without which a candidate cannot be followed past a rung."""


@dataclass(frozen=True, slots=True)
class CandidateRun:
    """How the candidate would have ended one logged question.

    Attributes:
        gap: what the logs lack; None where they have all that it needs.
        row: the logged draft that it serves, gated or not; None on an abstention or with a gap.
        gated: whether a gate let it through.
        predicted: 1 - the candidate's own estimate of that draft, None where it has none.
        cost: of the candidate; None with a gap.
        logged_cost: of all that was made for this question.
    """

    query_id: str
    gap: Gap | None
    row: Outcome | None
    gated: bool
    predicted: float | None
    cost: float | None
    logged_cost: float


def nothing_needed(rung: Rung) -> frozenset[str]:
    """For a candidate that takes signals as they come."""
    return frozenset()


def profile_needs(profile: Profile, logged: frozenset[str]) -> Needs:
    """What the preferred calibrators read, and signals to buy that the logs have never seen."""
    policy = None if profile.values is not None else profile.thresholds()
    parts = {
        (rung.tier, rung.retrieved): frozenset(
            part for fitted in rung.calibrators[:1] for part in fitted.parts
        )
        for rung in profile.rungs
    }

    def needs(rung: Rung) -> frozenset[str]:
        read = parts.get((rung.tier, rung.retrieved), frozenset())
        if policy is None:
            return read  # a policy that weighs values reads the estimates, and has no rules
        rule = policy.rule(rung)
        if not rule.gated:
            return frozenset()  # whatever it writes is served: nothing is read for it
        unseen = frozenset(band.signal for band in rule.buy) - logged
        return unseen | (read if rule.score is None else {rule.score})

    return needs


def run_candidate(
    table: OutcomeTable,
    replayer: Replayer,
    query_id: str,
    needs: Needs = nothing_needed,
    *,
    gated_only: bool = True,
    audited_only: bool = True,
) -> CandidateRun:
    """One logged question through the candidate; the loss of what it serves may be unknown.

    Args:
        gated_only: whether an answer that no gate vouches for needs no audit.
        audited_only: whether any needs one; not where nothing is to be estimated.

    Raises:
        UsageError: an audit field of the served row cannot be.
    """
    logged = math.fsum(_paid(row) for row in table.queries[query_id].values())
    try:
        result = replayer.replay(query_id)
    except UsageError:  # a state without a row, or a request that no record answers
        return CandidateRun(query_id, "draft", None, False, None, None, logged)
    bought = frozenset(estimator.name for estimator in replayer.plan.buyable)
    row = None
    gap = _gap_on_the_way(table, query_id, result, needs, bought)
    if gap is None and result.action is Action.ANSWER and result.best is not None:
        row = table.row(query_id, result.best.rung)
        counts = result.gated or not gated_only
        counts = counts and audited_only
        if row is None or (counts and logged_audit(row)[1] <= 0.0):
            gap = "audit"
    if gap is not None:
        return CandidateRun(query_id, gap, None, False, None, None, logged)
    predicted = _predicted(result)
    return CandidateRun(query_id, None, row, result.gated, predicted, result.cost, logged)


def logged_audit(row: Outcome) -> tuple[bool, float]:
    """Whether the draft was drawn for an audit, and how likely that was; (False, 0) unlogged.

    Raises:
        UsageError: names the question and the field.
    """
    audited, propensity = row.extra.get("audited"), row.extra.get("propensity")
    if audited is not None and not isinstance(audited, bool):
        raise _bad(row, "audited", audited, "true or false")
    if propensity is None:
        propensity = 0.0
    if isinstance(propensity, bool) or not isinstance(propensity, int | float):
        raise _bad(row, "propensity", propensity, "a number in [0, 1]")
    if not 0.0 <= propensity <= 1.0 or (audited and propensity == 0.0):
        wanted = "a number above 0 of what was audited" if audited else "a number in [0, 1]"
        raise _bad(row, "propensity", propensity, wanted)
    return bool(audited), float(propensity)


def _bad(row: Outcome, name: str, value: object, wanted: str) -> UsageError:
    return UsageError(
        f"query {row.query_id!r}, tier {row.tier}: field {name!r} is {shown(value)}; "
        f"expected {wanted}"
    )


def _paid(row: Outcome) -> float:
    """The draft and the signals that were read; a price listed without a reading was not paid."""
    return row.cost + math.fsum(row.signal_costs.get(name, 0.0) for name in row.signals)


def _predicted(result: Result) -> float | None:
    if result.action is Action.ANSWER and result.best is not None:
        estimate = result.best.estimate
        if isinstance(estimate, Estimate):
            return 1.0 - estimate.p
    return None


def _gap_on_the_way(
    table: OutcomeTable, query_id: str, result: Result, needs: Needs, bought: frozenset[str]
) -> Gap | None:
    """A search or a signal that a record passes off as vain, and that nobody ever tried."""
    ladder = table.queries[query_id]
    last = max(rung.round for rung in ladder)
    if result.rounds > last:
        # The loop takes a search without rows for one that found nothing: only where it was run.
        at_last = (row for rung, row in ladder.items() if rung.round == last)
        if not any(row.extra.get("action") == Action.RETRIEVE for row in at_last):
            return "search"
    for attempt in result.attempts:
        row = table.row(query_id, attempt.rung)
        read = {name for name in attempt.signals if name in bought}
        wanted = read | (needs(attempt.rung) - bought)
        if row is not None and not wanted <= row.signals.keys():
            return "signal"
    return None
