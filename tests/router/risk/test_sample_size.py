"""How many labels: the published table, brute force, and the counts worth testing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from surefoot.router.errors import UsageError
from surefoot.router.risk.binomial import largest_k
from surefoot.router.risk.sample_size import (
    accepted_labels_needed,
    critical_counts,
    labels_to_collect,
)

TABLE = [
    # alpha, delta, zero errors seen, true risk alpha / 2, true risk .8 alpha
    (0.10, 0.10, 22, 128, 932),
    (0.05, 0.10, 45, 282, 1_955),
    (0.02, 0.10, 114, 708, 5_058),
    (0.01, 0.10, 230, 1_418, 10_122),
    (0.10, 0.05, 29, 179, 1_290),
    (0.05, 0.05, 59, 361, 2_698),
    (0.02, 0.05, 149, 969, 6_919),
    (0.01, 0.05, 299, 1_941, 13_955),
]


@pytest.mark.parametrize(("alpha", "delta", "none", "half", "most"), TABLE)
def test_table_of_accepted_labels(
    alpha: float, delta: float, none: int, half: int, most: int
) -> None:
    found = [accepted_labels_needed(alpha, delta, share * alpha) for share in (0.0, 0.5, 0.8)]
    assert found == [none, half, most]


def brute_force(alpha: float, delta: float, risk: float, power: float, up_to: int) -> int | None:
    for n in range(1, up_to + 1):
        cut = int(binom.ppf(delta, n, alpha))
        cut -= binom.cdf(cut, n, alpha) > delta
        if binom.cdf(cut, n, risk) >= power:
            return n
    return None


@pytest.mark.parametrize("seed", range(12))
def test_no_smaller_number_would_do(seed: int) -> None:
    rng = np.random.default_rng(seed)
    alpha, delta = float(rng.uniform(0.05, 0.6)), float(rng.uniform(0.02, 0.4))
    risk, power = alpha * float(rng.uniform(0.05, 0.85)), float(rng.uniform(0.3, 0.95))
    found = accepted_labels_needed(alpha, delta, risk, power=power)
    assert found is not None
    assert brute_force(alpha, delta, risk, power, found) == found


def test_where_no_number_would_do() -> None:
    assert accepted_labels_needed(0.1, 0.1, 0.1) is None
    assert accepted_labels_needed(0.1, 0.1, 1.0) is None
    assert accepted_labels_needed(0.1, 0.1, 0.09999) is None
    assert accepted_labels_needed(0.1, 0.1, 0.08, limit=931) is None
    with pytest.raises(UsageError, match="risk in"):
        accepted_labels_needed(0.1, 0.1, -0.1)
    with pytest.raises(UsageError, match="power"):
        accepted_labels_needed(0.1, 0.1, 0.05, power=1.0)


def test_labels_to_collect() -> None:
    assert labels_to_collect(128, 0.25) == 512
    assert labels_to_collect(128, 0.3, 0.75) == 569  # 128 / .225 = 568.9
    assert labels_to_collect(None, 0.3) is None
    with pytest.raises(UsageError, match="coverage"):
        labels_to_collect(128, 0.0)


def test_critical_counts_are_where_one_more_error_is_bearable() -> None:
    assert critical_counts(200, 0.1, 0.1) == (
        *(38, 52, 65, 78, 91, 104, 116, 128, 140, 152, 164, 175, 187, 199),
        200,
    )
    for n, alpha, delta in ((500, 0.1, 0.1), (3000, 0.05, 0.2), (20_000, 0.02, 0.05)):
        counts = critical_counts(n, alpha, delta)
        assert list(counts) == sorted(set(counts)) and counts[-1] == n and len(counts) <= 501
        for count in counts[:-1]:
            assert largest_k(count, alpha, delta) == largest_k(count - 1, alpha, delta) + 1


def test_critical_counts_of_few_rows() -> None:
    assert critical_counts(21, 0.1, 0.1) == ()
    assert critical_counts(22, 0.1, 0.1) == (22,)
    assert critical_counts(30, 0.1, 0.1) == (22, 30)
    assert critical_counts(200, 0.1, 0.1, "bounded")[0] == 52
