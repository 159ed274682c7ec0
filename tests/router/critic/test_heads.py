"""A head against sums worked out by hand and against scikit-learn's own."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from surefoot.router.calibration.boosted_trees import Tree
from surefoot.router.critic.fit_heads import HeadRecipe, fit_head
from surefoot.router.critic.heads import Head, Line, feature_row
from surefoot.router.errors import UsageError

# a <= 1 goes left (missing too): -1, else 2.
STUMP = Tree(
    (0, -1, -1), (1.0, 0.0, 0.0), (True, False, False), (1, 0, 0), (2, 0, 0), (0.0, -1.0, 2.0)
)
LINE = Line(0.25, (1.0, 0.0), (2.0, 1.0), (0.5, -1.0))
HEAD = Head(("a", "b"), 0.5, (STUMP,), LINE, 2.0, "b", 0.5)


def logit(p: float) -> float:
    return math.log(p / (1.0 - p))


@pytest.mark.parametrize(
    ("features", "log_odds"),
    [
        # 0.5 + 2 + 2 (0.25 + 0.5 (3 - 1) / 2 - 1)
        ({"a": 3.0, "b": 1.0}, 0.5 + 2.0 + 2.0 * (0.25 + 0.5 - 1.0)),
        # b is 0: the line has the other weight.
        ({"a": 3.0, "b": 0.0}, 0.5 + 2.0 + 0.5 * (0.25 + 0.5)),
        # Nothing is known: the tree's missing side, the line at its centers.
        ({}, 0.5 - 1.0 + 0.5 * 0.25),
        # Four standard deviations are as far as the line sees.
        ({"a": 1e6, "b": 1.0}, 0.5 + 2.0 + 2.0 * (0.25 + 0.5 * 4.0 - 1.0)),
    ],
)
def test_the_sum_of_trees_and_line(features: dict[str, float], log_odds: float) -> None:
    assert logit(HEAD.score(features)) == pytest.approx(log_odds)


def test_the_order_of_names_is_the_order_of_a_row() -> None:
    assert feature_row({"b": 2.0, "x": 1.0}, ("a", "b")) == [None, 2.0]


def test_any_other_number_is_another_fingerprint() -> None:
    others = [
        replace(HEAD, baseline=0.6),
        replace(HEAD, line_weight=1.0),
        replace(HEAD, gate=None),
        replace(HEAD, line=replace(LINE, intercept=0.0)),
        replace(HEAD, trees=()),
    ]
    prints = {one.fingerprint for one in (HEAD, *others)}
    assert len(prints) == 6
    assert replace(HEAD).fingerprint == HEAD.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"names": ("a", "a")},
        {"names": ("a",)},
        {"baseline": math.nan},
        {"line_weight": -1.0},
        {"line": Line(0.0, (0.0,), (1.0,), (1.0,))},
    ],
)
def test_a_head_that_does_not_fit_together_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        replace(HEAD, **change)  # type: ignore[arg-type]  # of several kinds


def rows(n: int = 400) -> tuple[list[dict[str, float]], list[int]]:
    """b says a lot and a little; c says nothing; a is missing for a fifth of the rows."""
    rng = random.Random(3)
    found, labels = [], []
    for _ in range(n):
        a, b, c = rng.gauss(0, 1), rng.gauss(0, 1), rng.gauss(0, 1)
        labels.append(int(a - 2 * b + rng.gauss(0, 1) > 0))
        found.append({"b": b, "c": c} if rng.random() < 0.2 else {"a": a, "b": b, "c": c})
    return found, labels


def test_trees_are_those_that_scikit_learn_grew() -> None:
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier

    features, labels = rows()
    recipe = HeadRecipe(trees=20, bags=1, line_weight=0.0, features_share=1.0)
    head = fit_head(features, labels, [1.0] * len(labels), recipe)
    values = np.array([[one.get(name, math.nan) for name in head.names] for one in features])
    model = HistGradientBoostingClassifier(
        max_iter=20, learning_rate=0.08, max_leaf_nodes=8, min_samples_leaf=25,
        l2_regularization=1.0, early_stopping=False, random_state=0,
    ).fit(values, labels)  # fmt: skip
    expected = model.predict_proba(values)[:, 1]
    assert [head.score(one) for one in features] == pytest.approx(expected.tolist(), abs=1e-4)


def test_a_line_alone_is_logistic_regression() -> None:
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    features, labels = rows()
    features = [{"b": one["b"], "c": one["c"]} for one in features]
    head = fit_head(features, labels, [1.0] * len(labels), HeadRecipe(trees=0, line_penalty=2.0))
    values = np.array([[one["b"], one["c"]] for one in features])
    scaled = (values - values.mean(0)) / values.std(0)
    model = LogisticRegression(C=0.5, tol=1e-10).fit(np.clip(scaled, -4, 4), labels)
    expected = model.predict_proba(np.clip(scaled, -4, 4))[:, 1].tolist()
    assert [head.score(one) for one in features] == pytest.approx(expected, abs=1e-4)


def test_signs_hold_in_trees_and_line() -> None:
    features, labels = rows()
    recipe = HeadRecipe(trees=60, signs={"b": 1}, features_share=1.0)  # it speaks against
    head = fit_head(features, labels, [1.0] * len(labels), recipe)
    assert head.line.weights[head.names.index("b")] == 0.0
    scores = [head.score({"a": 0.0, "b": b / 10, "c": 0.0}) for b in range(-30, 31)]
    assert scores == sorted(scores)


def test_a_line_may_be_kept_to_some_features() -> None:
    features, labels = rows()
    recipe = HeadRecipe(trees=5, line_names=("a",))
    head = fit_head(features, labels, [1.0] * len(labels), recipe)
    used = {name for name, weight in zip(head.names, head.line.weights, strict=True) if weight}
    assert used == {"a"}


def test_what_cannot_be_learned_from_is_refused() -> None:
    with pytest.raises(UsageError, match="both classes"):
        fit_head([{"a": 1.0}, {"a": 2.0}], [1, 1], [1.0, 1.0], HeadRecipe())
    with pytest.raises(UsageError, match="no feature varies"):
        fit_head([{"a": 1.0}, {"a": 1.0}], [0, 1], [1.0, 1.0], HeadRecipe())
    with pytest.raises(UsageError, match="at least one state"):
        fit_head([], [], [], HeadRecipe())


def test_a_feature_that_never_varies_is_left_out() -> None:
    features, labels = rows(100)
    head = fit_head(
        [{**one, "same": 1.0} for one in features], labels, [1.0] * 100, HeadRecipe(trees=3)
    )
    assert head.names == ("a", "b", "c")
