"""Fitting an uncertified threshold policy: calibrate out of fold, then search the cheapest rules.

The objective is the mean over questions of

    cost + error_price * loss of what was served + abstain_price * [abstained].

Nothing here promises an error rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..router.decisions import Action
from ..router.errors import UsageError
from .calibrating import calibrate_rungs
from .choosing import Calibrating
from .outcomes import OutcomeTable
from .prices import Prices, check_prices, default_prices
from .profile import FittedRung, FittedTier, Profile
from .searching import Progress, RuleSearch

__all__ = ["FitSettings", "Prices", "check_prices", "default_prices", "fit_uncertified"]


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
    search = RuleSearch(table, rungs, names, settings.prices, seed=settings.seed, progress=progress)
    rules = search.best()
    fitted = tuple(
        FittedRung(
            rung.tier,
            rung.retrieved,
            rule.threshold,
            rule.then,
            rule.buy,
            rung.calibrators,
        )
        for rung, rule in zip(rungs, rules, strict=True)
    )
    return Profile(
        tiers=settings.tiers,
        rungs=_with_unseen_rungs(fitted, len(settings.tiers)),
        estimators=settings.estimators,
        floor=settings.prices.floor,
        prices={"error": settings.prices.error, "abstain": settings.prices.abstain},
        advice=search.advice(),
        fitted_on=fitted_on,
    )


def _check_judged(table: OutcomeTable) -> None:
    for row in table.rows():
        if row.loss is None:
            raise UsageError(
                f"query {row.query_id!r}, tier {row.tier} has no loss: judge it first, or leave "
                "the question out of the table"
            )


def _with_unseen_rungs(fitted: tuple[FittedRung, ...], tiers: int) -> tuple[FittedRung, ...]:
    """A rung that the table lacks gets no calibrator: it can never answer, only go on."""
    seen = {(rung.tier, rung.retrieved) for rung in fitted}
    missing = tuple(
        FittedRung(tier, retrieved, 1.0, (Action.ESCALATE,), (), ())
        for tier in range(tiers)
        for retrieved in (False, True)
        if (tier, retrieved) not in seen
    )
    return fitted + missing
