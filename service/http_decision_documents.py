"""Decisions as the service shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..graphs.decision_field import tier_name
from ..policies.run_rows import confidence_of, judged_attempt
from ..router.decisions import Attempt
from ..router.feedback import Feedback, settled
from ..router.protocols import RunRecord
from .documents import trail_document
from .http_answers import surefoot_field

__all__ = ["decision_document", "label_document"]


def decision_document(
    run: RunRecord, labels: Sequence[Feedback], names: Sequence[str], *, whole: bool = False
) -> dict[str, Any]:
    """A decision with what was said of it; `whole` adds attempts, passages, trail and each label.

    The label is that of the served attempt, or of the best one of an abstention.
    """
    result, best = run.result, judged_attempt(run.result)
    said = settled([one for one in labels if one.attempt in (None, best)])
    found: dict[str, Any] = {
        "object": "surefoot.decision",
        "id": result.run_id,
        "at": run.at,
        "thread": run.thread,
        "user": run.user,
        "question": result.question,
        "answer": result.answer,
        "best_answer": None if result.best is None else result.best.text,
        **surefoot_field(result, names),
        "tokens": result.tokens,
        "policy_id": run.policy_id,
        "label": label_document(said),
    }
    if not whole:
        return found
    return {
        **found,
        "attempts": [_attempt(attempt, names) for attempt in result.attempts],
        "passages": [
            {"id": one.id, "title": one.title, "text": one.text, "score": one.score}
            for one in result.passages
        ],
        "queries": list(result.queries),
        "trail": trail_document(result),
        "feedback": [label_document(one) for one in labels],
    }


def label_document(label: Feedback | None) -> dict[str, Any] | None:
    """What was said of an answer, and the audit's draw; None where neither is known."""
    if label is None:
        return None
    return {
        "id": label.id,
        "verdict": label.verdict,
        "correction": label.correction,
        "by": label.by,
        "at": label.at,
        "attempt": label.attempt,
        "audited": label.audited,
        "propensity": label.propensity,
    }


def _attempt(attempt: Attempt, names: Sequence[str]) -> dict[str, Any]:
    return {
        "id": attempt.id,
        "tier": tier_name(attempt.tier, names),
        "round": attempt.round,
        "retrieved": attempt.retrieved,
        "answer": attempt.text,
        "finish_reason": attempt.finish_reason,
        "confidence": confidence_of(attempt),
        "cost": attempt.cost,
        "latency_s": round(attempt.latency_s, 4),
        "passages": list(attempt.passage_ids),
    }
