"""Candidates judged from logged traffic: every gap by hand, estimates against the whole truth."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from surefoot.policies.audit import AuditPlan, draw
from surefoot.policies.entry import FixedEntry, PriorEntry
from surefoot.policies.fit import default_prices, fit_uncertified
from surefoot.policies.off_policy_report import OffPolicyReport, judge_candidate, off_policy_report
from surefoot.policies.off_policy_runs import logged_audit, run_candidate
from surefoot.policies.outcomes import Outcome, OutcomeTable, read_outcomes
from surefoot.policies.profile import Profile
from surefoot.policies.recorded import Replayer
from surefoot.policies.replay import serve
from surefoot.policies.threshold import BuyBand, RungRule, ThresholdPolicy
from surefoot.router.decisions import Action, Rung
from surefoot.router.errors import UsageError
from surefoot.router.risk.targets import RiskTarget

from .worlds import outcome, settings_of, shuffled, sigmoid, stored, table_of

NAMES = ("small", "large")
TARGET = RiskTarget("selective", 0.2, 0.1)


def gate(threshold: float, *, hand_over: bool = True) -> ThresholdPolicy:
    """Small answers at the threshold; the rest goes to large unjudged, or is abstained on."""
    then = (Action.ESCALATE,) if hand_over else ()
    return ThresholdPolicy(
        (RungRule(0, threshold, then=then), RungRule(1, 0.0, then=(), gated=False)), NAMES
    )


def judge(
    rows: Iterable[Outcome], policy: ThresholdPolicy, target: RiskTarget = TARGET, **more: Any
) -> OffPolicyReport:
    table = table_of(rows)
    return judge_candidate(table, Replayer(table, policy.names, policy), target, **more)


def logged(query_id: str, s: float, loss: float | None, share: float | None = 0.5) -> list[Outcome]:
    """Served by `gate(.8)`: a small draft, and a large one where that was not sure enough."""
    answered = s >= 0.8
    small = outcome(
        query_id,
        loss=loss,
        signals={"s": s},
        audited=loss is not None,
        propensity=share,
        served=answered,
        action="answer" if answered else "escalate",
        policy_id="old",
    )
    large = outcome(
        query_id, 1, loss=None, cost=10.0, signals={"s": 0.5}, served=True, policy_id="old"
    )
    return [small] if answered else [small, large]


def five() -> list[Outcome]:
    told = [("a", 0.9, 0.0), ("b", 0.85, 1.0), ("c", 0.8, None), ("d", 0.7, 0.0), ("e", 0.1, None)]
    return [row for query, s, loss in told for row in logged(query, s, loss)]


# --- by hand -------------------------------------------------------------------------------------


def test_a_looser_gate_by_hand() -> None:
    report = judge(five(), gate(0.6))

    assert (report.n, report.covered, report.refused, dict(report.gaps)) == (5, 1.0, None, {})
    estimate = report.estimate
    assert estimate is not None and estimate.risk == pytest.approx(1 / 3)
    assert (estimate.n_accepted, estimate.n_labelled) == (4, 3)
    assert estimate.ess == pytest.approx(3.0)
    assert report.test is not None and report.test.method == "exact binomial"
    assert not report.certifies
    assert (report.answered, report.logged_answered) == (1.0, 1.0)
    assert report.cost == pytest.approx((4 * 1 + 11) / 5)
    assert report.logged_cost == pytest.approx((3 * 1 + 2 * 11) / 5)
    assert report.cost_difference == pytest.approx(-2.0)
    margin = 1.959964 * math.sqrt(20.0 / 5)  # differences: -10 once, else 0
    assert report.cost_interval == pytest.approx((-2 - margin, -2 + margin), rel=1e-5)
    assert report.policies == ("old",)


def test_a_loss_that_is_unknown_stops_nothing() -> None:
    """`serve` insists on the loss of what is served; here it is what the weights are for."""
    table = table_of(five())
    replayer = Replayer(table, NAMES, gate(0.6))
    with pytest.raises(UsageError, match="has no loss"):
        serve(table, replayer, "c")

    run = run_candidate(table, replayer, "c")
    assert run.gap is None and run.row is not None and run.row.loss is None


def test_a_stricter_gate_needs_drafts_that_were_not_made() -> None:
    report = judge(five(), gate(0.88))

    assert dict(report.gaps) == {"draft": 2}
    assert (report.estimate, report.test, report.certifies) == (None, None, False)
    assert report.refused is not None
    assert "2 of 5" in report.refused and "2 a draft that was not made" in report.refused
    assert report.covered == pytest.approx(0.6)
    assert report.cost == pytest.approx((1 + 11 + 11) / 3)
    assert report.logged_cost == report.cost


def test_a_stricter_gate_that_abstains_stands_on_what_is_there() -> None:
    report = judge(five(), gate(0.88, hand_over=False))

    assert report.refused is None and report.estimate is not None
    assert (report.estimate.risk, report.estimate.n_accepted) == (0.0, 1)
    assert report.answered == pytest.approx(1 / 5)


def test_drafts_that_could_not_be_audited_are_a_gap_of_their_own() -> None:
    rows = [*logged("a", 0.9, 0.0), *logged("b", 0.7, None, None), *logged("c", 0.65, None, 0.0)]

    assert judge(rows, gate(0.8)).refused is None
    looser = judge(rows, gate(0.6))
    assert dict(looser.gaps) == {"audit": 2}
    assert looser.refused is not None and "2 an audit" in looser.refused


def test_an_answer_that_nothing_vouches_for_needs_an_audit_for_the_system_risk_only() -> None:
    rows = [*logged("a", 0.9, 0.0), *logged("b", 0.1, 0.0)]

    assert judge(rows, gate(0.8)).refused is None
    assert judge(rows, gate(0.8), RiskTarget("joint", 0.2, 0.1)).refused is None
    system = judge(rows, gate(0.8), RiskTarget("system", 0.2, 0.1))
    assert dict(system.gaps) == {"audit": 1}


def test_the_system_risk_counts_whatever_is_served() -> None:
    rows = [*logged("a", 0.9, 0.0, 1.0), *logged("b", 0.1, 0.0, 1.0)]
    rows[2] = replace(rows[2], loss=1.0, extra={"audited": True, "propensity": 1.0})

    system = judge(rows, gate(0.8), RiskTarget("system", 0.2, 0.1)).estimate
    joint = judge(rows, gate(0.8), RiskTarget("joint", 0.2, 0.1)).estimate
    assert system is not None and system.risk == pytest.approx(0.5)
    assert joint is not None and joint.risk == 0.0


def test_some_questions_without_overlap_may_count_as_answered_wrongly() -> None:
    strict = judge(five(), gate(0.88), tolerance=0.4)

    assert strict.refused is None and dict(strict.gaps) == {"draft": 2}
    assert strict.estimate is not None
    # a: w 2, right; b and c: w 1, wrong.
    assert strict.estimate.risk == pytest.approx(2 / 4)
    assert judge(five(), gate(0.88), tolerance=0.39).refused is not None


# --- what a record passes off as vain ------------------------------------------------------------


def searching(threshold: float) -> ThresholdPolicy:
    return ThresholdPolicy((RungRule(0, threshold, then=(Action.RETRIEVE,)),), ("small",))


def draft(query_id: str, round: int, s: float, action: str) -> Outcome:
    return outcome(
        query_id, 0, round, signals={"s": s}, audited=True, propensity=1.0, action=action
    )


def test_a_search_that_was_never_run_is_not_one_in_vain() -> None:
    rows = [
        draft("found", 0, 0.2, "retrieve"),
        draft("found", 1, 0.9, "answer"),
        draft("vain", 0, 0.2, "retrieve"),
        draft("never", 0, 0.6, "answer"),
    ]
    lax, strict = judge(rows, searching(0.5)), judge(rows, searching(0.7))

    assert lax.refused is None and lax.estimate is not None
    assert lax.estimate.n_accepted == 2
    assert dict(strict.gaps) == {"search": 1}
    assert strict.refused is not None and "1 a search" in strict.refused


def buying(low: float) -> ThresholdPolicy:
    rule = RungRule(0, 0.7, then=(), buy=(BuyBand("paid", low, 0.7),))
    return ThresholdPolicy((rule,), ("small",))


def test_a_signal_that_was_never_bought_is_not_one_that_is_unavailable() -> None:
    def row(query_id: str, signals: Mapping[str, float | None]) -> Outcome:
        return outcome(
            query_id,
            signals=signals,
            signal_costs={"paid": 0.5},
            audited=True,
            propensity=1.0,
        )

    rows = [
        row("bought", {"s": 0.6, "paid": 0.9}),
        row("null", {"s": 0.65, "paid": None}),
        row("never", {"s": 0.5}),
    ]
    table = table_of(rows)

    def gaps(policy: ThresholdPolicy) -> Mapping[Any, int]:
        return judge_candidate(table, Replayer(table, ("small",), policy), TARGET).gaps

    assert dict(gaps(buying(0.55))) == {}
    assert dict(gaps(buying(0.4))) == {"signal": 1}
    runs = {
        q: run_candidate(table, Replayer(table, ("small",), buying(0.55)), q) for q in table.queries
    }
    assert runs["bought"].logged_cost == runs["null"].logged_cost == 1.5
    assert runs["never"].logged_cost == 1.0  # nobody paid what nobody read


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"audited": "yes", "propensity": 0.5}, "'audited' is 'yes'"),
        ({"audited": True, "propensity": "half"}, "'propensity' is 'half'"),
        ({"audited": True, "propensity": True}, "'propensity' is True"),
        ({"audited": True, "propensity": 1.5}, "'propensity' is 1.5"),
        ({"audited": True, "propensity": float("nan")}, "'propensity' is nan"),
        ({"audited": True}, "above 0 of what was audited"),
        ({"audited": True, "propensity": 0}, "above 0 of what was audited"),
    ],
)
def test_audit_fields_that_cannot_be_are_named(extra: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match="'q7', tier 0.*" + words):
        logged_audit(outcome("q7", **extra))


def test_a_row_that_says_nothing_of_audits_could_not_be_audited() -> None:
    assert logged_audit(outcome("q")) == (False, 0.0)
    assert logged_audit(outcome("q", audited=False, propensity=0.25)) == (False, 0.25)


# --- against what really would have been ---------------------------------------------------------


def full_world(n: int, seed: int) -> OutcomeTable:
    """Both tiers' drafts of every question, judged; the signal is monotone in P(right)."""
    rng = random.Random(seed)
    rows = []
    for number in range(n):
        ease = rng.gauss(1.2, 1.5)
        p = sigmoid(ease)
        s = sigmoid(ease + rng.gauss(0.0, 0.7))
        query = f"q{number:05}"
        rows.append(outcome(query, loss=float(rng.random() >= p), signals={"s": s}))
        rows.append(
            outcome(query, 1, loss=float(rng.random() < 0.1), cost=10.0, signals={"s": 0.5})
        )
    return table_of(rows)


