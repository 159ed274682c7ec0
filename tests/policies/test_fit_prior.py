"""Fitting the prior: it learns what is there, and nothing where there is nothing."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import numpy as np
import pytest

from surefoot.policies.fit_prior import FEWEST, fit_prior
from surefoot.policies.learned_map import inputs_of, learned_map, nearness_of
from surefoot.policies.prior import CLIP, QuestionPrior
from surefoot.policies.question_features import question_features
from surefoot.policies.question_groups import deal_evenly, first_of_each, joined
from surefoot.router.errors import UsageError

HARD = "prove derive integral theorem tensor manifold".split()
EASY = "capital color animal spell name count".split()
FILLER = [f"{a}{b}{a}" for a in "bcdfghjk" for b in "aeiou"]


def asked(n: int, seed: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Questions with hard or easy words; P(right) per tier and one draw of the losses."""
    rng = random.Random(seed)
    questions, chances = [], []
    for _ in range(n):
        hard = rng.random() < 0.5
        words = rng.choices(FILLER, k=6) + rng.choices(HARD if hard else EASY, k=2)
        rng.shuffle(words)
        questions.append(" ".join(words) + "?")
        chances.append((0.2, 0.7) if hard else (0.85, 0.9))
    p = np.asarray(chances)
    return questions, p, (np.random.default_rng(seed).random(p.shape) >= p).astype(float)


def auroc(scores: np.ndarray, wrong: np.ndarray) -> float:
    """Of the scores as a sign of being right."""
    right, other = scores[wrong == 0.0], scores[wrong == 1.0]
    more = (right[:, None] > other).mean()
    return float(more + 0.5 * (right[:, None] == other).mean())


def test_it_learns_which_words_are_hard_and_for_whom() -> None:
    questions, _, losses = asked(400, seed=1)
    prior = fit_prior(questions, losses, seed=0).prior
    fresh, p, _ = asked(300, seed=2)
    told = np.asarray([prior.probabilities(question) for question in fresh])
    assert np.abs(told - p).mean() < 0.12
    gain = told[:, 1] - told[:, 0]
    hard = p[:, 0] < 0.5
    assert (gain[hard].mean(), gain[~hard].mean()) == pytest.approx((0.5, 0.05), abs=0.12)


