"""Choosing the threshold of a release gate: how many of the drafts that it lets be shown are wrong.

What was shown cannot be called back, so the promise is about right and wrong: with confidence
1 - delta at most a share alpha of the drafts that are shown live is wrong. Drafts are taken to be
exchangeable with those to come.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from ..router.errors import UsageError
from ..router.metrics.ranking import auroc
from ..router.risk.fixed_sequence import fixed_sequence, least_accepted
from ..router.risk.p_values import exact_binomial
from ..router.risk.sample_size import critical_counts
from ..router.risk.score_grid import count_grid
from ..router.steps.reading import StepReader
from .step_fit import LabeledDraft, StepShare

__all__ = ["ReadDraft", "ReleaseFit", "fit_release", "read_prefixes"]


@dataclass(frozen=True, slots=True)
class ReadDraft:
    """A draft as the gate sees it.

    Attributes:
        tokens: of the whole draft.
        values: the signal of all that was written up to the end of each step that ends before the
            draft does, each with the number of tokens that were there when it was judged; steps
            without a signal are left out.
    """

    correct: bool
    tokens: int
    values: tuple[tuple[float, int], ...]

    @property
    def best(self) -> float:
        """The highest value: the draft is shown wherever the threshold is no higher. NaN where
        nothing is judged before its end, so that no threshold lets it be shown."""
        return max([value for value, _ in self.values], default=math.nan)

    def shown_at(self, threshold: float) -> int | None:
        """Tokens that are there when the draft is first shown; None where it is not."""
        return next((at for value, at in self.values if value >= threshold), None)


@dataclass(frozen=True, slots=True)
class ReleaseFit:
    """A threshold, what it promises, and what it did to the drafts that it was fitted on.

    Attributes:
        threshold: None where none keeps the promise.
        alpha, delta: with confidence 1 - delta at most a share alpha of shown drafts is wrong.
        p_value: of the test at the threshold; of the first one where it failed.
        shown: drafts that are shown before they are whole, of all.
        wrong: wrong ones, of those that are shown.
        wrong_overall: wrong ones, of all.
        tokens: of all drafts.
        tokens_live: of these, what is shown as it comes.
        auroc: chance that a right draft's best beginning is surer than a wrong one's; None where
            one kind is missing.
        one_step: drafts of which no step ends before the draft does: they are never shown live.
    """

    threshold: float | None
    alpha: float
    delta: float
    p_value: float | None
    shown: StepShare
    wrong: StepShare
    wrong_overall: StepShare
    tokens: int
    tokens_live: int
    auroc: float | None
    one_step: int


def read_prefixes(reader: StepReader, draft: LabeledDraft) -> ReadDraft:
    """The draft's beginnings as a gate would judge them while it is written."""
    found = reader.prefixes(draft.tokens)
    # A step has ended once the token behind it is there.
    values = tuple([(one.value, one.step.end + 1) for one in found if one.value is not None])
    return ReadDraft(draft.correct, len(draft.tokens), values)


def fit_release(drafts: Iterable[ReadDraft], *, alpha: float, delta: float) -> ReleaseFit:
    """The lowest threshold that is certified to keep the share of wrong drafts among those that are
    shown within alpha.

    Cuts are laid over the drafts' best values at the counts at which one more error becomes
    bearable, and tested from strict to loose by p = P(Bin(n, alpha) <= k) for k wrong drafts among
    the n shown, each at level delta, up to the first that fails.

    Source: Angelopoulos et al. 2021, "Learn then Test", arXiv 2110.01052, fixed-sequence testing.

    Raises:
        UsageError: there is no draft, or a level is not in (0, 1).
    """
    known = tuple(drafts)
    if not known:
        raise UsageError("there is no labeled draft to fit on")
    least_accepted(alpha, delta)  # complains of levels
    scores = [one.best for one in known]
    counts = critical_counts(len(known), alpha, delta)
    points = () if all(map(math.isnan, scores)) else count_grid(scores, counts)
    cuts = [point.cut.score for point in points]
    tested = _p_values(known, cuts, alpha)
    passed = sum(fixed_sequence(tested, delta)) if tested else 0
    threshold = min(1.0, max(0.0, cuts[passed - 1])) if passed else None
    p_value = tested[max(0, passed - 1)] if tested else None
    return _fit(known, threshold, alpha, delta, p_value)


def _p_values(known: Sequence[ReadDraft], cuts: Sequence[float], alpha: float) -> list[float]:
    surest = sorted([one for one in known if one.values], key=lambda one: -one.best)
    falling = [-one.best for one in surest]
    wrong = list(accumulate([not one.correct for one in surest], initial=0))
    counts = [bisect_right(falling, -cut) for cut in cuts]
    return [exact_binomial(wrong[n], n, alpha) for n in counts]


def _fit(
    known: tuple[ReadDraft, ...],
    threshold: float | None,
    alpha: float,
    delta: float,
    p_value: float | None,
) -> ReleaseFit:
    places = [None if threshold is None else one.shown_at(threshold) for one in known]
    shown = [(one, at) for one, at in zip(known, places, strict=True) if at is not None]
    judged = [one for one in known if one.values]
    found = auroc([one.best for one in judged], [int(one.correct) for one in judged])
    return ReleaseFit(
        threshold,
        alpha,
        delta,
        p_value,
        StepShare(len(shown), len(known)),
        StepShare(sum(not one.correct for one, _ in shown), len(shown)),
        StepShare(sum(not one.correct for one in known), len(known)),
        sum(one.tokens for one in known),
        sum(one.tokens - at for one, at in shown),
        found if isinstance(found, float) else None,
        sum(not one.values for one in known),
    )
