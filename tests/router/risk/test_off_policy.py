"""Off-policy estimates and tests against known truth, with controls that must fail."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from surefoot.router.errors import UsageError
from surefoot.router.risk.audit_log import (
    AuditLog,
    LoggedDraft,
    draft_log,
    effective_sample_size,
)
from surefoot.router.risk.off_policy import (
    NoOverlap,
    OffPolicyEstimate,
    OffPolicyTest,
    certify_off_policy,
    estimate_off_policy,
)
from surefoot.router.risk.targets import RiskTarget

from .audited_world import audited, truth

SELECTIVE = RiskTarget("selective", 0.1, 0.1)
JOINT = RiskTarget("joint", 0.1, 0.1)


def estimate(log: AuditLog, target: RiskTarget = SELECTIVE, **more: Any) -> OffPolicyEstimate:
    found = estimate_off_policy(log, target, **more)
    assert isinstance(found, OffPolicyEstimate)
    return found


def certify(log: AuditLog, target: RiskTarget = SELECTIVE, **more: Any) -> OffPolicyTest:
    found = certify_off_policy(log, target, **more)
    assert isinstance(found, OffPolicyTest)
    return found


def six_drafts() -> list[LoggedDraft]:
    """Gate at .5: a, b, c, d are accepted; a and b were drawn at 1/2, c at 1/4, d was not."""
    return [
        LoggedDraft("a", 0.9, 0.5, True, 0.0, 0.1),
        LoggedDraft("b", 0.8, 0.5, True, 1.0, 0.3),
        LoggedDraft("c", 0.5, 0.25, True, 0.0, 0.4),
        LoggedDraft("d", 0.7, 0.25, False, None, 0.2),
        LoggedDraft("e", 0.4, 0.25, True, 1.0, 0.9),
        LoggedDraft("f", None, 0.25, True, 1.0, 0.9),
    ]


# --- by hand -------------------------------------------------------------------------------------


def test_estimates_by_hand() -> None:
    log = draft_log(six_drafts(), 0.5)
    selective, joint = estimate(log), estimate(log, JOINT)

    assert selective.risk == pytest.approx(2 / (2 + 2 + 4))
    assert joint.risk == pytest.approx(2 / 6)
    assert (selective.n, selective.n_accepted, selective.n_labelled) == (6, 4, 3)
    assert selective.ess == pytest.approx(8 * 8 / (4 + 4 + 16))


def test_doubly_robust_by_hand() -> None:
    log = draft_log(six_drafts(), 0.5)
    corrected = 0.1 + 2 * (0 - 0.1) + 0.3 + 2 * (1 - 0.3) + 0.4 + 4 * (0 - 0.4) + 0.2

    assert estimate(log, doubly_robust=True).risk == pytest.approx(corrected / 4)
    assert estimate(log, JOINT, doubly_robust=True).risk == pytest.approx(corrected / 6)


def test_an_abstention_is_charged_in_the_system_risk() -> None:
    log = draft_log(six_drafts(), 0.5)
    system = RiskTarget("system", 0.5, 0.1, abstention_loss=0.25)

    assert estimate(log, system).risk == pytest.approx((2 + 2 * 0.25) / 6)


def test_effective_sample_size_by_hand() -> None:
    assert effective_sample_size(np.array([1.0, 1.0, 2.0])) == pytest.approx(16 / 6)
    assert effective_sample_size(np.full(7, 3.0)) == pytest.approx(7.0)
    assert effective_sample_size(np.zeros(3)) == 0.0


@given(st.lists(st.floats(0.01, 50.0), min_size=1, max_size=30), st.floats(0.1, 10.0))
def test_effective_sample_size_is_at_most_the_count_and_knows_no_scale(
    weights: list[float], scale: float
) -> None:
    array = np.array(weights)
    size = effective_sample_size(array)

    assert 1.0 - 1e-9 <= size <= len(weights) + 1e-9
    assert effective_sample_size(scale * array) == pytest.approx(size)


def test_a_constant_propensity_gives_the_exact_binomial_on_what_was_drawn() -> None:
    rng = np.random.default_rng(3)
    log = audited(rng, 3000, oversample=False)
    losses = log.loss[log.labelled]
    test = certify(log)

    assert test.method == "exact binomial"
    assert test.p_value == pytest.approx(stats.binom.cdf(losses.sum(), len(losses), 0.1))
    assert test.n_labelled == len(losses)
    assert test.certified == (test.p_value <= 0.1)


def test_graded_losses_and_unequal_propensities_are_bet_on() -> None:
    log = draft_log(six_drafts(), 0.5)
    graded = replace(log, propensity=np.full(6, 0.5), loss=log.loss * 0.5)

    assert certify(log).method == "betting, weighted"
    assert certify(graded).method == "betting, weighted"
    assert certify(log, doubly_robust=True).method == "betting, doubly robust"


def test_equal_propensities_among_the_drawn_do_not_hide_unequal_ones() -> None:
    # Only drafts at 1/2 happen to be drawn, and the rarer ones are accepted all the same.
    drafts = [LoggedDraft(f"a{i}", 0.9, 0.5, True, 0.0) for i in range(60)]
    drafts += [LoggedDraft(f"b{i}", 0.9, 0.01) for i in range(60)]

    assert certify(draft_log(drafts, 0.5)).method == "betting, weighted"


# --- what the logs cannot say --------------------------------------------------------------------


def test_a_looser_threshold_without_audited_drafts_is_refused_with_counts() -> None:
    drafts = [LoggedDraft(f"s{i}", 0.9, 0.2, i % 5 == 0, 0.0) for i in range(50)]
    drafts += [LoggedDraft(f"e{i}", 0.6, None) for i in range(7)]
    drafts += [LoggedDraft(f"f{i}", 0.65, 0.0) for i in range(4)]
    for judge in (estimate_off_policy, certify_off_policy):
        stricter = judge(draft_log(drafts, 0.8), SELECTIVE)
        looser = judge(draft_log(drafts, 0.5), SELECTIVE)

        assert not isinstance(stricter, NoOverlap)
        assert isinstance(looser, NoOverlap)
        assert (looser.missing, looser.n_accepted) == (11, 61)
        assert "11 of 61" in looser.reason and "escalated" in looser.reason


def test_audited_drafts_of_escalated_requests_open_looser_thresholds() -> None:
    drafts = [LoggedDraft(f"s{i}", 0.9, 0.2, True, 0.0) for i in range(50)]
    drafts += [LoggedDraft(f"e{i}", 0.6, 0.05, i == 0, 1.0 if i == 0 else None) for i in range(7)]

    assert estimate(draft_log(drafts, 0.5)).risk == pytest.approx(20 / (250 + 20))


def test_without_any_label_nothing_is_known_and_nothing_certified() -> None:
    log = draft_log([LoggedDraft("a", 0.9, 0.5), LoggedDraft("b", 0.1, 0.5)], 0.5)

    assert (estimate(log).risk, estimate(log).interval) == (None, (0.0, 1.0))
    assert certify(log).p_value == 1.0
    empty = certify(draft_log([], 0.5))
    assert (empty.p_value, empty.certified) == (1.0, False)


@pytest.mark.parametrize(
    ("draft", "words"),
    [
        (LoggedDraft("q", 0.9, 1.5), "propensity is 1.5"),
        (LoggedDraft("q", 0.9, float("nan")), "propensity is nan"),
        (LoggedDraft("q", 0.9, None, True, 0.0), "no propensity was logged"),
        (LoggedDraft("q", 0.9, 0.5, True, 2.0), "loss is 2.0"),
        (LoggedDraft("q", 0.9, 0.5, True, 0.0, -0.1), "predicted loss is -0.1"),
    ],
)
def test_what_cannot_be_is_named(draft: LoggedDraft, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        draft_log([draft], 0.5)


def test_two_drafts_of_a_question_and_missing_predictions_are_refused() -> None:
    with pytest.raises(UsageError, match="one draft a question"):
        draft_log([LoggedDraft("q", 0.1, 0.5), LoggedDraft("q", 0.9, 0.5)], 0.5)
    bare = draft_log([LoggedDraft("q", 0.9, 0.5, True, 0.0)], 0.5)
    with pytest.raises(UsageError, match="predicted loss of each"):
        estimate_off_policy(bare, SELECTIVE, doubly_robust=True)
    with pytest.raises(UsageError, match="empirical Bernstein"):
        estimate_off_policy(bare, SELECTIVE, interval="empirical_bernstein")


def test_results_do_not_depend_on_the_order_of_drafts() -> None:
    drafts = six_drafts()
    one, other = draft_log(drafts, 0.5), draft_log(drafts[::-1], 0.5)

    assert estimate(one, seed=4) == estimate(other, seed=4)
    assert certify(one, seed=4) == certify(other, seed=4)


def test_a_loss_that_was_not_drawn_is_not_read() -> None:
    told = draft_log([*six_drafts()[:3], LoggedDraft("d", 0.7, 0.25, False, 1.0, 0.2)], 0.5)
    untold = draft_log(six_drafts()[:4], 0.5)

    assert estimate(told) == estimate(untold)


def test_labels_outstanding_are_counted_shrink_the_propensities_or_count_as_wrong() -> None:
    drafts = [LoggedDraft(f"a{i}", 0.9, 0.5, True, 1.0 if i < 2 else 0.0) for i in range(8)]
    drafts += [LoggedDraft(f"b{i}", 0.9, 0.5, True) for i in range(2)]
    drafts += [LoggedDraft(f"c{i}", 0.9, 0.5) for i in range(10)]
    log = draft_log(drafts, 0.5)

    assert estimate(log).outstanding == 2
    assert estimate(log).risk == pytest.approx(2 / 8)
    assert estimate(log, JOINT).risk == pytest.approx(2 / (0.5 * 0.8) / 20)
    assert estimate(log.worst_case()).risk == pytest.approx(4 / 10)
    assert estimate(log.worst_case()).outstanding == 0


# --- against the truth ---------------------------------------------------------------------------


@pytest.mark.parametrize("doubly_robust", [False, True])
def test_unbiased_under_oversampling_where_the_plain_mean_is_not(doubly_robust: bool) -> None:
    known = truth()
    rng = np.random.default_rng(11)
    weighted, joint, plain = [], [], []
    for _ in range(300):
        log = audited(rng, 2000)
        weighted.append(_risk(log, SELECTIVE, doubly_robust))
        joint.append(_risk(log, JOINT, doubly_robust))
        plain.append(float(log.loss[log.labelled].mean()))
    for values, true in ((weighted, known.risk), (joint, known.risk * known.share)):
        error = 3.0 * float(np.std(values)) / math.sqrt(len(values))
        assert abs(float(np.mean(values)) - true) < error + 5e-4
    error = 3.0 * float(np.std(plain)) / math.sqrt(len(plain))
    assert float(np.mean(plain)) - known.risk > 5.0 * error  # the control


def _risk(log: AuditLog, target: RiskTarget, doubly_robust: bool) -> float:
    risk = estimate(log, target, doubly_robust=doubly_robust).risk
    assert risk is not None
    return risk


def test_doubly_robust_is_unbiased_for_a_prediction_that_is_plainly_wrong() -> None:
    known = truth()
    rng = np.random.default_rng(12)
    values = []
    for _ in range(200):
        log = audited(rng, 2000)
        wrong = replace(log, predicted=np.full(2000, 0.6))
        values.append(_risk(wrong, SELECTIVE, True))
    error = 3.0 * float(np.std(values)) / math.sqrt(len(values))

    assert abs(float(np.mean(values)) - known.risk) < error + 5e-4


def test_predictions_save_a_tenth_of_the_variance_of_the_joint_risk() -> None:
    rng = np.random.default_rng(13)
    plain, robust = [], []
    for _ in range(400):
        log = audited(rng, 1500, oversample=False)
        plain.append(_risk(log, JOINT, False))
        robust.append(_risk(log, JOINT, True))

    assert float(np.var(robust)) < 0.95 * float(np.var(plain))


@pytest.mark.slow
@pytest.mark.parametrize("target", [SELECTIVE, JOINT], ids=["selective", "joint"])
@pytest.mark.parametrize("doubly_robust", [False, True])
def test_intervals_cover_the_truth(target: RiskTarget, doubly_robust: bool) -> None:
    known = truth()
    true = known.risk if target.kind == "selective" else known.risk * known.share
    rng = np.random.default_rng(14)
    trials = 400
    covered = 0
    for seed in range(trials):
        log = audited(rng, 1500)
        low, high = estimate(log, target, doubly_robust=doubly_robust, seed=seed).interval
        covered += low <= true <= high

    assert covered / trials >= 0.9 - 2.0 * math.sqrt(0.09 / trials)


def certified_share(doubly_robust: bool, target: RiskTarget, trials: int, n: int) -> float:
    rng = np.random.default_rng(15)
    hits = 0
    for seed in range(trials):
        log = audited(rng, n)
        hits += certify(log, target, doubly_robust=doubly_robust, seed=seed).certified
    return hits / trials


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["selective", "joint"])
@pytest.mark.parametrize("doubly_robust", [False, True])
def test_a_risk_at_the_limit_is_certified_with_probability_delta_at_most(
    doubly_robust: bool, kind: Any
) -> None:
    known = truth()
    limit = known.risk if kind == "selective" else known.risk * known.share
    trials = 300
    share = certified_share(doubly_robust, RiskTarget(kind, limit, 0.1), trials, 1000)

    assert share <= 0.1 + 2.0 * math.sqrt(0.09 / trials)


@pytest.mark.slow
def test_taking_oversampled_labels_for_a_plain_sample_breaks_the_promise() -> None:
    """The control of the test above: with sure answers oversampled, the binomial is too hopeful."""
    known = truth()
    rng = np.random.default_rng(16)
    trials, weighted, naive = 200, 0, 0
    for seed in range(trials):
        log = audited(rng, 3000)
        swapped = _resampled(log, rng)
        losses = swapped.loss[swapped.labelled]
        naive += float(stats.binom.cdf(losses.sum(), len(losses), known.risk)) <= 0.1
        limit = RiskTarget("selective", known.risk, 0.1)
        weighted += certify(swapped, limit, seed=seed).certified

    assert naive / trials > 0.4
    assert weighted / trials <= 0.1 + 2.0 * math.sqrt(0.09 / trials)


def _resampled(log: AuditLog, rng: np.random.Generator) -> AuditLog:
    """The audit turned around: the surer a draft, the likelier its label."""
    propensity = np.where(log.predicted < 0.08, 0.5, 0.1)
    drawn = rng.random(len(propensity)) < propensity
    loss = (rng.random(len(propensity)) < log.predicted).astype(float)
    return replace(log, propensity=propensity, audited=drawn, loss=np.where(drawn, loss, np.nan))


def test_enough_labels_certify_what_is_safely_below_the_limit() -> None:
    share = certified_share(False, RiskTarget("selective", 0.2, 0.1), 30, 4000)

    assert share > 0.9
