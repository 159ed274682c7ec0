"""Fitting an uncertified threshold policy: calibrate out of fold, then search the cheapest path.

The objective is the mean over questions of

    cost + error_price * loss of what was served + abstain_price * [abstained].

Nothing here promises an error rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..router.decisions import Action
from ..router.errors import UsageError
from .calibrating import CalibratedRung, calibrate_rungs
from .choosing import Calibrating
from .entry import FixedEntry
from .fit_advice import advice_on_table
from .fit_basis import FitBasis, fit_basis
from .fit_values import fit_values
from .fitted import FittedCalibrator
from .fitted_prior import fitted_prior
from .ladders import Ladders, ladders_of
from .outcomes import OutcomeTable
from .path_search import candidate_paths
from .paths import Path, RungKind, RungScores, path_rules, stages_of
from .price_search import PriceSearch, Progress
from .prices import Prices, check_prices, default_prices
from .profile import FittedRung, FittedTier, Profile
from .scores import estimated_scores, to_buy_by_kind
from .threshold import RungRule
from .value_rules import ValueRules
from .way import Way

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
        policy: of an uncertified fit.
        enter: whether thresholds may skip the first tiers, or every request begins at the first.
    """

    tiers: tuple[FittedTier, ...]
    prices: Prices
    estimators: Mapping[str, Any]
    versions: Mapping[str, int]
    seed: int = 0
    calibrating: Calibrating = field(default_factory=Calibrating)
    policy: Literal["threshold", "utility", "cascade-routing"] = "threshold"
    enter: Literal["auto", "first"] = "auto"


def fit_uncertified(
    table: OutcomeTable,
    settings: FitSettings,
    fitted_on: Mapping[str, Any],
    progress: Progress | None = None,
    *,
    questions: Mapping[str, str] | None = None,
) -> Profile:
    """Calibrate every rung and choose the rules of least expected price.

    Args:
        questions: text by query id: a value policy enters where a prior fitted on them says.
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
    calibrators = {(rung.tier, rung.retrieved): rung.calibrators for rung in rungs}
    if settings.policy != "threshold":
        found = _by_values(ladders, scores, settings, fitted_on, calibrators, questions)
        _, advice, _ = _on_table(table, rungs, settings, None)
        return replace(found, advice=advice)
    nobody = np.zeros(len(ladders.queries))  # estimates are cut without a draw among equals
    search = PriceSearch(
        {
            path: stages_of(ladders, scores, path, nobody)
            for path in candidate_paths(len(names), table.rounds)
            if settings.enter == "auto" or path[0].tier == 0
        },
        settings.prices,
        seed=settings.seed,
        progress=progress,
    )
    best = search.best()
    basis, advice, way = _on_table(table, rungs, settings, questions)
    routes = way is not None and way.kind in ("prior", "prior and gate")
    rules = path_rules(best.path, best.cuts, signals=to_buy_by_kind(ladders, scores))
    first = best.path[0].tier
    return Profile(
        tiers=settings.tiers,
        rungs=fitted_rungs(rules, calibrators, len(names)),
        estimators=settings.estimators,
        floor=settings.prices.floor,
        prices={"error": settings.prices.error, "abstain": settings.prices.abstain},
        advice=_advice(search, names, table.rounds) + advice,
        fitted_on=fitted_on,
        entry=FixedEntry(first, names[first]) if first else None,
        prior=basis.prior.prior if routes and basis.prior is not None else None,
        way=way,
    )


def _on_table(
    table: OutcomeTable,
    rungs: tuple[CalibratedRung, ...],
    settings: FitSettings,
    questions: Mapping[str, str] | None,
) -> tuple[FitBasis, tuple[str, ...], Way | None]:
    names = tuple(tier.name for tier in settings.tiers)
    basis = fit_basis(table, rungs, seed=settings.seed, questions=questions)
    return basis, *advice_on_table(basis, names, seed=settings.seed)


def _by_values(
    ladders: Ladders,
    scores: RungScores,
    settings: FitSettings,
    fitted_on: Mapping[str, Any],
    calibrators: Mapping[RungKind, tuple[FittedCalibrator, ...]],
    questions: Mapping[str, str] | None,
) -> Profile:
    """A policy that weighs what every step is worth, entered where the prior says."""
    names, prices = tuple(tier.name for tier in settings.tiers), settings.prices
    prior = fitted_prior(ladders, questions, seed=settings.seed)
    models = fit_values(ladders, scores, None if prior is None else prior.out_of_fold)
    if settings.policy == "utility":
        rules = ValueRules("utility", models)
    else:  # quality that a unit of cost is worth
        rules = ValueRules("cascade_routing", models, 1.0 / (prices.error or 1.0))
    return Profile(
        tiers=settings.tiers,
        rungs=fitted_rungs((), calibrators, len(names)),
        estimators=settings.estimators,
        prices={"error": prices.error, "abstain": prices.abstain},
        fitted_on=fitted_on,
        prior=None if prior is None else prior.prior,
        values=rules,
    )


def _advice(search: PriceSearch, names: tuple[str, ...], rounds: int) -> tuple[str, ...]:
    """Whether each tier, and searching, is worth its price."""
    lines: list[str | None] = []
    for tier, name in enumerate(names if len(names) > 1 else ()):

        def without(path: Path, tier: int = tier) -> bool:
            return all(stage.tier != tier for stage in path)

        lines.append(search.verdict(f"asking {name}", without))
    if rounds:
        lines.append(search.verdict("retrieving", lambda path: not any(s.round for s in path)))
    return tuple(line for line in lines if line is not None)


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
