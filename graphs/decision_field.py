"""A run's decision as plain values, as it stands beside an answer wherever that is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..router.decisions import Action, Result

__all__ = ["decision_field", "escalations", "tier_name"]


def decision_field(result: Result, names: Sequence[str]) -> dict[str, Any]:
    """The decision in JSON values; drafts that were not served are not in it.

    Args:
        names: of the tiers.
    """
    return {
        "run_id": result.run_id,
        "action": result.action.value,
        "confidence": result.confidence,
        "calibrated": _is_calibrated(result),
        "reason": result.reason,
        "tier": None if result.tier is None else tier_name(result.tier, names),
        "model": result.model,
        "gated": result.gated,
        "certificate": result.certificate,
        "escalations": escalations(result),
        "rounds": result.rounds,
        "calls": result.calls,
        "cost": result.cost,
        "latency_s": round(result.latency_s, 4),
        "recognized": result.recognized,
        "released": result.released or None,
        "overruled": result.overruled or None,
        "degraded": list(result.degraded),
    }


def _is_calibrated(result: Result) -> bool:
    served = result.best if result.tier is not None else None
    return served is not None and getattr(served.estimate, "calibrated", False) is True


def tier_name(tier: int, names: Sequence[str]) -> str:
    """What a tier is called now; its number where a run was made under another configuration."""
    return names[tier] if tier < len(names) else f"tier {tier}"


def escalations(result: Result) -> int:
    """How often a larger tier took over."""
    return sum(step.action == Action.ESCALATE for step in result.trail)
