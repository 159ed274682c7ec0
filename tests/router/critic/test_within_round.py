"""Areas within rounds, against hand-counted pairs and scikit-learn's."""

from __future__ import annotations

import random

import pytest

from surefoot.router.critic.within_round import auroc_within, strata_of
from surefoot.router.errors import UsageError
from surefoot.router.signals import Unavailable


def test_the_round_alone_scores_a_half() -> None:
    rounds = [1] * 40 + [2] * 40
    labels = [int(i % 4 == 0) for i in range(40)] + [int(i % 4 != 0) for i in range(40)]
    assert auroc_within([float(one) for one in rounds], labels, rounds) == 0.5


def test_strata_are_weighted_by_their_states() -> None:
    from sklearn.metrics import roc_auc_score

    rng = random.Random(1)
    scores = [rng.random() for _ in range(300)]
    labels = [int(rng.random() < score) for score in scores]
    keys = [0] * 100 + [1] * 200
    first, second = (
        roc_auc_score(labels[:100], scores[:100]),
        roc_auc_score(labels[100:], scores[100:]),
    )
    assert auroc_within(scores, labels, keys) == pytest.approx((100 * first + 200 * second) / 300)


def test_a_stratum_with_five_of_a_class_is_left_out() -> None:
    labels = [1] * 5 + [0] * 20
    scores = [float(i) for i in range(25)]
    assert isinstance(auroc_within(scores, labels, [0] * 25), Unavailable)
    (one,) = strata_of(scores, labels, [0] * 25)
    assert (one.n, one.positives) == (25, 5)
    assert auroc_within([*scores, 99.0], [*labels, 1], [0] * 26) == pytest.approx(1 / 6)


def test_lengths_must_agree() -> None:
    with pytest.raises(UsageError):
        strata_of([0.5], [1, 0], [0])
