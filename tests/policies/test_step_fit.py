"""The threshold of a step gate: by hand, and its promise by simulation."""

from __future__ import annotations

import math
import random

import pytest

from surefoot.policies.step_fit import (
    LabeledDraft,
    StepShare,
    Walked,
    fit_steps,
    least_right,
    walk,
)
from surefoot.router.errors import UsageError
from surefoot.router.estimators.perplexity import Perplexity
from surefoot.router.evidence import Token
from surefoot.router.steps.positions import Sentences
from surefoot.router.steps.reading import StepReader

from ..router.steps.spoken import spoken

READER = StepReader(Sentences(), Perplexity())


def test_a_draft_is_walked_as_the_gate_will_see_it() -> None:
    tokens = spoken(("Two and two.", 0.9), (" That is five.", 0.4), (" So five.", 0.1))
    found = walk(READER, LabeledDraft(tokens, False))
    assert (found.correct, found.tokens) == (False, 8)
    assert found.weakest == pytest.approx(0.4)  # the last step is not among them
    assert [(round(value, 6), at) for value, at in found.values] == [(0.9, 4), (0.4, 7)]
    assert (found.stopped_at(0.5), found.stopped_at(0.95), found.stopped_at(0.3)) == (7, 4, None)
    one = walk(READER, LabeledDraft(spoken(("Five.", 0.1)), True))
    assert (one.weakest, one.values) == (math.inf, ())
    assert walk(READER, LabeledDraft((Token("A."), Token(" B.")), True)).weakest == math.inf


def walked(correct: bool, weakest: float, tokens: int = 10, at: int = 5) -> Walked:
    return Walked(correct, tokens, weakest, ((weakest, at),) if weakest < math.inf else ())


def test_the_threshold_by_hand() -> None:
    # 10 right answers at .1 ... 1.0. P(Bin(10, .5) <= 2) = 56/1024 = .0547, <= 1: 11/1024 = .0107
    right = [walked(True, i / 10) for i in range(1, 11)]
    wrong = [walked(False, weakest) for weakest in (0.05, 0.15, 0.9)]
    fit = fit_steps([*right, *wrong], lost=0.5, delta=0.06)
    assert fit.threshold == pytest.approx(0.3)
    assert (fit.right_stopped, fit.wrong_stopped) == (StepShare(2, 10), StepShare(2, 3))
    assert (fit.tokens, fit.tokens_saved) == (130, 4 * 5)
    assert fit_steps([*right, *wrong], lost=0.5, delta=0.05).threshold == pytest.approx(0.2)
    # right ones above wrong ones: .05 -> 10, .15 -> 9, .9 -> 1.5 (one above, one equal)
    assert fit.auroc == pytest.approx((10 + 9 + 1.5) / 30)


def test_too_few_right_answers_stop_nothing() -> None:
    fit = fit_steps([walked(True, 0.5)] * 58 + [walked(False, 0.1)], lost=0.05, delta=0.05)
    assert (fit.threshold, fit.wrong_stopped.k, fit.tokens_saved) == (0.0, 0, 0)
    assert least_right(0.05, 0.05) == 59  # .95^59 = .0485, .95^58 = .0510
    enough = fit_steps([walked(True, 0.5)] * 59 + [walked(False, 0.1)], lost=0.05, delta=0.05)
    assert (enough.threshold, enough.wrong_stopped.k, enough.right_stopped.k) == (0.5, 1, 0)


def test_answers_of_one_step_count_as_kept() -> None:
    fit = fit_steps([walked(True, math.inf)] * 100 + [walked(False, 0.99)], lost=0.1, delta=0.1)
    assert fit.threshold == 1.0
    assert (fit.right_stopped.k, fit.wrong_stopped.k, fit.one_step) == (0, 1, 100)
    assert fit.auroc == 1.0


def test_what_cannot_be_fitted_is_said() -> None:
    with pytest.raises(UsageError, match="no labeled draft"):
        fit_steps([], lost=0.1, delta=0.1)
    with pytest.raises(UsageError):
        fit_steps([walked(True, 0.5)], lost=0.0, delta=0.1)
    with pytest.raises(UsageError):
        least_right(1.0, 0.5)
    assert fit_steps([walked(True, 0.5)], lost=0.5, delta=0.5).auroc is None
    assert (StepShare(0, 0).share, StepShare(0, 0).interval) == (None, None)


def losses(trials: int, choose: str) -> float:
    """Share of trials in which more than 10 % of new right answers would be stopped.

    Weakest steps of right answers are uniform, so that a threshold t stops a share t of them.
    """
    draw, missed = random.Random(7), 0
    for _ in range(trials):
        sample = [draw.random() for _ in range(120)]
        if choose == "fitted":
            drafts = [walked(True, value) for value in sample]
            threshold = fit_steps(drafts, lost=0.1, delta=0.1).threshold
        else:  # the sample's own quantile, as rivals take it
            threshold = sorted(sample)[12]
        missed += threshold > 0.1
    return missed / trials


def test_the_promise_holds_and_a_plain_quantile_breaks_it() -> None:
    trials = 2000
    spread = 3 * math.sqrt(0.1 * 0.9 / trials)
    assert losses(trials, "fitted") <= 0.1 + spread
    assert losses(trials, "plain") > 0.3