def test_out_of_fold_is_honest_about_fresh_questions() -> None:
    questions, _, losses = asked(400, seed=1)
    fitted = fit_prior(questions, losses, seed=0)
    fresh, _, fresh_losses = asked(4000, seed=2)
    told = np.asarray([fitted.prior.probabilities(question) for question in fresh])
    expected = ((told - 1.0 + fresh_losses) ** 2).mean(axis=0)
    found = ((fitted.out_of_fold - 1.0 + losses) ** 2).mean(axis=0)
    assert found == pytest.approx(expected, abs=0.025)
    assert fitted.out_of_fold.mean(axis=0) == pytest.approx(1.0 - losses.mean(axis=0), abs=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_on_noise_out_of_fold_does_not_beat_chance_though_the_prior_itself_would(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    questions = [" ".join(rng.choice(FILLER, 12)) for _ in range(300)]
    losses = (rng.random((300, 2)) < 0.4).astype(float)
    fitted = fit_prior(questions, losses, seed=0)
    inside = np.asarray([fitted.prior.scores(question) for question in questions])
    for tier in range(2):
        wrong = losses[:, tier]
        honest = auroc(fitted.out_of_fold[:, tier], wrong)
        assert honest < 0.56  # deviation of the AUROC of a coin: .034
        assert auroc(inside[:, tier], wrong) > honest + 0.1  # the control: it has seen them
        constant = ((1.0 - wrong.mean() - 1.0 + wrong) ** 2).mean()
        assert ((fitted.out_of_fold[:, tier] - 1.0 + wrong) ** 2).mean() > constant - 0.002


def test_copies_stay_in_one_fold_so_they_teach_nothing_about_each_other() -> None:
    rng = np.random.default_rng(0)
    letters = list("abcdefghijklmnopqrstuvwxyz")
    base = [" ".join("".join(rng.choice(letters, 5)) for _ in range(8)) for _ in range(120)]
    wrong = (rng.random((120, 1)) < 0.5).astype(float)
    questions = base + [question.upper() + "  " for question in base]
    losses = np.vstack([wrong, wrong])
    assert auroc(fit_prior(questions, losses, seed=0).out_of_fold[:, 0], losses[:, 0]) < 0.6
    # The control: a word of their own makes them different questions to the fit.
    marked = base + [question + " please" for question in base]
    assert auroc(fit_prior(marked, losses, seed=0).out_of_fold[:, 0], losses[:, 0]) > 0.7
    # ... unless the caller says which belong together.
    grouped = fit_prior(marked, losses, seed=0, groups=list(range(120)) * 2)
    assert auroc(grouped.out_of_fold[:, 0], losses[:, 0]) < 0.6


def test_the_order_of_the_questions_has_no_influence() -> None:
    questions, _, losses = asked(90, seed=3)
    questions[5] = questions[4]  # the same question twice, with outcomes of its own
    losses[7, 1] = np.nan
    order = np.random.default_rng(0).permutation(90)
    one = fit_prior(questions, losses, seed=4)
    other = fit_prior([questions[i] for i in order], losses[order], seed=4)
    assert other.prior == one.prior and other.prior.fingerprint == one.prior.fingerprint
    assert (other.out_of_fold == one.out_of_fold[order]).all()


def test_the_seed_decides_the_folds() -> None:
    questions, _, losses = asked(90, seed=3)
    one, same, other = (fit_prior(questions, losses, seed=s).out_of_fold for s in (1, 1, 2))
    assert (one == same).all() and not (one == other).all()


def test_served_numbers_are_those_that_the_fit_saw_and_the_file_keeps_them() -> None:
    questions, _, losses = asked(200, seed=5)
    prior = fit_prior(questions, losses, seed=0).prior
    features = [question_features(question) for question in questions]
    inputs = inputs_of(prior.map.scales, features)
    near = nearness_of(prior.map, inputs)
    expected = inputs @ prior.weights.values() + near @ prior.worths.values()
    served = [prior.scores(question) for question in questions]
    assert np.asarray(served) == pytest.approx(expected, abs=1e-12)
    text = json.dumps(prior.to_data())
    back = QuestionPrior.from_data(json.loads(text))
    told = [back.probabilities(question) for question in questions]
    assert told == [prior.probabilities(question) for question in questions]
    assert len(text) < 40_000 and not any(word in text for word in HARD)


def test_mean_probabilities_are_the_accuracies_after_rounding_the_weights() -> None:
    questions, _, losses = asked(300, seed=6)
    prior = fit_prior(questions, losses, seed=0).prior
    told = np.asarray([prior.probabilities(question) for question in questions])
    assert told.mean(axis=0) == pytest.approx(1.0 - losses.mean(axis=0), abs=0.01)


def test_graded_losses_give_expected_quality() -> None:
    questions, p, _ = asked(300, seed=7)
    prior = fit_prior(questions, 1.0 - p, seed=0).prior
    told = np.asarray([prior.probabilities(question) for question in questions])
    assert np.abs(told - p).mean() < 0.05


def test_unjudged_answers_are_left_out_and_predicted_all_the_same() -> None:
    questions, p, losses = asked(400, seed=8)
    losses[:150, 1] = np.nan
    fitted = fit_prior(questions, losses, seed=0)
    assert np.isfinite(fitted.out_of_fold).all()
    assert np.abs(fitted.out_of_fold[:150, 1] - p[:150, 1]).mean() < 0.15


def test_a_tier_that_is_always_right_or_always_wrong_stays_clipped() -> None:
    questions, _, losses = asked(60, seed=9)
    losses[:, 0], losses[:, 1] = 1.0, 0.0
    fitted = fit_prior(questions, losses, seed=0)
    assert fitted.prior.probabilities("anything") == (CLIP, 1.0 - CLIP)
    assert (fitted.out_of_fold == (CLIP, 1.0 - CLIP)).all()


def test_few_empty_and_strange_questions_can_be_fitted() -> None:
    questions = ["", "\ud800", "東京", "?" * 9] + [f"{word} {word}" for word in FILLER[:17]]
    losses = np.tile([[0.0], [1.0], [0.5]], (7, 1))
    fitted = fit_prior(questions, losses, seed=0)
    assert np.isfinite(fitted.out_of_fold).all()
    for question in [*questions, "never seen", "x" * 10**6]:
        assert CLIP <= fitted.prior.probabilities(question)[0] <= 1.0 - CLIP


@pytest.mark.parametrize(
    ("questions", "losses", "said"),
    [
        (["a", "b"], [[0.0]], r"\(2, tiers\)"),
        (["a"] * 30, [0.0] * 30, "shape"),
        ([f"q {n}" for n in range(30)], [[1.5]] * 30, r"\[0, 1\]"),
        ([f"q {n}" for n in range(30)], [[-0.1]] * 30, r"\[0, 1\]"),
        ([f"q {n}" for n in range(30)], [[float("inf")]] * 30, r"\[0, 1\]"),
        ([f"q {n}" for n in range(FEWEST - 1)], [[0.0]] * (FEWEST - 1), "at least 20"),
        (["the same"] * 30, [[0.0]] * 30, "two different"),
        (["The same", "the  same"] * 15, [[0.0]] * 30, "two different"),
    ],
)
def test_bad_input_is_refused_in_words(questions: list[str], losses: list[Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        fit_prior(questions, losses, seed=0)


def test_one_group_is_refused() -> None:
    questions, _, losses = asked(30, seed=0)
    with pytest.raises(UsageError, match="different groups"):
        fit_prior(questions, losses, seed=0, groups=["all"] * 30)
    with pytest.raises(UsageError, match="a group for each of 30"):
        fit_prior(questions, losses, seed=0, groups=["all"])


def test_sameness_carries_over_groups() -> None:
    assert joined([0, 1, 2, 3, 2], None) == [0, 1, 2, 3, 2]
    # 0 and 2 share a group, 4 is the same question as 2 and shares a group with 3.
    assert joined([0, 1, 2, 3, 2], ["a", "b", "a", "c", "c"]) == [0, 1, 0, 0, 0]


def test_the_same_question_is_found_whatever_its_case_and_spacing() -> None:
    texts = ["Is it so?", "is  it SO?", "so is it?", "is it so"]
    assert first_of_each([question_features(text) for text in texts]) == [0, 0, 2, 3]


def test_kinds_stay_whole_and_folds_about_even() -> None:
    kinds = [0] * 10 + [1] * 4 + [2] * 3 + list(range(3, 16))
    folds = deal_evenly(kinds, 3, seed=0)
    assert len(set(folds[:10])) == len(set(folds[10:14])) == len(set(folds[14:17])) == 1
    assert sorted(np.bincount(folds)) == [10, 10, 10]


def test_the_map_brings_together_what_shares_words_with_the_same_words() -> None:
    rng = random.Random(0)
    sets = [FILLER[:12], FILLER[12:24]]
    texts = [" ".join(rng.sample(sets[n % 2], 4)) for n in range(400)]
    found = [question_features(text) for text in texts]
    map_ = learned_map(found, range(400), seed=0)
    kinds = [question_features(" ".join(words[:3])) for words in sets]
    places = inputs_of(map_.scales, kinds)
    remembered = nearness_of(map_, places)
    # Each is near to many of the remembered of its kind and to few others.
    assert remembered.shape == (2, 100)
    assert float(np.asarray(np.corrcoef(remembered))[0, 1]) < -0.3


@pytest.mark.slow
def test_a_fit_takes_seconds_at_most() -> None:
    for n, limit in ((300, 2.0), (10_000, 12.0)):
        questions, _, losses = asked(n, seed=0)
        began = time.process_time()
        fit_prior(questions, losses, seed=0)
        # 0.1 and 2 on an idle core; CPU time over all threads, on shared machines.
        assert time.process_time() - began < limit
