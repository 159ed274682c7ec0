"""Fitting an uncertified threshold policy: calibrate out of fold, then search the cheapest path.

The objective is the mean over questions of

    cost + error_price * loss of what was served + abstain_price * [abstained].

Nothing here promises an error rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..router.decisions import Action
from ..router.errors import UsageError
from .calibrating import calibrate_rungs
from .choosing import Calibrating
from .entry import FixedEntry
from .fitted import FittedCalibrator
from .ladders import ladders_of
from .outcomes import OutcomeTable
from .path_search import candidate_paths
from .paths import Path, RungKind, path_rules, stages_of
from .price_search import PriceSearch, Progress
from .prices import Prices, check_prices, default_prices
from .profile import FittedRung, FittedTier, Profile
from .scores import estimated_scores, to_buy_by_kind
from .threshold import RungRule

__all__ = [
    "FitSettings",
    "Prices",
    "check_prices",
    "default_prices",
    "fit_uncertified",
    "fitted_rungs",
]


@dataclass(frozen=True, slots=True)
class FitSettings:
    """What is known beside the table.

    Attributes:
        tiers: one a tier, cheapest first.
        estimators: what goes into the profile's `estimators`; empty for bare tables.
        versions: version of each estimator by name.
        calibrating: which calibrators and combinations are tried.
    """

    tiers: tuple[FittedTier, ...]
    prices: Prices
    estimators: Mapping[str, Any]
    versions: Mapping[str, int]
    seed: int = 0
    calibrating: Calibrating = field(default_factory=Calibrating)


def fit_uncertified(
    table: OutcomeTable,
    settings: FitSettings,
    fitted_on: Mapping[str, Any],
    progress: Progress | None = None,
) -> Profile:
    """Calibrate every rung and choose the rules of least expected price.

    Args:
        fitted_on: counts, hash and `date`; kept as it is, the date in the calibrators' notes too.

    Raises:
        UsageError: a price cannot be used, a row was not judged, the table cannot be calibrated, or
            it lacks a row that a policy would reach.
    """
    import numpy as np

    check_prices(settings.prices)
    _check_judged(table)
    date = fitted_on.get("date")
    rungs = calibrate_rungs(
        table,
        settings.versions,
        seed=settings.seed,
        choice=settings.calibrating,
        date=None if date is None else str(date),
    )
    names = tuple(tier.name for tier in settings.tiers)
    ladders = ladders_of(table)
    scores = estimated_scores(ladders, rungs, table.bought)
    nobody = np.zeros(len(ladders.queries))  # estimates are cut without a draw among equals
    search = PriceSearch(
        {
            path: stages_of(ladders, scores, path, nobody)
            for path in candidate_paths(len(names), table.rounds)
        },
        settings.prices,
        seed=settings.seed,
        progress=progress,
    )
    best = search.best()
    rules = path_rules(best.path, best.cuts, signals=to_buy_by_kind(ladders, scores))
    calibrators = {(rung.tier, rung.retrieved): rung.calibrators for rung in rungs}
    first = best.path[0].tier
    return Profile(
        tiers=settings.tiers,
        rungs=fitted_rungs(rules, calibrators, len(names)),
        estimators=settings.estimators,
        floor=settings.prices.floor,
        prices={"error": settings.prices.error, "abstain": settings.prices.abstain},
        advice=_advice(search, names, table.rounds),
        fitted_on=fitted_on,
        entry=FixedEntry(first, names[first]) if first else None,
    )


def _advice(search: PriceSearch, names: tuple[str, ...], rounds: int) -> tuple[str, ...]:
    """Whether each tier, and searching, is worth its price."""
    lines = []
    for tier, name in enumerate(names if len(names) > 1 else ()):

        def without(path: Path, tier: int = tier) -> bool:
            return all(stage.tier != tier for stage in path)

        lines.append(search.verdict(f"asking {name}", without))
    if rounds:
        lines.append(search.verdict("retrieving", lambda path: not any(s.round for s in path)))
    return tuple(lines)


def fitted_rungs(
    rules: Sequence[RungRule],
    calibrators: Mapping[RungKind, tuple[FittedCalibrator, ...]],
    tiers: int,
) -> tuple[FittedRung, ...]:
    """Rules with their calibrators. A rung without a rule can never answer, only go on."""
    known = {(rule.tier, rule.retrieved) for rule in rules if rule.round is None}
    rest = [
        RungRule(tier, 1.0, seen, (Action.ESCALATE,), tie=1.0)
        for tier in range(tiers)
        for seen in (False, True)
        if (tier, seen) not in known
    ]

    def place(rule: RungRule) -> tuple[bool, int, bool, int]:
        kind = (rule.tier, bool(rule.retrieved))
        return kind not in calibrators, *kind, -1 if rule.round is None else rule.round

    return tuple(
        FittedRung.of(rule, calibrators.get((rule.tier, bool(rule.retrieved)), ()))
        for rule in sorted((*rules, *rest), key=place)
    )


def _check_judged(table: OutcomeTable) -> None:
    for row in table.rows():
        if row.loss is None:
            raise UsageError(
                f"query {row.query_id!r}, tier {row.tier} has no loss: judge it first, or leave "
                "the question out of the table"
            )
