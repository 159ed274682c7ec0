"""From logged traffic to a status: what revokes, what is merely said, and what is read once."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest

from surefoot.policies.monitor import MonitorSettings, monitor_key, run_monitor
from surefoot.policies.monitor_evidence import MonitorEvidence, Promise, RungScores
from surefoot.policies.monitor_report import MonitorReport
from surefoot.policies.monitor_state import MonitorState
from surefoot.policies.outcomes import Outcome, OutcomeTable
from surefoot.router.errors import UsageError
from surefoot.router.risk.e_process import EProcess
from surefoot.router.wire import decode_json, encode, encode_json

from .traffic import BEGIN, DAY_S, calibration, gated, log, promise, traffic
from .worlds import outcome, shuffled, table_of

NOW = BEGIN + 5 * DAY_S


def watched(
    table: OutcomeTable,
    state: MonitorState | None = None,
    *,
    told: Promise | None = None,
    rungs: tuple[RungScores, ...] = (),
    now: float = NOW,
    **settings: Any,
) -> tuple[MonitorState, MonitorReport]:
    return run_monitor(
        table, told or promise(), rungs, state, now, settings=MonitorSettings(**settings)
    )


def evidence(state: MonitorState) -> MonitorEvidence:
    assert state.evidence is not None
    return state.evidence


def test_healthy_traffic_stays_valid() -> None:
    state, report = watched(log(traffic(4000, 0.07)), rungs=(calibration(),))
    assert report.status == state.status == "valid"
    assert report.reaction.vouches
    assert report.counts.gated == 4000
    assert report.risk.labels == report.counts.labelled == report.counts.drawn
    assert report.audit_share == report.counts.labelled / 4000 == pytest.approx(0.2, abs=0.03)
    assert report.risk.estimate == pytest.approx(0.07, abs=0.03)
    assert report.risk.lower <= 0.07
    assert report.outstanding == 0
    (drift,) = report.drift
    assert (drift.tier, drift.signal, drift.attempts, drift.alarm) == (0, "s", 4000, None)


def test_a_risk_above_the_promise_revokes() -> None:
    healthy, worse = traffic(2000, 0.07), traffic(2000, 0.3, first=2000)
    state, report = watched(log(healthy, worse))
    assert state.status == report.status == "revoked"
    assert not report.reaction.gates and report.reaction.refits
    alarm = report.risk.e_alarm
    assert alarm is not None and 350 < alarm < 560
    (taken, step) = state.transitions
    assert (taken.kind, step.kind, step.at) == ("new_certificate", "risk_alarm", NOW)
    assert str(alarm) in step.reason and "selective" in step.reason
    assert report.words[0].startswith("revoked:")


def test_what_was_revoked_stays_revoked() -> None:
    bad = log(traffic(2000, 0.4))
    revoked, _ = watched(bad)
    later, report = watched(log(traffic(3000, 0.0, first=2000)), revoked)
    assert later.status == "revoked"
    assert report.counts.gated == 5000


def test_the_alarm_is_that_of_the_bets_on_the_labels_in_time_order() -> None:
    losses = [float(n % 4 == 0) for n in range(300)]
    rows = [gated(n, loss=loss, audited=True, propensity=1.0) for n, loss in enumerate(losses)]
    state, report = watched(shuffled(table_of(rows), 3))
    told = MonitorEvidence.begin(promise()).process.after([loss - 0.1 for loss in losses])
    assert evidence(state).process == told
    assert report.risk.e_value == pytest.approx(math.exp(told.log_e))
    assert report.risk.e_alarm == told.alarm is not None


def test_the_order_of_rows_does_not_matter() -> None:
    table = log(traffic(800, 0.15, arrive=0.8))
    rungs = (calibration(),)
    assert watched(table, rungs=rungs) == watched(shuffled(table, 7), rungs=rungs)


def test_a_log_read_twice_changes_nothing() -> None:
    table = log(traffic(1500, 0.15, arrive=0.7))
    rungs = (calibration(),)
    first, _ = watched(table, rungs=rungs)
    again, report = watched(table, first, rungs=rungs)
    assert replace(evidence(again), skipped=0) == evidence(first)
    assert report.skipped == 1500
    assert again.status == first.status


def test_a_log_that_grows_is_read_on() -> None:
    parts = [list(traffic(500, 0.12, first=first)) for first in (0, 500, 1000)]
    whole, _ = watched(log(*map(iter, parts)))
    state = None
    for number in range(3):
        state, _ = watched(log(*map(iter, parts[: number + 1])), state)
    assert state is not None
    assert evidence(state).process == evidence(whole).process
    assert evidence(state).counts == evidence(whole).counts


def test_a_state_that_was_stored_goes_on() -> None:
    rungs = (calibration(),)
    first, _ = watched(log(traffic(500, 0.1, arrive=0.5)), rungs=rungs)
    stored = decode_json(MonitorState, encode_json(first))
    assert stored == first
    more = log(traffic(400, 0.1, first=500))
    assert watched(more, stored, rungs=rungs) == watched(more, first, rungs=rungs)
    assert len(encode_json(first)) < 30_000


def unequal_draws(n: int) -> list[Outcome]:
    """A tenth of all answers is wrong; of those drawn for an audit, three in ten."""
    rng = random.Random(5)
    rows = []
    for number in range(n):
        wrong, pi = (0.4, 0.5) if rng.random() < 0.2 else (0.02, 0.05)
        loss, drawn = float(rng.random() < wrong), rng.random() < pi
        rows.append(gated(number, loss=loss if drawn else None, audited=drawn, propensity=pi))
    return rows


def test_drawing_unsure_answers_more_often_does_not_break_the_promise() -> None:
    rows = unequal_draws(8000)
    _, report = watched(table_of(rows), told=promise(alpha=0.15))
    assert report.risk.e_alarm is None and report.risk.detector_alarm is None
    assert report.risk.estimate == pytest.approx(0.096, abs=0.03)
    losses = [row.loss for row in rows if row.loss is not None]
    unweighted = EProcess(0.15).after([loss - 0.15 for loss in losses])
    assert unweighted.alarm is not None


def test_the_least_propensity_is_stated_before_it_is_drawn_with() -> None:
    first, _ = watched(log(traffic(200, 0.1, propensity=0.2)))
    lower = log(traffic(200, 0.1, first=200, propensity=0.05))
    with pytest.raises(UsageError, match="state the least propensity"):
        watched(lower, first)
    state, _ = watched(lower, first, least_propensity=0.05)
    assert evidence(state).least == 0.05


def test_an_audit_of_what_is_not_promised_does_not_weaken_the_bets() -> None:
    promised = [*traffic(300, 0.3)]
    rest = replace(promised[0], query_id="rest", tier=1, loss=None)
    rest = replace(rest, extra={**rest.extra, "gated": False, "audited": False, "propensity": 0.01})
    state, report = watched(table_of([*promised, rest]))
    assert evidence(state).least == 0.2
    assert report.risk.e_alarm is not None
    whole, _ = watched(table_of([*promised, rest]), told=promise(kind="system"))
    assert evidence(whole).least == 0.01


def test_a_log_without_audits_does_not_fix_the_least_propensity() -> None:
    first, _ = watched(log(traffic(50, 0.1, propensity=0.0)))
    state, report = watched(log(traffic(300, 0.1, first=50)), first)
    assert evidence(state).least == 0.2
    assert report.risk.labels == report.counts.labelled > 30


def joint_rows(n: int, wrong: float) -> list[Outcome]:
    """Half of all requests are answered by the gate, the rest is handed over or abstained on."""
    rng = random.Random(11)
    rows = []
    for number in range(n):
        ts = BEGIN + number
        if number % 2:
            loss, drawn = float(rng.random() < wrong), rng.random() < 0.3
            label = loss if drawn else None
            rows.append(gated(number, loss=label, audited=drawn, propensity=0.3, ts=ts))
        elif number % 4:
            rows.append(outcome(f"h{number}", 1, loss=None, served=True, gated=False, ts=ts))
        else:
            rows.append(outcome(f"a{number}", loss=None, served=False, action="abstain", ts=ts))
    return rows


def test_a_joint_promise_counts_all_requests() -> None:
    table = table_of(joint_rows(6000, 0.16))
    _, joint = watched(table, told=promise(kind="joint"))
    assert joint.risk.e_alarm is None
    assert joint.risk.estimate == pytest.approx(0.08, abs=0.02)
    assert joint.risk.labels == joint.counts.labelled + 3000
    _, selective = watched(table)
    assert selective.risk.e_alarm is not None
    assert selective.risk.estimate == pytest.approx(0.16, abs=0.03)
    _, worse = watched(table_of(joint_rows(6000, 0.5)), told=promise(kind="joint"))
    assert worse.status == "revoked"


def test_a_system_promise_counts_what_is_served_and_the_price_of_an_abstention() -> None:
    rows = [
        gated(0, loss=1.0, audited=True, propensity=1.0),
        gated(1, loss=0.0, audited=True, propensity=1.0, gated=False),
        outcome("a", loss=None, served=False, action="abstain", ts=BEGIN + 500),
        outcome("open", loss=None, ts=BEGIN + 501),
    ]
    told = promise(kind="system", abstention_loss=0.25)
    state, report = watched(table_of(rows), told=told)
    assert report.risk.labels == 3
    assert report.risk.estimate == pytest.approx(1.25 / 3)
    assert report.counts.ungated == report.counts.abstained == 1
    assert watched(table_of(rows), state, told=told)[1].risk.labels == 3


def test_a_late_label_of_a_request_that_was_counted_is_counted_once() -> None:
    asked = [outcome("h", 1, loss=None, served=True, gated=False, audited=True, propensity=0.5)]
    came = [replace(asked[0], loss=1.0)]
    joint, _ = watched(table_of(asked), told=promise(kind="joint"))
    assert evidence(joint).process.steps == 1
    assert evidence(
        watched(table_of(came), joint, told=promise(kind="joint"))[0]
    ).counts == replace(evidence(joint).counts, labelled=1)
    system, _ = watched(table_of(asked), told=promise(kind="system"))
    assert evidence(system).process.steps == 0
    assert (
        evidence(watched(table_of(came), system, told=promise(kind="system"))[0]).process.steps == 1
    )


def test_a_drift_of_scores_is_said_and_revokes_nothing() -> None:
    table = log(traffic(600, 0.05), traffic(800, 0.05, first=600, shift=0.2))
    state, report = watched(table, rungs=(calibration(),))
    assert state.status == "unverified"
    assert report.reaction.gates and report.reaction.raises_audits and not report.reaction.vouches
    (drift,) = report.drift
    assert drift.alarm is not None and 600 < drift.alarm < 800
    assert drift.largest_gap > 0.1
    median = drift.shifts[2]
    assert median.live_share < 0.45 and median.live_score > median.score
    assert "s of tier 0 has drifted" in state.transitions[-1].reason


def test_each_rung_is_watched_on_its_own() -> None:
    rows = [*traffic(300, 0.1), *(replace(row, tier=1) for row in traffic(300, 0.1, first=300))]
    second = replace(calibration(), tier=1)
    seen = replace(calibration(), retrieved=True)
    _, report = watched(table_of(rows), rungs=(calibration(), second, seen))
    assert [one.attempts for one in report.drift] == [300, 300, 0]
    assert evidence(watched(table_of(rows), rungs=(second,))[0]).drift[0].level == 0.01


@pytest.mark.parametrize(("days", "status"), [(89, "valid"), (91, "stale")])
def test_a_certificate_grows_stale(days: float, status: str) -> None:
    state, _ = watched(log(traffic(300, 0.05)), now=BEGIN + days * DAY_S)
    assert state.status == status
    if status == "stale":
        assert "91 days old, 90" in state.transitions[-1].reason


@pytest.mark.parametrize(
    ("table", "now", "words"),
    [
        (log(traffic(2000, 0.05, propensity=0.0)), NOW, "2000 gated answers since"),
        (
            log(
                replace(row, extra={**row.extra, "audited": False}, loss=None)
                for row in traffic(500, 0.05)
            ),
            NOW,
            "0 draws where the propensities add up to 100",
        ),
        (log(traffic(1000, 0.05, arrive=0.2)), BEGIN + 60 * DAY_S, "labels have not come"),
    ],
)
def test_too_few_audits(table: OutcomeTable, now: float, words: str) -> None:
    state, report = watched(table, now=now)
    assert state.status == "stale"
    assert words in state.transitions[-1].reason
    assert report.reaction.raises_audits


def test_labels_may_take_their_time() -> None:
    state, report = watched(log(traffic(1000, 0.05, arrive=0.2)))
    assert state.status == "valid"
    assert report.outstanding == report.counts.drawn - report.counts.labelled > 100


def test_the_detector_may_be_the_one_that_revokes() -> None:
    table = log(traffic(3000, 0.25))
    state, report = watched(table, method="e_detector", between=500.0)
    assert state.status == "revoked"
    assert report.risk.detector_alarm is not None
    assert "500 labels apart on average" in report.risk.promise
    assert "ever raising an alarm" in watched(table)[1].risk.promise
    calm, report = watched(log(traffic(9000, 0.1)), method="e_process", between=10.0)
    assert report.risk.detector_alarm is not None and calm.status == "valid"


def test_worse_than_at_calibration_revokes_where_it_is_asked_for() -> None:
    table = log(traffic(8000, 0.09))
    assert watched(table)[0].status == "valid"
    state, report = watched(table, told=promise(source_upper=0.03))
    assert state.status == "revoked"
    assert report.risk.source_alarm is not None and report.risk.e_alarm is None
    assert "0.03" in state.transitions[-1].reason
    assert "at most 0.025 more" in report.risk.promise
    assert watched(table, told=promise(source_upper=0.1))[0].status == "valid"


def test_a_new_certificate_begins_anew_and_goes_on_in_the_log() -> None:
    old = list(traffic(1500, 0.4))
    revoked, _ = watched(log(iter(old)))
    renewed = promise(certificate="c2", certified_at=BEGIN + DAY_S, alpha=0.15)
    both = log(iter(old), traffic(700, 0.05, first=1500))
    state, report = watched(both, revoked, told=renewed)
    assert (state.status, state.certificate) == ("valid", "c2")
    assert report.counts.gated == 700 and report.skipped == 1500
    assert [step.kind for step in state.transitions] == [
        "new_certificate",
        "risk_alarm",
        "new_certificate",
    ]


def test_an_older_certificate_does_not_come_back() -> None:
    state, _ = watched(log(traffic(1500, 0.4)))
    with pytest.raises(UsageError, match="older than c1, which is revoked"):
        watched(log(traffic(9, 0.1)), state, told=promise(certificate="c0", certified_at=1.0))


def test_alpha_is_not_widened_under_one_certificate() -> None:
    state, _ = watched(log(traffic(100, 0.1)))
    with pytest.raises(UsageError, match="certify anew"):
        watched(log(traffic(9, 0.1)), state, told=promise(alpha=0.2))


def test_other_calibration_scores_than_at_the_beginning_are_refused() -> None:
    state, _ = watched(log(traffic(100, 0.1)), rungs=(calibration(),))
    with pytest.raises(UsageError, match="calibration scores differ"):
        watched(log(traffic(100, 0.1)), state, rungs=(calibration(500),))


def test_a_table_that_says_nothing_of_serving_is_said_to() -> None:
    _, report = watched(table_of([outcome("q", loss=1.0), outcome("r", loss=0.0)]))
    assert report.risk.labels == 0 and report.counts.requests == 2
    assert any("no row says that a gate let it through" in words for words in report.words)


def test_what_is_not_used_is_counted() -> None:
    rows = [gated(1, loss=1.0, audited=False), gated(2, propensity=None, loss=None)]
    _, report = watched(table_of(rows))
    assert (report.counts.volunteered, report.counts.uncovered) == (1, 1)
    assert any("1 labels that no draw asked for" in words for words in report.words)
    assert any("no label speaks for them" in words for words in report.words)


def test_a_report_is_plain_data() -> None:
    _, report = watched(log(traffic(300, 0.1)), rungs=(calibration(),))
    data = encode(report)
    assert data["status"] == "valid" and data["drift"][0]["signal"] == "s"
    assert decode_json(MonitorReport, encode_json(report)) == report


def test_the_key_tells_replicas_apart_that_run_something_else() -> None:
    assert monitor_key("p") == "p"
    assert monitor_key("p", "r") != monitor_key("p", "s")
    state, report = run_monitor(log(traffic(9, 0.1)), promise(), (), None, NOW, key="p:r")
    assert state.key == report.key == "p:r"
