"""Targets by name, and the test of how far a policy may be leaned on."""

from __future__ import annotations

import numpy as np
import pytest

from surefoot.policies.quality_test import (
    SHARES,
    largest_share,
    moments_of,
    shares_predicted,
    shortfall_p,
)
from surefoot.policies.targets import (
    MeanCost,
    QualityKept,
    ShareDeferred,
    TargetReport,
    risk_report,
)
from surefoot.router.errors import UsageError
from surefoot.router.risk.binomial import lower_tail
from surefoot.router.risk.targets import RiskTarget


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, float("nan")])
def test_a_share_of_quality_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="quality kept"):
        QualityKept(share)


def test_other_targets_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError, match="share deferred is 1"):
        ShareDeferred(1.2)
    for budget in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(UsageError, match="mean cost"):
            MeanCost(budget)
    with pytest.raises(UsageError, match="delta is 1"):
        QualityKept(0.9, 1.0)


def test_a_report_as_data() -> None:
    report = TargetReport("quality kept", 0.95, 0.96, (0.94, 0.98), "300 questions")
    assert report.to_data() == {
        "kind": "quality kept",
        "target": 0.95,
        "achieved": 0.96,
        "interval": [0.94, 0.98],
        "rows": "300 questions",
    }


def test_the_line_of_a_risk_target() -> None:
    target = RiskTarget("selective", 0.1, 0.1)
    report = risk_report(target, 0.06, 0.09, "225 tested questions")
    assert (report.kind, report.target, report.achieved) == ("selective risk", 0.1, 0.06)
    assert report.interval == (0.0, 0.09)
    assert risk_report(target, None, None, "none").interval is None


def test_the_test_errs_on_the_safe_side_of_the_exact_binomial() -> None:
    """The last tier is always right and the policy loses k of n: k must be below n (1 - Q)."""
    n, kept = 300, 0.95
    for k in range(25):
        excess = np.zeros(n)
        excess[:k] = 1.0
        moments = moments_of(excess, np.zeros(n), kept)
        p = float(shortfall_p(moments, np.array(1.0), kept))
        exact = lower_tail(k, n, 1.0 - kept)
        if p <= 0.1:
            assert exact <= 0.1
        plain = moments.slack - moments.excess
        assert (p < 0.5) == (plain * n + (1 - kept) - 1 > 0)


def test_a_share_grows_with_what_it_saves_the_last_tier_from() -> None:
    reference = np.zeros(400)
    excess = np.zeros(400)
    excess[:40] = 1.0  # the policy keeps 90 %
    shares = [largest_share(excess, reference, kept, 0.1) for kept in (1.0, 0.99, 0.95, 0.92, 0.8)]
    assert shares == sorted(shares)
    assert shares[0] == 0.0 and shares[-1] == 1.0
    assert 0.3 < shares[2] < 0.5  # half would keep 95 % to the point
    assert largest_share(excess, reference, 0.95, 0.01) < shares[2]


def test_a_policy_better_than_the_last_tier_serves_all() -> None:
    reference = np.zeros(200)
    reference[:60] = 1.0
    excess = np.zeros(200)
    excess[:40] = -1.0
    assert largest_share(excess, reference, 1.0, 0.1) == 1.0


def test_predicted_shares_are_those_that_pass() -> None:
    rng = np.random.default_rng(0)
    reference = (rng.random(500) < 0.1).astype(float)
    losses = (rng.random((6, 500)) < np.linspace(0.05, 0.5, 6)[:, None]).astype(float)
    excess = losses - reference
    predicted = shares_predicted(moments_of(excess, reference, 0.95), 0.95, 0.1)
    passed = [largest_share(one, reference, 0.95, 0.1) for one in excess]
    assert predicted.tolist() == pytest.approx(passed, abs=0.03)
    assert set(predicted.tolist()) <= set(SHARES)


@pytest.mark.parametrize("n", [60, 300])
@pytest.mark.parametrize(("gain", "lost"), [(0.0, 0.05), (0.02, 0.07), (0.1, 0.15), (0.2, 0.25)])
def test_a_policy_at_the_limit_passes_in_at_most_delta_of_trials(
    n: int, gain: float, lost: float
) -> None:
    """All of the slack is used at the whole share: whoever gets there missed."""
    rng = np.random.default_rng(7)
    trials, kept, delta = 1000, 0.95, 0.1
    missed = 0
    for _ in range(trials):
        kind = rng.random(n)
        excess = (kind < lost).astype(float) - ((kind >= lost) & (kind < lost + gain))
        # The last tier is right with probability 1 - gain: the slack is (1 - gain) (1 - kept).
        reference = ((kind >= lost) & (kind < lost + gain)).astype(float)
        limit = (1.0 - gain) * (1.0 - kept) / (lost - gain)
        missed += largest_share(excess, reference, kept, delta) > limit + 1e-9
    assert missed / trials <= delta + 2 * np.sqrt(delta * (1 - delta) / trials)


def test_without_the_added_observation_it_would_err_more_often() -> None:
    """Negative control: few losses make their own variance look small."""
    rng = np.random.default_rng(7)
    n, kept, trials = 60, 0.95, 2000
    plain = added = 0
    for _ in range(trials):
        excess = (rng.random(n) < 1.0 - kept).astype(float)
        moments = moments_of(excess, np.zeros(n), kept)
        z = (moments.slack - moments.excess) / np.sqrt(moments.excess_variance / n + 1e-12)
        plain += bool(z > 1.2816)
        added += bool(shortfall_p(moments, np.array(1.0), kept) <= 0.1)
    assert plain / trials > 0.15
    assert added / trials < 0.1
