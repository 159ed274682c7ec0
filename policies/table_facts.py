"""What an outcome table says of the tiers and estimators behind it, where it says anything."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..router.errors import UsageError
from .fit import FitSettings, Prices
from .outcomes import Outcome, OutcomeTable
from .profile import FittedTier

__all__ = ["fit_settings", "fitted_on"]


def fit_settings(table: OutcomeTable, prices: Prices, seed: int) -> FitSettings:
    """Names, models, prices and estimator versions as the rows carry them.

    A bare table (from elsewhere) has none of them: its tiers are called `tier-0`, `tier-1`, ...,
    and the profile binds to signal names only.

    Raises:
        UsageError: rows of one tier disagree about their model, or rows about their estimators.
    """
    hows = {row.extra.get("estimators_fingerprint") for row in table.rows()}
    if len(hows) > 1:
        raise UsageError(
            "the rows were recorded under different prompts or signal settings "
            f"({', '.join(str(how)[:12] for how in sorted(hows, key=str))}); fit one at a time"
        )
    how = hows.pop()
    first = next(iter(table.rows()))
    versions: Mapping[str, int] = first.extra.get("estimator_versions", {})
    estimators: dict[str, Any] = {"names": list(table.signals)}
    if how is not None:
        estimators = {**estimators, "versions": dict(versions), "how": how}
    tiers = tuple(_tier(table, tier) for tier in range(table.tiers))
    return FitSettings(tiers, prices, estimators, versions, seed)


def _tier(table: OutcomeTable, tier: int) -> FittedTier:
    rows: list[Outcome] = [row for row in table.rows() if row.tier == tier]
    models = {row.model for row in rows}
    if not rows or len(models) > 1:
        named = ", ".join(sorted(map(str, models))) or "none"
        raise UsageError(f"tier {tier} must have rows of one model, it has {named}")
    first = rows[0]
    name = first.extra.get("tier_name")
    return FittedTier(str(name or f"tier-{tier}"), first.model, first.extra.get("price"))


def fitted_on(table: OutcomeTable, path: Path, date: str) -> Mapping[str, Any]:
    """Counts, hash and date of what a profile was fitted on."""
    return {
        "questions": len(table.queries),
        "rows": sum(1 for _ in table.rows()),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "date": date,
    }
