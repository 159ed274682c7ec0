"""The threshold of a release gate: by hand, and its promise by simulation."""

from __future__ import annotations

import math
import random

import pytest

from surefoot.policies.release_fit import ReadDraft, fit_release, read_prefixes
from surefoot.policies.step_fit import LabeledDraft, StepShare
from surefoot.router.errors import UsageError
from surefoot.router.estimators.min_token_prob import MinTokenProb
from surefoot.router.estimators.perplexity import Perplexity
from surefoot.router.evidence import Token
from surefoot.router.steps.positions import Sentences
from surefoot.router.steps.reading import StepReader

from ..router.steps.spoken import spoken


def test_a_draft_is_read_as_the_gate_will_see_it() -> None:
    tokens = spoken(("Two and two.", 0.9), (" That is five.", 0.4), (" So five.", 0.1))
    found = read_prefixes(StepReader(Sentences(), Perplexity()), LabeledDraft(tokens, False))
    assert (found.correct, found.tokens) == (False, 8)
    first, second = found.values  # the whole draft is for the policy to judge
    assert (first[1], second[1]) == (4, 7)
    assert first[0] == pytest.approx(0.9)
    assert second[0] == pytest.approx((0.9**3 * 0.4**3) ** (1 / 6))
    assert found.best == pytest.approx(0.9)
    assert (found.shown_at(0.9 - 1e-9), found.shown_at(0.95)) == (4, None)
    rising = spoken(("Two and two.", 0.5), (" That is four.", 0.9), (" Good.", 0.9))
    found = read_prefixes(StepReader(Sentences(), Perplexity()), LabeledDraft(rising, True))
    assert found.shown_at(0.6) == 7  # unsure at first, and sure enough with the second sentence
    never = read_prefixes(StepReader(Sentences(), MinTokenProb()), LabeledDraft(rising, True))
    assert never.shown_at(0.6) is None  # its weakest token stays
    assert math.isnan(read_prefixes(StepReader(Sentences(), Perplexity()), one_word()).best)


def one_word() -> LabeledDraft:
    return LabeledDraft((Token("Four."),), True)


def draft(correct: bool, best: float | None, tokens: int = 10, at: int = 4) -> ReadDraft:
    return ReadDraft(correct, tokens, () if best is None else ((best, at),))


def test_the_threshold_by_hand() -> None:
    # k errors among n are borne where P(Bin(n, .5) <= k) <= .55, which is n > 2k: P = .5 for
    # n = 2k + 1, .593 for k = 9 and n = 18. Tested counts begin near .8 sqrt(40 / .5) = 7.2.
    labels = [True] * 10 + [False] * 8 + [False] * 22
    drafts = [draft(label, 1.0 - i / 100) for i, label in enumerate(labels)]
    fit = fit_release(drafts, alpha=0.5, delta=0.55)
    # The surest 10 are right, and bear 9 wrong ones: 19 > 2 * 9. Of the next count 11 of 21 are.
    assert fit.shown == StepShare(19, 40) and fit.wrong == StepShare(9, 19)
    assert fit.threshold is not None and 0.81 < fit.threshold <= 0.82
    assert fit.p_value == pytest.approx(0.5)
    assert fit.wrong_overall == StepShare(30, 40)
    assert (fit.tokens, fit.tokens_live) == (400, 19 * 6)
    assert fit.auroc == 1.0


def test_what_is_never_judged_is_never_shown() -> None:
    drafts = [draft(True, 0.9)] * 60 + [draft(False, None)] * 40
    fit = fit_release(drafts, alpha=0.1, delta=0.1)
    assert (fit.shown, fit.wrong.k, fit.one_step) == (StepShare(60, 100), 0, 40)
    assert fit.threshold == 0.0  # nothing that is judged is left out
    assert fit_release([draft(True, None)] * 50, alpha=0.1, delta=0.1).threshold is None


def test_where_nothing_can_be_promised_nothing_is_shown() -> None:
    few = fit_release([draft(True, 0.9)] * 21, alpha=0.1, delta=0.1)
    assert few.threshold is None and few.shown.k == 0 and few.p_value is None
    enough = fit_release([draft(True, 0.9)] * 22, alpha=0.1, delta=0.1)  # .9^22 = .098
    assert enough.threshold == 0.0
    wrong = fit_release([draft(i % 2 == 0, i / 200) for i in range(200)], alpha=0.1, delta=0.1)
    assert wrong.threshold is None and wrong.p_value is not None and wrong.p_value > 0.1
    with pytest.raises(UsageError, match="no labeled draft"):
        fit_release([], alpha=0.1, delta=0.1)
    with pytest.raises(UsageError):
        fit_release([draft(True, 0.9)], alpha=1.0, delta=0.1)


def broken(trials: int, choose: str) -> tuple[float, float]:
    """Share of trials in which more than 20 % of what would be shown is wrong; mean share shown.

    Sureness is uniform and a draft is right with that chance: of those shown from t on a share
    (1 - t) / 2 is wrong, so the promise is broken wherever t < .6.
    """
    rng, missed, shown = random.Random(11), 0, 0.0
    for _ in range(trials):
        sample = [rng.random() for _ in range(300)]
        drafts = [draft(rng.random() < best, best) for best in sample]
        if choose == "fitted":
            threshold = fit_release(drafts, alpha=0.2, delta=0.1).threshold
        else:  # the lowest threshold that looks good enough, as rivals take it
            surest, wrong, threshold = sorted(drafts, key=lambda one: -one.best), 0, None
            for n, one in enumerate(surest, 1):
                wrong += not one.correct
                if wrong <= 0.2 * n:
                    threshold = one.best
        if threshold is not None:
            missed += threshold < 0.6
            shown += 1.0 - threshold
    return missed / trials, shown / trials


def test_the_promise_holds_and_what_looks_good_breaks_it() -> None:
    trials = 600
    missed, shown = broken(trials, "fitted")
    assert missed <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / trials)
    assert shown > 0.25, "of the .4 that could be shown"
    plain, _ = broken(trials, "plain")
    assert plain > 0.4
