"""Procedures over p-values, where a sequence starts, and MAPIE's as oracles."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from surefoot.router.errors import UsageError
from surefoot.router.risk.fixed_sequence import (
    bonferroni,
    fixed_sequence,
    holm,
    least_accepted,
    start_index,
)


def test_by_hand() -> None:
    p = [0.02, 0.09, 0.2, 0.001]
    assert fixed_sequence(p, 0.1) == (True, True, False, False)
    assert fixed_sequence(p, 0.1, starts=4) == (True, False, False, True)  # .025 each
    # starts at 0 and 2, .05 each: the first run stops at once, the second never begins
    assert fixed_sequence(p, 0.1, starts=2) == (True, False, False, False)
    # .001 <= .1/4, .02 <= .1/3, .09 > .1/2
    assert holm(p, 0.1) == (True, False, False, True)
    assert bonferroni(p, 0.1) == (True, False, False, True)
    assert fixed_sequence([0.2, 0.0, 0.0], 0.1) == (False, False, False)
    assert fixed_sequence([0.1], 0.1, starts=9) == (True,)
    assert fixed_sequence([], 0.1) == holm([], 0.1) == bonferroni([], 0.1) == ()


@pytest.mark.parametrize("procedure", [fixed_sequence, holm, bonferroni])
def test_what_is_no_p_value_is_refused(procedure: object) -> None:
    assert callable(procedure)
    for p, delta in (([0.1, 1.2], 0.1), ([float("nan")], 0.1), ([0.1], 1.0)):
        with pytest.raises(UsageError):
            procedure(p, delta)
    with pytest.raises(UsageError, match="starts"):
        fixed_sequence([0.1], 0.1, starts=0)


def test_mapie_agrees() -> None:
    rng = np.random.default_rng(8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mapie = pytest.importorskip("mapie.risk_control", exc_type=ImportError)
        for _ in range(150):
            p = rng.random(12) ** rng.choice([1, 3, 6])
            methods = [
                ("fixed_sequence", fixed_sequence(p.tolist(), 0.1)),
                ("bonferroni_holm", holm(p.tolist(), 0.1)),
                ("bonferroni", bonferroni(p.tolist(), 0.1)),
                (mapie.FWERFixedSequenceTesting(3), fixed_sequence(p.tolist(), 0.1, 3)),
            ]
            for method, ours in methods:
                theirs = mapie.control_fwer(p, 0.1, method)
                assert np.flatnonzero(ours).tolist() == list(theirs), (method, p)


def test_start_is_where_45_accepted_rows_are_expected() -> None:
    coverages = [0.02 * step for step in range(2, 51)]
    starts = {n: coverages[start_index(coverages, n) or 0] for n in (45, 200, 500, 2000)}
    assert starts == pytest.approx({45: 1.0, 200: 0.24, 500: 0.1, 2000: 0.08})
    assert start_index(coverages, 44) is None
    assert start_index([], 500) is None
    assert start_index(coverages, 0) is None


@pytest.mark.parametrize(
    ("alpha", "delta", "count"),
    [
        (0.1, 0.1, 22),
        (0.05, 0.1, 45),
        (0.02, 0.1, 114),
        (0.01, 0.05, 299),
        (0.5, 0.25, 2),
        (0.9, 0.5, 1),
    ],
)
def test_hard_floor(alpha: float, delta: float, count: int) -> None:
    assert least_accepted(alpha, delta) == count
    assert (1 - alpha) ** count <= delta * (1 + 1e-12)
    assert count == 1 or (1 - alpha) ** (count - 1) > delta


def test_floor_needs_levels_between_zero_and_one() -> None:
    with pytest.raises(UsageError):
        least_accepted(1.0, 0.1)
