"""What an outcome table says of the tiers and estimators behind it, where it says anything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
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
        UsageError: a tier has no row, rows of one tier disagree about their model, name or price,
            or rows about their estimators.
    """
    how = _agreed(table.rows(), "estimators_fingerprint", "the table")
    versions = _agreed(table.rows(), "estimator_versions", "the table") or {}
    if not isinstance(versions, dict) or not all(type(v) is int for v in versions.values()):
        raise UsageError(f"expected estimator_versions by name, got {versions!r}")
    estimators: dict[str, Any] = {"names": sorted(table.signals)}
    if how is not None:
        estimators = {**estimators, "versions": versions, "how": str(how)}
    tiers = tuple(_tier(table, tier) for tier in range(table.tiers))
    return FitSettings(tiers, prices, estimators, versions, seed)


def _tier(table: OutcomeTable, tier: int) -> FittedTier:
    rows: list[Outcome] = [row for row in table.rows() if row.tier == tier]
    if not rows:
        raise UsageError(f"tier {tier} has no row; number the tiers from 0 without a gap")
    models = {row.model for row in rows}
    if len(models) > 1:
        named = ", ".join(sorted(map(str, models)))
        raise UsageError(f"tier {tier} must have rows of one model, it has {named}")
    where = f"tier {tier}"
    name, price = _agreed(rows, "tier_name", where), _agreed(rows, "price", where)
    return FittedTier(str(name or f"tier-{tier}"), rows[0].model, price)


def _agreed(rows: Iterable[Outcome], field: str, where: str) -> Any:
    """The value that all rows give an optional field; None where none of them has it."""
    found = {json.dumps(row.extra.get(field), sort_keys=True) for row in rows}
    if len(found) > 1:
        values = ", ".join(sorted(value[:40] for value in found))
        raise UsageError(
            f"the rows of {where} disagree about {field} ({values}); they were recorded under "
            "different settings: fit one recording at a time"
        )
    return json.loads(found.pop())


def fitted_on(table: OutcomeTable, path: Path, date: str) -> Mapping[str, Any]:
    """Counts, hash and date of what a profile was fitted on."""
    return {
        "questions": len(table.queries),
        "rows": sum(1 for _ in table.rows()),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "date": date,
    }