def serve_and_audit(
    table: OutcomeTable, policy: ThresholdPolicy, plan: AuditPlan, secret: str
) -> OutcomeTable:
    """The log that serving `policy` leaves: drafts that were made, losses that were drawn."""
    replayer, rows = Replayer(table, policy.names, policy), []
    for query_id in table.queries:
        result = replayer.replay(query_id)
        for number, attempt in enumerate(result.attempts):
            row = table.row(query_id, attempt.rung)
            assert row is not None
            last = number == len(result.attempts) - 1
            action = result.action if last else Action.ESCALATE
            one = draw(plan, query_id, action, row.signals["s"], secret=secret, part=str(row.tier))
            extra = {
                **one.fields(),
                "action": action.value,
                "served": last and action is Action.ANSWER,
                "policy_id": "served",
            }
            rows.append(replace(row, loss=row.loss if one.audited else None, extra=extra))
    return table_of(rows)


PLAN = AuditPlan(0.1, escalated_share=0.25, abstained_share=0.25)


def true_risk(table: OutcomeTable, threshold: float) -> float:
    losses = [
        row.loss
        for row in table.rows()
        if row.tier == 0 and (row.signals["s"] or 0.0) >= threshold and row.loss is not None
    ]
    return math.fsum(losses) / len(losses)


