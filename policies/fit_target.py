"""From recorded outcomes to a profile that reaches a quality, a share deferred, or a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..router.errors import UsageError
from .advising import advice_on_quality
from .break_even import break_evens
from .calibrating import calibrate_rungs
from .deferring import DeferralWays, reach_deferral
from .fit import FitSettings, fitted_rungs
from .fit_advice import advice_on_table, last_tier
from .fit_basis import FitBasis, fit_basis
from .ladders import ladders_of
from .outcomes import OutcomeTable
from .paths import Stage, stages_of
from .policy_families import GateFamilies, PriorRouting, united
from .profile import Profile
from .reached import Reached
from .reaching_targets import reach_cost, reach_quality
from .scores import raw_scores
from .target_settings import Setting, setting_entry, setting_rules
from .targets import MeanCost, QualityKept, ShareDeferred, TargetReport
from .way import Way

if TYPE_CHECKING:
    from .ladders import Floats

__all__ = ["Target", "TargetFit", "fit_target"]

Target = QualityKept | ShareDeferred | MeanCost


@dataclass(frozen=True, slots=True)
class TargetFit:
    """The profile, and how near it came.

    Attributes:
        report: target, achieved and interval, on questions that did not choose.
        considered: every way, the best first: its name, and in words what it offered.
        is_reached: whether the chosen setting is expected to hold the target at all.
    """

    profile: Profile
    report: TargetReport
    considered: tuple[tuple[str, str], ...]
    is_reached: bool = True


def fit_target(
    table: OutcomeTable,
    settings: FitSettings,
    target: Target,
    fitted_on: Mapping[str, Any],
    *,
    questions: Mapping[str, str] | None = None,
    traffic: OutcomeTable | None = None,
) -> TargetFit:
    """Choose the way and its knob that reach the target best, with advice on every way.

    Args:
        questions: text by query id, which a prior is fitted on; None does without.
        traffic: whose scores a deferral's threshold is taken from.

    Raises:
        UsageError: a row was not judged, or the table lacks one that a policy would reach.
    """
    date = fitted_on.get("date")
    rungs = calibrate_rungs(
        table,
        settings.versions,
        seed=settings.seed,
        choice=settings.calibrating,
        date=None if date is None else str(date),
        needed=False,
    )
    basis = fit_basis(table, rungs, seed=settings.seed, questions=questions)
    names = tuple(tier.name for tier in settings.tiers)
    advice, way = advice_on_table(basis, names, seed=settings.seed)
    if isinstance(target, ShareDeferred):
        setting, report, considered = _deferral(target, basis, traffic, settings.seed)
        reached = True
    else:
        found = _reach(target, basis, settings.seed)
        setting, report, reached = found.setting, found.report, found.is_reached
        if isinstance(target, QualityKept):
            advice = tuple(one.words for one in advice_on_quality(found)) + advice
        considered = tuple(
            (one.family, f"saves {one.saving:.1%}, keeps {one.quality_kept:.1%} of the quality")
            for one in found.considered
        )
    profile = _profile(setting, way, basis, settings, advice, fitted_on)
    return TargetFit(profile, report, considered, reached)


def _reach(target: QualityKept | MeanCost, basis: FitBasis, seed: int) -> Reached:
    prior = _telling_prior(basis, seed)
    families = united(
        GateFamilies(basis.ladders, basis.scores, basis.u, seed=seed, prior=prior),
        *([] if prior is None else [PriorRouting(basis.ladders, prior)]),
    )
    last = last_tier(basis)
    if isinstance(target, QualityKept):
        return reach_quality(target, families, last, seed=seed)
    return reach_cost(target, families, last, seed=seed)


def _telling_prior(basis: FitBasis, seed: int) -> Floats | None:
    """The prior's rows where they tell tiers apart; a prior that does not costs test level."""
    if basis.prior_rows is None:
        return None
    pairs = break_evens(basis.ladders, basis.scores, prior=basis.prior_rows, seed=seed)
    return basis.prior_rows if any(pair.has_telling_prior for pair in pairs) else None


def _deferral(
    target: ShareDeferred, basis: FitBasis, traffic: OutcomeTable | None, seed: int
) -> tuple[Setting, TargetReport, tuple[tuple[str, str], ...]]:
    ladders, last = basis.ladders, basis.ladders.tiers - 1
    if last == 0:
        raise UsageError("a share deferred needs a second tier to defer to; the table has one")
    path = (Stage(0, 0), Stage(last, 0))
    stages = stages_of(ladders, basis.scores, path, basis.u, last_is_gated=False)
    gain = None
    if basis.prior_rows is not None:
        dearer = basis.tier_costs[last] - basis.tier_costs[0]
        if dearer > 0.0:
            gain = (basis.prior_rows[:, last] - basis.prior_rows[:, 0]) / dearer
    scores = None if traffic is None else _traffic_scores(traffic, basis)
    found = reach_deferral(target, DeferralWays(stages, gain, scores), seed=seed)
    considered = tuple(
        (name, f"defers {share:.1%} at quality {quality:.3f}, cost {cost:.3g}")
        for name, share, quality, cost in found.ways
    )
    return found.setting, found.report, considered


def _traffic_scores(traffic: OutcomeTable, basis: FitBasis) -> Floats | None:
    """What the first tier's gate would compare; None where estimates are compared."""
    import numpy as np

    signal = basis.compared.get((0, False))
    if signal is None:
        return None
    if signal not in traffic.signals:
        raise UsageError(f"signals: the traffic has no {signal}, which the first tier is gated by")
    columns = ladders_of(traffic)
    found = raw_scores(columns, {(0, False): signal}, traffic.bought)
    at = columns.place(0)
    scores: Floats = np.where(np.isnan(found.free[:, at]), found.paid[:, at], found.free[:, at])
    return scores


def _profile(
    setting: Setting,
    way: Way | None,
    basis: FitBasis,
    settings: FitSettings,
    advice: tuple[str, ...],
    fitted_on: Mapping[str, Any],
) -> Profile:
    names = tuple(tier.name for tier in settings.tiers)
    rules = setting_rules(setting, len(names), signals=basis.bought, scores=basis.compared)
    entry = setting_entry(setting, names, basis.tier_costs, seed=settings.seed)
    uses_prior = setting.trade is not None and setting.share > 0.0
    uses_prior |= way is not None and way.kind in ("prior", "prior and gate")
    return Profile(
        tiers=settings.tiers,
        rungs=fitted_rungs(rules, basis.calibrators, len(names)),
        estimators=settings.estimators,
        prices={"error": settings.prices.error, "abstain": settings.prices.abstain},
        advice=advice,
        fitted_on=fitted_on,
        entry=entry,
        tie_seed=settings.seed,
        prior=basis.prior.prior if uses_prior and basis.prior is not None else None,
        way=way,
    )
