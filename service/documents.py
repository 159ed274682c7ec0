"""Results as the JSON documents that other tools rely on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..policies.certificates import NotCertified
from ..policies.curve_bootstrap import CurveNumber
from ..policies.fit_certified import CertifiedFit
from ..policies.fit_target import TargetFit
from ..policies.policy_curve import CURVE_NUMBERS, PolicyCurve
from ..policies.profile import Profile
from ..policies.replay import ReplayReport
from ..policies.report_of_replay import Against
from ..router.decisions import Attempt, Result, TrailStep
from ..router.offers import Judgement
from ..router.signals import Estimate, Reading, Signal, Unavailable
from ..router.wire import encode

__all__ = [
    "ask_document",
    "certified_document",
    "fit_document",
    "judgement_document",
    "replay_document",
    "target_document",
    "trail_document",
]

_SCHEMA = 1


def ask_document(result: Result, names: tuple[str, ...]) -> dict[str, Any]:
    """The document of `ask --json`; tiers by number, with their names beside them."""
    return {
        "schema": _SCHEMA,
        "action": result.action.value,
        "answer": result.answer,
        "confidence": result.confidence,
        "reason": result.reason,
        "tier": result.tier,
        "tier_name": None if result.tier is None else names[result.tier],
        "model": result.model,
        "rounds": result.rounds,
        "cost": result.cost,
        "latency_s": round(result.latency_s, 4),
        "calls": result.calls,
        "tokens": result.tokens,
        "certificate": result.certificate,
        "recognized": result.recognized,
        "degraded": list(result.degraded),
        "run_id": result.run_id,
        "best": None if result.best is None else _attempt(result.best),
        "passages": [{"id": p.id, "title": p.title, "score": p.score} for p in result.passages],
        "trail": trail_document(result),
    }


def trail_document(result: Result | Judgement) -> list[dict[str, Any]]:
    """Every step of a run, in order; drafts that were not served are quoted in it."""
    return [_step(step) for step in result.trail]


def judgement_document(judgement: Judgement, names: tuple[str, ...]) -> dict[str, Any]:
    """One line of `decide`, without the id of its record."""
    target = judgement.escalate_to
    (step,) = judgement.trail[-1:]
    told = _step(step)
    return {
        "action": judgement.action.value,
        "confidence": judgement.confidence,
        "reason": judgement.reason,
        "escalate_to": None if target is None else names[target],
        "gated": judgement.gated,
        "certificate": judgement.certificate,
        "signals": told["signals"],
        "estimate": _estimate(judgement.estimate),
        "compared": told["compared"],
        "alternatives": told["alternatives"],
        "degraded": list(judgement.degraded),
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "tier": attempt.tier,
        "round": attempt.round,
        "retrieved": attempt.retrieved,
        "answer": attempt.text,
        "estimate": _estimate(attempt.estimate),
    }


def _step(step: TrailStep) -> dict[str, Any]:
    return {
        "step": step.step,
        "request": step.request,
        "tier": step.tier,
        "outcome": step.outcome,
        "signals": {name: _reading(reading) for name, reading in step.signals.items()},
        "estimate": _estimate(step.estimate),
        "compared": [
            {"name": c.name, "value": c.value, "relation": c.relation, "bound": c.bound}
            for c in step.compared
        ],
        "alternatives": [
            {
                "action": other.action.value,
                "tier": other.tier,
                "cost": other.cost,
                "latency_s": other.latency_s,
                "why_not": other.why_not,
            }
            for other in step.alternatives
        ],
        "action": step.action,
        "reason": step.reason,
        "cost": step.cost,
        "elapsed_s": round(step.elapsed_s, 4),
    }


def _reading(reading: Reading) -> dict[str, Any]:
    if isinstance(reading, Signal):
        return {"value": reading.value, "raw": reading.raw, "direction": reading.direction}
    return {"unavailable": reading.reason}


def _estimate(estimate: Estimate | Unavailable | None) -> dict[str, Any] | None:
    if isinstance(estimate, Estimate):
        return {
            "p": estimate.p,
            "signal": estimate.signal,
            "calibrated": estimate.calibrated,
            "calibrator": estimate.calibrator,
            **({} if estimate.fallback is None else {"fallback": estimate.fallback}),
        }
    return None if estimate is None else {"unavailable": estimate.reason}


def fit_document(profile: Profile, report: ReplayReport) -> dict[str, Any]:
    """The document of `fit --json`. `on_the_fitted_rows` is in-sample and says so by its name."""
    return {
        "schema": _SCHEMA,
        "certified": False,
        "not_certified": {
            "needed_accepted_labels": None,
            "to_collect": None,
            "why": "fitted with --uncertified: no error rate was tested",
        },
        "targets": [],
        "advice": list(profile.advice),
        "fingerprint": profile.fingerprint,
        "prices": dict(profile.prices),
        "fitted_on": dict(profile.fitted_on),
        "on_the_fitted_rows": _scalars(report),
    }


def certified_document(fitted: CertifiedFit) -> dict[str, Any]:
    """The document of `fit --json` for a risk target."""
    outcome, profile = fitted.outcome, fitted.profile
    document: dict[str, Any] = {
        "schema": _SCHEMA,
        "certified": not isinstance(outcome, NotCertified),
    }
    if isinstance(outcome, NotCertified):
        document["not_certified"] = {
            "needed_accepted_labels": outcome.needed_accepted_labels,
            "to_collect": outcome.to_collect,
            "why": outcome.why,
            "others": [encode(other) for other in outcome.others],
            "curve": [encode(point) for point in outcome.curve],
        }
        achieved, interval = None, None
    else:
        certificate = outcome.certificate
        document["certificate"] = certificate.to_data()
        achieved, interval = certificate.mean_loss, [0.0, certificate.upper]
    target = (outcome if isinstance(outcome, NotCertified) else outcome.certificate).target
    report = {
        "kind": f"{target.kind}_risk",
        "target": target.alpha,
        "achieved": achieved,
        "interval": interval,
    }
    return {
        **document,
        "targets": [report],
        "advice": list(profile.advice),
        "fallback": fitted.fallback,
        "fingerprint": profile.fingerprint,
        "prices": dict(profile.prices),
        "fitted_on": dict(profile.fitted_on),
    }


def target_document(fitted: TargetFit) -> dict[str, Any]:
    """The document of `fit --json` for a quality, a share deferred or a budget."""
    profile = fitted.profile
    return {
        "schema": _SCHEMA,
        "certified": False,
        "not_certified": {
            "needed_accepted_labels": None,
            "to_collect": None,
            "why": "no risk was asked for: fit with --risk and --alpha to certify one",
        },
        "targets": [fitted.report.to_data()],
        "is_reached": fitted.is_reached,
        "considered": [{"way": way, "offers": words} for way, words in fitted.considered],
        "advice": list(profile.advice),
        "fingerprint": profile.fingerprint,
        "prices": dict(profile.prices),
        "fitted_on": dict(profile.fitted_on),
    }


def replay_document(
    report: ReplayReport, profile: Profile, curve: PolicyCurve, against: Against | None = None
) -> dict[str, Any]:
    """The document of `replay --json`.

    Numbers of the curve are null where they do not exist. With another profile, `against` has each
    number of both, the difference between them and its interval.
    """
    numbers = {
        name: number for name, number in curve.numbers.items() if isinstance(number, CurveNumber)
    }
    intervals = dict(report.intervals)
    intervals.update((n, one.interval) for n, one in numbers.items() if one.interval is not None)
    document = {
        "schema": _SCHEMA,
        **_scalars(report),
        **{name: numbers[name].value if name in numbers else None for name in CURVE_NUMBERS},
        "selective_accuracy_50": report.selective_accuracy_50,
        "accuracy_100": report.accuracy_100,
        "selective_gain": report.selective_gain,
        "served_from": [
            {"tier": r.tier, "round": r.round, "retrieved": r.retrieved, "share": share}
            for r, share in report.served_from.items()
        ],
        "intervals": {name: list(interval) for name, interval in intervals.items()},
        "baselines": {
            name: {"quality": b.quality, "cost": b.cost} for name, b in report.baselines.items()
        },
        "certificate": None if profile.certificate is None else profile.certificate.to_data(),
        "profile": profile.fingerprint,
    }
    if against is not None:
        document["against"] = _differences(against)
        document["against_profile"] = against.name
    return document


def _differences(against: Against) -> dict[str, Any]:
    return {
        name: {
            "first": one.first,
            "second": one.second,
            "difference": one.value,
            "interval": list(one.interval),
            "share_above": one.share_above,
        }
        for name, one in against.differences.items()
    }


def _scalars(report: ReplayReport) -> Mapping[str, Any]:
    return {
        "n": report.n,
        "gated_share": report.gated_share,
        "selective_risk": report.selective_risk,
        "joint_risk": report.joint_risk,
        "system_risk": report.system_risk,
        "abstained_share": report.abstained_share,
        "deferred_share": report.deferred_share,
        "quality": report.quality,
        "cost": report.cost,
        "latency_s": report.latency_s,
    }