def test_a_looser_gate_is_judged_rightly_from_audited_escalations() -> None:
    world = full_world(6000, 1)
    log = serve_and_audit(world, gate(0.8), PLAN, "one")
    report = judge(log.rows(), gate(0.6), RiskTarget("selective", 0.25, 0.1))

    assert report.refused is None and report.estimate is not None
    low, high = report.estimate.interval
    assert low <= true_risk(world, 0.6) <= high
    assert report.estimate.risk == pytest.approx(true_risk(world, 0.6), abs=0.03)
    assert report.certifies
    assert report.cost_difference is not None and report.cost_difference < -1.0
    # Without the weights the oversampled escalations would count 2.5 times too much.
    plain = [
        row.loss
        for row in log.rows()
        if row.tier == 0 and row.loss is not None and (row.signals["s"] or 0.0) >= 0.6
    ]
    assert math.fsum(plain) / len(plain) > true_risk(world, 0.6) + 0.03
    unaudited = serve_and_audit(world, gate(0.8), AuditPlan(0.1), "one")
    refused = judge(unaudited.rows(), gate(0.6))
    assert set(refused.gaps) == {"audit"}


def test_reports_do_not_depend_on_the_order_of_rows() -> None:
    log = serve_and_audit(full_world(400, 2), gate(0.8), PLAN, "two")

    assert judge(log.rows(), gate(0.6)) == judge(shuffled(log, 3).rows(), gate(0.6))


