"""What a replay has to tell, as the content of its report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..router.decisions import Rung
from ..router.metrics import risk_coverage
from ..router.signals import Unavailable
from .certificates import Certificate
from .outcomes import OutcomeTable
from .policy_curve import CURVE_NUMBERS, PolicyCurve
from .profile import Profile
from .replay import ReplayReport, Served
from .replay_bootstrap import ReplayDifference
from .report_content import (
    ABSTAINED,
    ANSWERED,
    UNGATED,
    Advice,
    CertificateText,
    CertifiedPoint,
    Comparison,
    CostQuality,
    Measure,
    NamedPoint,
    Provenance,
    ReportContent,
    RiskCoverage,
    TargetRow,
    Traffic,
    Unit,
)
from .report_counts import traffic_of
from .report_estimates import estimates_of

__all__ = ["Against", "Replayed", "replay_content"]

_MOST_POINTS = 400  # of the risk-coverage curve
_VERDICT = re.compile(r"(.+?)[:.] (.+)", re.DOTALL)
_UNITS: Mapping[str, Unit] = {
    "cost": "cost",
    "latency_s": "seconds",
    **dict.fromkeys(CURVE_NUMBERS, "number"),
}
_MEASURES = (
    ("quality", "quality", "right and served, of all requests"),
    ("cost", "cost per question", "drafts and bought signals, in the table's currency"),
    ("gated_share", "let through by a gate", "of all requests"),
    ("selective_risk", "selective risk", "loss among answers that a gate let through"),
    ("joint_risk", "joint risk", "let through by a gate and wrong, of all requests"),
    ("system_risk", "system risk", "loss of whatever was served, of all requests"),
    ("abstained_share", "abstained", "of all requests"),
    ("deferred_share", "asked a larger tier", "of all requests"),
    ("latency_s", "latency per question", "as recorded"),
)
_CURVE_MEASURES = (
    ("nauc", "nAUC", "area under quality over cost at all settings; a random mix has 0.5"),
    ("apgr", "APGR", "area under quality over the share deferred; random order has 0.5"),
    ("aiq", "AIQ", "mean quality over cost, on the hull of all settings"),
    ("ibc_lift", "IBC lift", "quality gained per cost, above always-large's; 0 is no better"),
)


@dataclass(frozen=True, slots=True)
class Against:
    """Another replay of the same questions, by the numbers of both."""

    name: str
    differences: Mapping[str, ReplayDifference]


@dataclass(frozen=True, slots=True)
class Replayed:
    """A replay with everything that its report tells.

    Attributes:
        promise: of the certificate, in a sentence; None without one.
        facts: what it was computed on, as names and values.
        command: that prints the same numbers.
    """

    table: OutcomeTable
    profile: Profile
    served: Sequence[Served]
    report: ReplayReport
    curve: PolicyCurve
    promise: str | None = None
    against: Against | None = None
    facts: tuple[tuple[str, str], ...] = ()
    command: str = ""


def replay_content(replayed: Replayed) -> ReportContent:
    """The report of a replay; parts that the replay knows nothing of are left out."""
    report, profile, against = replayed.report, replayed.profile, replayed.against
    names = _distinct(profile.names)
    reliability, estimates = estimates_of(replayed.table, profile, names)
    return ReportContent(
        title="Replay of a routing policy",
        questions=report.n,
        subtitle=f"{' · '.join(names)}; profile {profile.fingerprint[:12]}",
        headline=(*_measures(report), *_curve_measures(replayed.curve)),
        certificate=_certificate(profile.certificate, replayed.promise),
        targets=_targets(profile.certificate, report),
        cost_quality=_cost_quality(report, replayed.curve),
        risk_coverage=_risk_coverage(replayed.served, report, profile.certificate),
        reliability=reliability,
        estimates=estimates,
        traffic=_traffic(replayed.served, names),
        compared_with="" if against is None else against.name,
        comparison=() if against is None else _comparison(against),
        advice=tuple(_advice(line) for line in profile.advice),
        provenance=Provenance(
            (*replayed.facts, ("profile fingerprint", profile.fingerprint)), replayed.command
        ),
    )


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) == len(names):
        return names
    return tuple(f"{name} ({tier})" for tier, name in enumerate(names))


def _measures(report: ReplayReport) -> list[Measure]:
    return [
        Measure(
            name, getattr(report, key), report.intervals.get(key), _UNITS.get(key, "share"), why
        )
        for key, name, why in _MEASURES
    ]


def _curve_measures(curve: PolicyCurve) -> list[Measure]:
    found = []
    for key, name, note in _CURVE_MEASURES:
        number = curve.numbers[key]
        if isinstance(number, Unavailable):
            found.append(Measure(name, None, None, "number", number.reason))
        else:
            found.append(Measure(name, number.value, number.interval, "number", note))
    return found


def _certificate(certificate: Certificate | None, promise: str | None) -> CertificateText | None:
    if certificate is None:
        return None
    target, tested = certificate.target, certificate.tested
    details = (
        ("kind", target.kind),
        ("alpha", f"{target.alpha:g}"),
        ("delta", f"{target.delta:g}"),
        ("loss", target.loss),
        ("tested on", f"{certificate.n} questions, {certificate.n_accepted} gated answers"),
        ("risk when tested", f"{certificate.mean_loss:.4f}"),
        ("p-value", f"{certificate.p_value:.4g} ({tested.method})"),
        ("procedure", tested.procedure),
        ("thresholds from", tested.grid_source),
        ("grid", tested.grid[:16]),
        ("certificate", certificate.id),
        ("date", certificate.date or "not recorded"),
    )
    return CertificateText(True, promise or f"{target.kind} risk <= {target.alpha:g}", details)


def _targets(certificate: Certificate | None, report: ReplayReport) -> tuple[TargetRow, ...]:
    """The risk that was promised beside the one of these questions."""
    if certificate is None:
        return ()
    target = certificate.target
    key = f"{target.kind}_risk"
    achieved: float | None = getattr(report, key)
    interval = report.intervals.get(key)
    met = None
    if interval is not None:
        met = True if interval[1] <= target.alpha else False if interval[0] > target.alpha else None
    return (TargetRow(f"{target.kind} risk at most", target.alpha, achieved, interval, met),)


def _cost_quality(report: ReplayReport, curve: PolicyCurve) -> CostQuality:
    return CostQuality(
        NamedPoint("this policy", report.cost, report.quality),
        report.intervals.get("cost"),
        report.intervals.get("quality"),
        tuple(NamedPoint(name, one.cost, one.quality) for name, one in report.baselines.items()),
        tuple(sorted(curve.points)),
    )


def _risk_coverage(
    served: Sequence[Served], report: ReplayReport, certificate: Certificate | None
) -> RiskCoverage:
    known = [
        (one.best_p, one.best_loss)
        for one in served
        if one.best_p is not None and one.best_loss is not None
    ]
    curve = risk_coverage([p for p, _ in known], [loss for _, loss in known])
    # Coverage is of all questions, and those without an estimate are never covered.
    share = len(known) / len(served)
    step = 1 + len(curve) // _MOST_POINTS
    # Another risk's certificate vouches for nothing on this axis.
    is_selective = certificate is not None and certificate.target.kind == "selective"
    point = None
    if report.selective_risk is not None:
        point = CertifiedPoint(
            report.gated_share,
            report.selective_risk,
            report.intervals.get("selective_risk"),
            is_selective,
        )
    return RiskCoverage(
        tuple((share * coverage, risk) for coverage, risk in curve[step - 1 :: step]),
        point,
        certificate.target.alpha if certificate is not None and is_selective else None,
    )


def _traffic(served: Sequence[Served], names: tuple[str, ...]) -> Traffic:
    rungs = sorted({rung for one in served for rung in one.visited})
    words = {rung: _rung_words(rung, names) for rung in rungs}
    return traffic_of(
        [words[rung] for rung in rungs],
        (([words[rung] for rung in one.visited], _ending(one)) for one in served),
    )


def _rung_words(rung: Rung, names: tuple[str, ...]) -> str:
    name = names[rung.tier]
    return name if not rung.retrieved else f"{name} + search {rung.round}"


def _ending(one: Served) -> str:
    if one.rung is None:
        return ABSTAINED
    return ANSWERED if one.gated else UNGATED


def _comparison(against: Against) -> tuple[Comparison, ...]:
    return tuple(
        Comparison(
            key.removesuffix("_s").replace("_", " "),
            one.first,
            one.second,
            one.interval,
            one.share_above,
            _UNITS.get(key, "share"),
        )
        for key, one in against.differences.items()
    )


def _advice(line: str) -> Advice:
    """The verdict ends at the first colon or full stop, whichever comes first."""
    found = _VERDICT.match(line)
    return Advice("advice", line) if found is None else Advice(found[1], found[2])
