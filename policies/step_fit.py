"""Choosing the threshold of a step gate: how many right answers it may stop.

A gate that stops drafts early saves what they would have cost, and loses every right answer that it
stops. So the threshold is the highest at which, with confidence 1 - delta, at most a share `lost`
of the right answers is stopped. Answers are taken to be exchangeable with those to come.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..router.errors import UsageError
from ..router.evidence import Token
from ..router.metrics.ranking import auroc
from ..router.risk.binomial import clopper_pearson, largest_k
from ..router.steps.reading import StepReader

__all__ = ["LabeledDraft", "StepFit", "StepShare", "Walked", "fit_steps", "least_right", "walk"]


@dataclass(frozen=True, slots=True)
class LabeledDraft:
    """A whole draft of one tier with its tokens, and whether it is right."""

    tokens: tuple[Token, ...]
    correct: bool


@dataclass(frozen=True, slots=True)
class Walked:
    """A draft as the gate sees it.

    Attributes:
        weakest: the least value among the steps that end before the draft does; infinity where
            there is none, so that no threshold stops it.
        values: of these steps in their order, each with the number of tokens that were written
            when it was judged; steps without a signal are left out.
    """

    correct: bool
    tokens: int
    weakest: float
    values: tuple[tuple[float, int], ...]

    def stopped_at(self, threshold: float) -> int | None:
        """Tokens that are written when the gate stops the draft; None where it does not."""
        return next((at for value, at in self.values if value < threshold), None)


@dataclass(frozen=True, slots=True)
class StepShare:
    """`k` of `n`, with the 95 % interval of Clopper and Pearson; no share of none."""

    k: int
    n: int

    @property
    def share(self) -> float | None:
        """k / n."""
        return self.k / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the share."""
        return clopper_pearson(self.k, self.n) if self.n else None


@dataclass(frozen=True, slots=True)
class StepFit:
    """A threshold, what it promises, and what it did to the drafts that it was fitted on.

    Attributes:
        threshold: a step below it is weak; 0 where no threshold keeps the promise, which stops
            nothing.
        lost, delta: with confidence 1 - delta at most a share `lost` of right answers is stopped.
        right_stopped, wrong_stopped: of the drafts fitted on.
        tokens: of all drafts fitted on.
        tokens_saved: of these, what would not have been written.
        auroc: chance that a right draft's weakest step is surer than a wrong one's; None where one
            kind is missing.
        one_step: drafts of which no step ends before the draft does: no gate can stop them.
    """

    threshold: float
    lost: float
    delta: float
    right_stopped: StepShare
    wrong_stopped: StepShare
    tokens: int
    tokens_saved: int
    auroc: float | None
    one_step: int


def walk(reader: StepReader, draft: LabeledDraft) -> Walked:
    """The draft's steps as a gate would judge them while it is written."""
    ended = reader.ended(draft.tokens)
    # A step is judged once the token behind it is there.
    values = tuple([(one.value, one.step.end + 1) for one in ended if one.value is not None])
    weakest = min([value for value, _ in values], default=math.inf)
    return Walked(draft.correct, len(draft.tokens), weakest, values)


def least_right(lost: float, delta: float) -> int:
    """How many right answers it takes before any threshold can promise this: the least n with
    (1 - lost)^n <= delta.

    Raises:
        UsageError: a number is not in (0, 1).
    """
    if not (0.0 < lost < 1.0 and 0.0 < delta < 1.0):
        raise UsageError(f"expected lost and delta in (0, 1), got {lost} and {delta}")
    return math.ceil(math.log(delta) / math.log1p(-lost))


def fit_steps(drafts: Iterable[Walked], *, lost: float, delta: float) -> StepFit:
    """The highest threshold that stops at most a share `lost` of right answers.

    With n right answers, k = max{k: P(Bin(n, lost) <= k) <= delta} of them may lie below it. The
    threshold is the (k + 1)th smallest of their weakest steps: the chance that a new right answer
    lies below that order statistic exceeds `lost` with probability at most delta (a one-sided
    tolerance limit, free of any assumption but exchangeability).

    Source: Wilks 1941, "Determination of Sample Sizes for Setting Tolerance Limits".

    Raises:
        UsageError: there is no draft, or a level is not in (0, 1).
    """
    known = tuple(drafts)
    if not known:
        raise UsageError("there is no labeled draft to fit on")
    right = sorted(one.weakest for one in known if one.correct)
    allowed = largest_k(len(right), lost, delta)
    found = right[allowed] if 0 <= allowed < len(right) else 0.0
    threshold = min(found, 1.0)
    return StepFit(
        threshold,
        lost,
        delta,
        _stopped(known, threshold, lambda one: one.correct),
        _stopped(known, threshold, lambda one: not one.correct),
        sum(one.tokens for one in known),
        sum(one.tokens - (one.stopped_at(threshold) or one.tokens) for one in known),
        _auroc(known),
        sum(not one.values for one in known),
    )


def _stopped(
    known: Sequence[Walked], threshold: float, counts: Callable[[Walked], bool]
) -> StepShare:
    counted = [one for one in known if counts(one)]
    return StepShare(sum(one.weakest < threshold for one in counted), len(counted))


def _auroc(known: Sequence[Walked]) -> float | None:
    found = auroc([min(one.weakest, 2.0) for one in known], [int(one.correct) for one in known])
    return found if isinstance(found, float) else None