def test_predictions_of_the_candidate_can_be_used() -> None:
    world = full_world(3000, 4)
    log = serve_and_audit(world, gate(0.8), PLAN, "four")
    report = judge(log.rows(), gate(0.6), doubly_robust=True)

    assert report.estimate is not None and report.estimate.method == "doubly robust"
    low, high = report.estimate.interval
    assert low <= true_risk(world, 0.6) <= high


@pytest.mark.slow
def test_a_candidate_at_the_limit_is_certified_with_probability_delta_at_most() -> None:
    limit = true_risk(full_world(60_000, 100), 0.6)
    trials, certified, covered = 60, 0, 0
    for seed in range(trials):
        log = serve_and_audit(full_world(600, 200 + seed), gate(0.8), PLAN, f"s{seed}")
        report = judge(log.rows(), gate(0.6), RiskTarget("selective", limit, 0.1), seed=seed)
        assert report.estimate is not None
        certified += report.certifies
        covered += report.estimate.interval[0] <= limit <= report.estimate.interval[1]

    assert certified / trials <= 0.1 + 2 * math.sqrt(0.09 / trials)
    assert covered / trials >= 0.9 - 2 * math.sqrt(0.09 / trials)


# --- profiles ------------------------------------------------------------------------------------


def fitted(seed: int = 7) -> Profile:
    table = full_world(500, seed)
    return fit_uncertified(table, settings_of(default_prices(table)), {})


def moved(profile: Profile, change: Callable[[float], float]) -> Profile:
    """The gates of the first tier moved; the last answers whatever it wrote."""
    return replace(
        profile,
        rungs=tuple(
            replace(rung, threshold=0.0 if rung.tier else change(rung.threshold))
            for rung in profile.rungs
        ),
    )


def serve_profile(
    table: OutcomeTable, profile: Profile, plan: AuditPlan, secret: str = "p"
) -> OutcomeTable:
    replayer, rows = Replayer(table, profile.names, profile.policy(), profile.assessor()), []
    for query_id in table.queries:
        for attempt in replayer.replay(query_id).attempts:
            row = table.row(query_id, attempt.rung)
            assert row is not None
            one = draw(plan, query_id, Action.ESCALATE, None, secret=secret, part=str(row.tier))
            rows.append(
                replace(row, loss=row.loss if one.audited else None, extra=dict(one.fields()))
            )
    return table_of(rows)


