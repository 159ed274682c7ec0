"""Recorded runs as rows of an outcome table: what fits, monitors and reports read of live traffic.

One row a rung: of several attempts on one rung the one that was served, else the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..router.decisions import Action, Attempt, Result, Rung
from ..router.feedback import Feedback, settled
from ..router.protocols import RunRecord
from ..router.signals import Estimate, Signal
from .audit import AuditPlan, draw
from .outcome_table import Outcome

__all__ = [
    "attempt_action",
    "audit_draws",
    "confidence_of",
    "judged_attempt",
    "outcome_of_row",
    "rows_of_run",
]

_KNOWN = frozenset(Outcome.__dataclass_fields__) - {"extra"}
_LOSS = {"right": 0.0, "wrong": 1.0, "corrected": 1.0}


def judged_attempt(result: Result) -> str | None:
    """Id of the attempt that a label speaks of unless it says otherwise: the served or best one."""
    return None if result.best is None else result.best.id


def confidence_of(attempt: Attempt) -> float | None:
    """How likely the attempt was thought to be right; None where nobody could say."""
    return attempt.estimate.p if isinstance(attempt.estimate, Estimate) else None


def attempt_action(result: Result, at: int) -> Action:
    """What was done with an attempt: served, or what followed on it."""
    attempt, served = result.attempts[at], result.best
    if result.action is Action.ANSWER and served is not None and attempt.id == served.id:
        return Action.ANSWER
    if at + 1 == len(result.attempts):
        return Action.ABSTAIN if result.action is Action.ABSTAIN else Action.ESCALATE
    return Action.ESCALATE if result.attempts[at + 1].tier > attempt.tier else Action.RETRIEVE


def audit_draws(
    plan: AuditPlan, result: Result, *, secret: str, by: str = "audit", at: str = ""
) -> tuple[Feedback, ...]:
    """The audit's draws for a run, as notes that a history keeps beside it.

    Each attempt that the plan could draw is noted, with its propensity, drawn or not. A repeat that
    was served from the history is not: it was judged when it was first answered.

    Args:
        secret: key of the draw, as in `draw`.
        at: when the run ended, ISO 8601.
    """
    if result.recognized:
        return ()
    best, found = judged_attempt(result), []
    for number, attempt in enumerate(result.attempts):
        action = attempt_action(result, number)
        if action is Action.ABSTAIN and attempt.id != best:
            continue
        drawn = draw(plan, result.run_id, action, confidence_of(attempt), secret=secret)
        if drawn.propensity > 0.0:
            note = Feedback(
                f"audit:{attempt.id}",
                result.run_id,
                None,
                by=by,
                at=at,
                attempt=attempt.id,
                audited=drawn.audited,
                propensity=drawn.propensity,
            )
            found.append(note)
    return tuple(found)


def rows_of_run(
    run: RunRecord, labels: Sequence[Feedback], tiers: Sequence[str]
) -> list[dict[str, Any]]:
    """The run as rows of an outcome table, with the fields of logged traffic.

    Args:
        labels: everything that was said of the run.
        tiers: names, where a row's `model` comes from unless it is the served one.
    """
    result, rows = run.result, dict[Rung, dict[str, Any]]()
    best = judged_attempt(result)
    for number, attempt in enumerate(result.attempts):
        action = attempt_action(result, number)
        if action is not Action.ANSWER and rows.get(attempt.rung, {}).get("served"):
            continue
        said = [one for one in labels if (one.attempt or best) == attempt.id]
        row = _row(run, attempt, action, settled(said))
        row["model"] = tiers[attempt.tier] if attempt.tier < len(tiers) else f"tier {attempt.tier}"
        rows[attempt.rung] = row
    return list(rows.values())


def _row(run: RunRecord, attempt: Attempt, action: Action, said: Feedback | None) -> dict[str, Any]:
    is_served = action is Action.ANSWER
    verdict = None if said is None else said.verdict
    return {
        "query_id": run.result.run_id,
        "tier": attempt.tier,
        "round": attempt.round,
        "retrieved": attempt.retrieved,
        "question": run.result.question,
        "answer": attempt.text,
        "loss": None if verdict is None else _LOSS[verdict],
        "cost": attempt.cost or 0.0,
        "latency_s": round(attempt.latency_s, 4),
        "signals": {
            name: reading.value if isinstance(reading, Signal) else None
            for name, reading in attempt.signals.items()
        },
        "signal_costs": {name: cost or 0.0 for name, cost in attempt.signal_costs.items()},
        "confidence": confidence_of(attempt),
        "action": action.value,
        "served": is_served,
        "gated": is_served and run.result.gated,
        "audited": said is not None and said.audited,
        "propensity": None if said is None else said.propensity,
        "policy_id": run.policy_id,
        "ts": run.at,
    }


def outcome_of_row(row: Mapping[str, Any]) -> Outcome:
    """A row of `rows_of_run` as a record."""
    known = {name: row[name] for name in _KNOWN if name in row}
    return Outcome(**known, extra={name: row[name] for name in row if name not in _KNOWN})
