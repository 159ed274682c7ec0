"""What a monitor reports, in numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..router.risk.score_drift import QuantileShift, ScoreDrift
from .monitor_evidence import AuditCounts, MonitorEvidence, RungScores
from .monitor_state import MonitorState, MonitorStatus, Reaction, Transition

__all__ = ["DriftReport", "MonitorReport", "RiskMethod", "RiskReport", "report_on"]

_LARGEST_LOG = 700.0  # e^709 is the largest float

RiskMethod = Literal["e_process", "e_detector"]
"""`e_process` is never wrong with probability 1 - level; `e_detector` seldom is, on average."""


@dataclass(frozen=True, slots=True)
class RiskReport:
    """What audited labels say about the promised risk.

    Attributes:
        promise: the promise that the alarm itself makes, in words.
        labels: steps that the bets took.
        e_value: of the bets against "the risk is at most alpha"; an alarm comes at `alarm_from`.
        e_alarm: number of the label at the first alarm of the bets; None so far.
        detector: statistic of the e-detector; an alarm comes at `detector_from`.
        detector_alarm: number of the label at its first alarm; None so far.
        estimate: weighted mean loss; None without labels.
        lower: the risk is at least this, at any time, with probability 1 - level / 2.
        source_alarm: number of the label at which the risk was surely above that at calibration.
    """

    promise: str
    labels: int
    e_value: float
    alarm_from: float
    e_alarm: int | None
    detector: float
    detector_from: float
    detector_alarm: int | None
    estimate: float | None
    lower: float
    source_alarm: int | None


@dataclass(frozen=True, slots=True)
class DriftReport:
    """How the scores of one rung come now. Pairs are (at calibration, live)."""

    tier: int
    signal: str
    attempts: int
    e_value: float
    alarm: int | None
    missing_share: tuple[float, float | None]
    tie_share: tuple[float, float | None]
    largest_gap: float
    shifts: tuple[QuantileShift, ...]


@dataclass(frozen=True, slots=True)
class MonitorReport:
    """What is known about a promise now.

    Attributes:
        audit_share: labels over gated answers; None without any.
        outstanding: labels asked for that have not come. That they are missing at random is an
            assumption.
        skipped: requests of this log that were read before, or that are older than what was.
        transitions: everything that happened to the state.
        words: all of it for people, the status first.
    """

    key: str
    certificate: str | None
    kind: str
    alpha: float
    status: MonitorStatus
    since: float
    reaction: Reaction
    risk: RiskReport
    drift: tuple[DriftReport, ...]
    counts: AuditCounts
    audit_share: float | None
    outstanding: int
    skipped: int
    transitions: tuple[Transition, ...]
    words: tuple[str, ...]


def report_on(
    state: MonitorState,
    evidence: MonitorEvidence,
    rungs: Sequence[RungScores],
    method: RiskMethod,
) -> MonitorReport:
    """The report; `rungs` as the evidence was gathered with."""
    counts, promise = evidence.counts, evidence.promise
    risk = _risk_report(evidence, method)
    drift = tuple(map(_drift_report, evidence.drift, rungs))
    report = MonitorReport(
        state.key,
        state.certificate,
        promise.kind,
        promise.alpha,
        state.status,
        state.since,
        state.reaction,
        risk,
        drift,
        counts,
        counts.labelled / counts.gated if counts.gated else None,
        len(evidence.progress.pending) + evidence.progress.lost,
        evidence.skipped,
        state.transitions,
        (),
    )
    return replace(report, words=tuple(_words(report)))


def _risk_report(evidence: MonitorEvidence, method: RiskMethod) -> RiskReport:
    process, detector, source = evidence.process, evidence.detector, evidence.source
    return RiskReport(
        _alarm_promise(evidence, method),
        process.steps,
        math.exp(min(process.log_e, _LARGEST_LOG)),
        1.0 / process.level,
        process.alarm,
        detector.statistic,
        detector.between,
        detector.alarm,
        source.mean,
        source.lower,
        source.alarm if evidence.promise.source_upper is not None else None,
    )


def _alarm_promise(evidence: MonitorEvidence, method: RiskMethod) -> str:
    promise = evidence.promise
    if method == "e_detector":
        words = (
            "while the risk stays within the promise, false alarms are at least "
            f"{evidence.detector.between:,.0f} labels apart on average"
        )
    else:
        words = (
            "while the risk stays within the promise, the probability of ever raising an alarm is "
            f"at most {promise.level:g}"
        )
    if promise.source_upper is None:
        return words
    return (
        f"{words}; that of an alarm against calibration, while the risk is no higher than then, at "
        f"most {evidence.source.level:g} more than that of the bound at calibration being wrong"
    )


def _drift_report(drift: ScoreDrift, rung: RungScores) -> DriftReport:
    return DriftReport(
        rung.tier,
        rung.signal,
        drift.n,
        math.exp(min(drift.log_e, _LARGEST_LOG)),
        drift.alarm,
        drift.missing_share,
        drift.tie_share,
        drift.largest_gap,
        drift.shifts(),
    )


def _words(report: MonitorReport) -> Iterator[str]:
    counts, risk = report.counts, report.risk
    yield f"{report.status}: {report.reaction.words}"
    yield (
        f"{report.kind} risk, promised at most {report.alpha:g}: e-value {risk.e_value:.3g} after "
        f"{risk.labels} labels, an alarm comes at {risk.alarm_from:g}"
    )
    if risk.estimate is not None:
        yield f"estimated at {risk.estimate:.3f} from audited answers, at least {risk.lower:.3f}"
    yield f"what an alarm is worth: {risk.promise}"
    yield (
        f"{counts.gated} gated answers, {counts.drawn} answers drawn for an audit, "
        f"{counts.labelled} labels, {report.outstanding} outstanding: that these are missing at "
        "random is an assumption"
    )
    if counts.volunteered:
        yield f"{counts.volunteered} labels that no draw asked for are not used"
    if counts.uncovered:
        yield (
            f"{counts.uncovered} gated answers have no propensity above 0: no label speaks for them"
        )
    if not counts.gated:
        yield "no row says that a gate let it through: log `served` or `action`"
    for one in report.drift:
        yield _drift_words(one)


def _drift_words(one: DriftReport) -> str:
    seen = "no drift seen" if one.alarm is None else f"has drifted, seen at attempt {one.alarm}"
    return (
        f"{one.signal} of tier {one.tier}: {seen} in {one.attempts} attempts; largest gap to "
        f"calibration {one.largest_gap:.3f}, missing {_pair(one.missing_share)}, ties "
        f"{_pair(one.tie_share)}; says nothing about the risk itself"
    )


def _pair(shares: tuple[float, float | None]) -> str:
    then, now = shares
    return f"{then:.1%} then" + ("" if now is None else f" and {now:.1%} now")
