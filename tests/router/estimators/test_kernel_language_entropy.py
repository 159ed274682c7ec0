"""Kernel language entropy: by hand, and against scipy's matrix functions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg

from surefoot.router.estimators.kernel_language_entropy import (
    Kle,
    heat_kernel_entropy,
    kle_weights,
)
from surefoot.router.protocols import Needs

from .judged_records import ENTAILS, OPPOSES, matrix, random_nli, read, reason, record


def texts(m: int) -> list[str]:
    return [f"w{i}" for i in range(m + 1)]


@pytest.mark.parametrize("m", [2, 3, 5, 10])
def test_equals_scipy(m: int) -> None:
    for seed in range(5):
        nli = np.array(random_nli(m + 1, seed))
        e, c = nli[1:, 1:, 2], nli[1:, 1:, 0]
        both, against = e + e.T, c + c.T
        w = both + 0.5 * (2 - both - against)
        kernel = scipy.linalg.expm(-0.3 * (np.diag(w.sum(axis=1)) - w))
        root = np.diag(1 / np.sqrt(np.diag(kernel)))
        shares = scipy.linalg.eigvalsh(root @ kernel @ root / m)
        shares = shares[shares > 1e-8]
        expected = -(shares * np.log(shares)).sum() / math.log(m)
        signal = read(Kle(), record(texts(m), nli.tolist()))
        assert signal.raw == pytest.approx(expected, abs=1e-9)
        assert signal.value == pytest.approx(1 - expected, abs=1e-9)
        assert signal.direction == "uncertainty"


def test_two_samples_by_hand() -> None:
    """w_12 = w: K's eigenvalues 1 and exp(-.6 w) have a constant diagonal; shares 1 : that."""
    for other, w in ((ENTAILS, 2.0), ((0.0, 1.0, 0.0), 1.0), (OPPOSES, 0.0)):
        small = math.exp(-0.6 * w)
        shares = (1 / (1 + small), small / (1 + small))
        expected = -sum(p * math.log(p) for p in shares) / math.log(2)
        given = record(texts(2), matrix(3, {}, other=other))
        assert read(Kle(), given).raw == pytest.approx(expected)


@pytest.mark.parametrize(("m", "expected"), [(2, 0.7806), (5, 0.4224), (20, 0.0005)])
def test_identical_samples_near_none_only_in_numbers(m: int, expected: float) -> None:
    signal = read(Kle(), record(["Rome"] * (m + 1), matrix(m + 1, {}, other=ENTAILS)))
    assert signal.raw == pytest.approx(expected, abs=5e-5)


def test_opposed_samples_are_unsure_in_full() -> None:
    signal = read(Kle(), record(texts(4), matrix(5, {}, other=OPPOSES)))
    assert (signal.raw, signal.value) == (1.0, 0.0)


def test_more_entailment_is_surer() -> None:
    found = [
        read(Kle(), record(texts(3), matrix(4, {}, other=(1 - e, 0.0, e)))).raw
        for e in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert found == sorted(found, reverse=True) and len(set(found)) == 5


def test_weights_are_one_where_all_is_neutral() -> None:
    assert kle_weights(np.array([matrix(2, {}, other=(0.0, 1.0, 0.0))]))[0, 0, 1] == 1.0
    assert heat_kernel_entropy(np.zeros((1, 4, 4)))[0] == pytest.approx(math.log(4))


def test_needs_and_reasons() -> None:
    assert Kle(7).needs == Needs(samples=7, compare="nli")
    assert reason(Kle(), record(texts(1), matrix(2, {}))) == "needs 2 samples"
    assert reason(Kle(), record(texts(2))) == "no nli"
    warm = read(Kle(nli_temperature=3.0), record(texts(2), random_nli(3, 1)))
    assert warm.details == {"m": 2, "nli_temperature": 3.0}
