"""Watching a promise: from logged traffic to a status, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ..router.errors import UsageError
from .monitor_evidence import MonitorEvidence, Promise, RungScores, is_judged
from .monitor_feed import LoggedRequest, logged_requests
from .monitor_report import MonitorReport, RiskMethod, report_on
from .monitor_state import MonitorEvent, MonitorState, moved
from .outcomes import OutcomeTable

__all__ = ["MonitorSettings", "monitor_key", "run_monitor"]

_DAY_S = 86_400.0
_ENOUGH = 50  # draws or labels due before their share is judged


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """How to watch.

    Attributes:
        method: whose alarm revokes; the other is reported all the same.
        between: labels from one false alarm of the e-detector to the next, on average at least.
        drift_level: probability of ever raising a false drift alarm, over all rungs.
        least_propensity: lower bound of all audit propensities, as the audit is designed. None
            takes the least in the first log that is read. Stated later, it holds from then on.
        policy_id: watch only what this policy served; None watches everything in the log.
        most_undrawn: gated answers without any draw, after which audits are too few.
        least_share: share of what is due below which audits are too few: of the draws that the
            logged propensities add up to, and of the labels of draws that long ago.
        patience_s: how long a label may take.
        seed: of the draws among equal scores.
    """

    method: RiskMethod = "e_process"
    between: float = 10_000.0
    drift_level: float = 0.01
    least_propensity: float | None = None
    policy_id: str | None = None
    most_undrawn: int = 2_000
    least_share: float = 0.5
    patience_s: float = 14.0 * 86_400.0
    seed: int = 0


def monitor_key(profile: str, running: str = "") -> str:
    """The key of a state: fingerprints of the profile, and of what runs it.

    With the second, a replica that is configured wrongly invalidates only itself.
    """
    return f"{profile}:{running}" if running else profile


def run_monitor(
    table: OutcomeTable,
    promise: Promise,
    rungs: Sequence[RungScores],
    state: MonitorState | None,
    now: float,
    *,
    key: str = "",
    settings: MonitorSettings | None = None,
) -> tuple[MonitorState, MonitorReport]:
    """Read what is new in a log, and bring the state up to date.

    Pure: keep the state with `update_state`, which calls this again on a newer one where another
    process was faster. Reading a log twice changes nothing.

    Args:
        rungs: calibration scores of the rungs to watch for drift; none watches labels alone.
        state: of the run before; None begins.
        now: seconds since the epoch.
        key: of a state that begins; the certificate's id where it is not given.

    Raises:
        UsageError: a logged field that cannot be, a propensity below the least, other calibration
            scores than before, an older certificate than the state is about, or one from the
            labels of a certificate that is revoked.
    """
    told = settings or MonitorSettings()
    state = _under(promise, state or MonitorState(key or promise.certificate), now)
    requests = logged_requests(table, told.policy_id)
    evidence = _begun(state, promise, rungs, requests, told).after(requests, rungs, told.seed)
    state = replace(state, evidence=evidence)
    for event in _events(evidence, promise, rungs, told, now):
        state, _ = moved(state, event)
    return state, report_on(state, evidence, rungs, told.method)


def _under(promise: Promise, state: MonitorState, now: float) -> MonitorState:
    """The state under the certificate that is in force."""
    known = None if state.evidence is None else state.evidence.promise
    if state.certificate == promise.certificate:
        same = known is not None and known.certificate == promise.certificate
        if known and same and (known.alpha, known.kind) != (promise.alpha, promise.kind):
            raise UsageError(
                f"certificate {promise.certificate} promised a {known.kind} risk of "
                f"{known.alpha:g}, and now {promise.kind} {promise.alpha:g}; certify anew"
            )
        return state
    if known and promise.certified_at < known.certified_at:
        raise UsageError(
            f"certificate {promise.certificate} is older than {state.certificate}, which is "
            f"{state.status}; an older one does not replace it: certify anew, or use another key"
        )
    is_revoked = state.status in ("revoked", "not_certified")
    if known and is_revoked and promise.tested_on and promise.tested_on == known.tested_on:
        raise UsageError(
            f"certificate {promise.certificate} was tested on the labels of {state.certificate}, "
            f"which is {state.status}: what these labels say was refuted; certify anew on labels "
            "from after the alarm"
        )
    words = f"certificate {promise.certificate}: {promise.kind} risk at most {promise.alpha:g}"
    return moved(state, MonitorEvent("new_certificate", now, words, promise.certificate))[0]


def _begun(
    state: MonitorState,
    promise: Promise,
    rungs: Sequence[RungScores],
    requests: Sequence[LoggedRequest],
    told: MonitorSettings,
) -> MonitorEvidence:
    """The evidence so far, with the least propensity that holds for what is to be read."""
    evidence, least = state.evidence, told.least_propensity
    is_current = evidence is not None and evidence.promise.certificate == state.certificate
    if evidence is not None and is_current and evidence.process.steps:
        return evidence if least is None else replace(evidence, least=least)
    if least is None:  # from the draws' design alone: no label is looked at
        judged = (r.propensity for r in requests if is_judged(r, promise))
        least = min((one for one in judged if one), default=1.0)
    fresh = MonitorEvidence.begin(
        promise, rungs, least=least, between=told.between, drift_level=told.drift_level
    )
    if evidence is None:
        return fresh
    if is_current:
        return replace(evidence, least=least, process=fresh.process)
    # What was read under the certificate before stays read, and its labels are not waited for.
    return replace(fresh, progress=replace(evidence.progress, pending=()))


def _events(
    evidence: MonitorEvidence,
    promise: Promise,
    rungs: Sequence[RungScores],
    told: MonitorSettings,
    now: float,
) -> Iterator[MonitorEvent]:
    """Whatever bears on the promise, the gravest last."""
    for drift, rung in zip(evidence.drift, rungs, strict=True):
        if drift.alarm is not None:
            words = f"{rung.signal} of tier {rung.tier} has drifted, seen at attempt {drift.alarm}"
            yield MonitorEvent("drift_alarm", now, words)
    age_s = now - promise.certified_at
    if age_s > promise.max_age_s:
        words = f"the certificate is {age_s / _DAY_S:.0f} days old, {promise.max_age_s / _DAY_S:g}"
        yield MonitorEvent("certificate_too_old", now, f"{words} are allowed")
    few = _too_few(evidence, told, now)
    if few is not None:
        yield MonitorEvent("too_few_audits", now, few)
    risk = _risk_alarm(evidence, told)
    if risk is not None:
        yield MonitorEvent("risk_alarm", now, risk)


def _too_few(evidence: MonitorEvidence, told: MonitorSettings, now: float) -> str | None:
    counts = evidence.counts
    overdue = evidence.progress.overdue(now - told.patience_s)
    due = counts.labelled + overdue
    if counts.undrawn_run >= told.most_undrawn:
        return f"{counts.undrawn_run} gated answers since the last one was drawn for an audit"
    if counts.expected >= _ENOUGH and counts.drawn < told.least_share * counts.expected:
        return f"{counts.drawn} draws where the propensities add up to {counts.expected:.0f}"
    if due >= _ENOUGH and counts.labelled < told.least_share * due:
        return f"{overdue} of {due} labels have not come in {told.patience_s / _DAY_S:g} days"
    return None


def _risk_alarm(evidence: MonitorEvidence, told: MonitorSettings) -> str | None:
    process, detector, promise = evidence.process, evidence.detector, evidence.promise
    alarm = process.alarm if told.method == "e_process" else detector.alarm
    if alarm is not None:
        return f"the {promise.kind} risk is above {promise.alpha:g}, seen at label {alarm}"
    source = evidence.source
    if promise.source_upper is not None and source.alarm is not None:
        return (
            f"the {promise.kind} risk is above the {promise.source_upper:.3g} that it was below at "
            f"calibration, seen at label {source.alarm}"
        )
    return None
