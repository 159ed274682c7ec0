"""Labels that a certificate would take, at each margin."""

from __future__ import annotations

import pytest
from scipy import stats

from surefoot.policies.cheapest_certainty import cheapest_way_to_certainty
from surefoot.policies.label_choice import LabelCandidate
from surefoot.router.errors import UsageError
from surefoot.router.risk.targets import RiskTarget

TARGET = RiskTarget("selective", 0.1, 0.1)


def pool() -> list[LabelCandidate]:
    """1000 drafts: 300 at .99 and 400 at .96 above the gate, 300 at .6 below; tiers in turn."""
    groups = [(0.3, 0.99, 300), (0.1, 0.96, 400), (-0.2, 0.6, 300)]
    return [
        LabelCandidate(f"{margin}-{i}", i % 2, margin, p, 0.1, i < 20 and margin == 0.3)
        for margin, p, count in groups
        for i in range(count)
    ]


def test_options_in_the_order_of_their_price() -> None:
    options = cheapest_way_to_certainty(pool(), TARGET, (-0.2, 0.0, 0.2))

    assert [option.margin for option in options] == [0.2, 0.0, -0.2]
    strict, loose, hopeless = options
    assert strict.share == pytest.approx(0.3)
    assert strict.risk == pytest.approx((3.0 + 1) / 302)
    assert loose.risk == pytest.approx((3.0 + 16.0 + 1) / 702)
    assert (strict.have, loose.have, hopeless.have) == (20, 20, 20)
    assert strict.needed is not None and loose.needed is not None
    assert strict.more == strict.needed - 20
    assert strict.propensity == pytest.approx(strict.more / 280)
    assert sum(strict.by_tier.values()) in (strict.more, strict.more + 1)
    assert hopeless.risk > 0.1
    assert (hopeless.needed, hopeless.more, hopeless.is_in_reach) == (None, None, False)
    assert set(hopeless.by_tier.values()) == {0}


def test_the_number_has_the_power_that_it_says() -> None:
    option = cheapest_way_to_certainty(pool(), TARGET, (0.0,), power=0.8)[0]
    n = option.needed
    assert n is not None

    def power(count: int) -> float:
        bearable = -1
        while stats.binom.cdf(bearable + 1, count, 0.1) <= 0.1:
            bearable += 1
        return float(stats.binom.cdf(bearable, count, option.risk)) if bearable >= 0 else 0.0

    assert power(n) >= 0.8
    assert power(n - 1) < 0.8


def test_what_is_in_reach_comes_before_what_needs_traffic() -> None:
    few = [LabelCandidate(f"s{i}", 0, 0.3, 0.999) for i in range(10)]
    many = [LabelCandidate(f"m{i}", 0, 0.1, 0.95) for i in range(2000)]
    options = cheapest_way_to_certainty(few + many, TARGET, (0.2, 0.0))

    assert [option.margin for option in options] == [0.0, 0.2]
    assert [option.is_in_reach for option in options] == [True, False]
    assert options[1].propensity == 1.0


def test_labels_enough_cost_nothing_more() -> None:
    done = [LabelCandidate(f"q{i}", 0, 0.0, 0.99, 1.0, True) for i in range(500)]
    option = cheapest_way_to_certainty(done, TARGET, (0.0,))[0]

    assert (option.more, option.available, option.propensity) == (0, 0, 0.0)
    assert option.is_in_reach


def test_other_risks_and_no_candidates_are_refused() -> None:
    with pytest.raises(UsageError, match="selective"):
        cheapest_way_to_certainty(pool(), RiskTarget("joint", 0.1, 0.1), (0.0,))
    with pytest.raises(UsageError, match="binary"):
        cheapest_way_to_certainty(pool(), RiskTarget("selective", 0.1, 0.1, "bounded"), (0.0,))
    with pytest.raises(UsageError, match="no candidate"):
        cheapest_way_to_certainty([], TARGET, (0.0,))