def test_a_profile_is_judged_with_its_own_calibrators() -> None:
    strict = moved(fitted(), lambda t: 0.9)
    world = full_world(3000, 8)
    log = serve_profile(world, strict, AuditPlan(0.3, escalated_share=0.3))
    loose = moved(strict, lambda t: 0.6)
    report = off_policy_report(log, loose, RiskTarget("selective", 0.3, 0.01))

    replayer = Replayer(world, loose.names, loose.policy(), loose.assessor())
    truly = [serve(world, replayer, query_id).loss for query_id in world.queries]
    true = math.fsum(loss for loss in truly if loss is not None) / len(truly)
    assert report.refused is None and report.estimate is not None
    assert report.estimate.interval[0] <= true <= report.estimate.interval[1]
    assert report.estimate.risk == pytest.approx(true, abs=0.03)
    assert off_policy_report(log, moved(strict, lambda t: 0.97), TARGET).gaps.keys() == {"draft"}


def test_a_profile_whose_signal_was_never_logged_is_refused() -> None:
    profile = moved(fitted(), lambda t: 0.9)
    log = serve_profile(full_world(50, 9), profile, AuditPlan(0.5, escalated_share=0.5))
    renamed = table_of(replace(row, signals={"other": 0.5}) for row in log.rows())
    report = off_policy_report(renamed, profile, TARGET)

    assert report.covered == 0.0
    assert sum(report.gaps.values()) == 50
    assert (report.cost, report.cost_difference, report.answered) == (None, None, None)


def test_searches_that_the_deployment_allows_and_the_logs_never_show() -> None:
    profile = moved(fitted(), lambda t: 0.9)
    searching_profile = replace(
        profile,
        rungs=tuple(replace(rung, then=(Action.RETRIEVE, *rung.then)) for rung in profile.rungs),
    )
    log = serve_profile(full_world(50, 10), profile, AuditPlan(0.5, escalated_share=0.5))
    without = off_policy_report(log, searching_profile, TARGET)
    allowed = off_policy_report(log, searching_profile, TARGET, rounds=1)

    assert dict(without.gaps) == {}
    assert allowed.gaps["search"] > 0


class LargeKnows:
    """A prior by which the large tier is right and the small one is not."""

    def probabilities(self, question: str) -> tuple[float, ...]:
        return 0.0, 1.0


def test_the_entry_of_a_profile_is_followed_and_a_prior_is_asked_for() -> None:
    profile = moved(fitted(), lambda t: 0.9)
    log = serve_profile(full_world(50, 11), profile, AuditPlan(0.5, escalated_share=0.5))
    answered = sum(Rung(1, 0, False) not in ladder for ladder in log.queries.values())
    at_large = off_policy_report(log, replace(profile, entry=FixedEntry(1, "b")), TARGET)

    assert dict(at_large.gaps) == {"draft": answered}
    by_prior = replace(profile, entry=PriorEntry(("a", "b"), (1.0, 10.0), 0.0))
    with pytest.raises(UsageError, match="prior"):
        off_policy_report(log, by_prior, TARGET)
    assert off_policy_report(log, by_prior, TARGET, prior=LargeKnows()).gaps == at_large.gaps


def test_stored_outcomes_judged_from_a_tenth_of_their_labels() -> None:
    """Llama on TriviaQA: a log of a strict gate tells what a looser one does."""
    whole = read_outcomes(stored("llama_triviaqa_test"))
    world = table_of(
        replace(row, tier=0 if row.tier == 1 else 1, signals={"s": row.signals["self_verify"]})
        for row in whole.rows()
        if row.tier in (1, 3)
    )
    plan = AuditPlan(0.3, escalated_share=0.3)
    log = serve_and_audit(world, gate(0.95), plan, "llama")
    report = judge(log.rows(), gate(0.8), RiskTarget("selective", 0.4, 0.1))

    assert report.estimate is not None
    low, high = report.estimate.interval
    assert low <= true_risk(world, 0.8) <= high
    assert report.cost_difference is not None and report.cost_difference < 0.0
