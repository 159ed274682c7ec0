"""Fitting the prior to past questions and how every tier fared on them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..router.errors import UsageError
from .learned_map import inputs_of, learned_map, nearness_of
from .packed_table import packed
from .prior import CLIP, Line, QuestionMap, QuestionPrior
from .question_features import question_features
from .question_groups import deal_evenly, first_of_each, joined
from .ridge_path import RidgeFit, fit_ridge

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["FEWEST", "FittedPrior", "fit_prior"]

FEWEST = 20
"""Judged questions that every tier needs."""

_FOLDS = 5
_DOUBT = 0.5  # deviation of a slope from 1 that is believed before the rows are looked at
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class FittedPrior:
    """A prior, and what priors fitted without a question said of it.

    Attributes:
        prior: fitted on all questions.
        out_of_fold: P(right), shape (questions, tiers), in the order given; finite also where the
            loss is unknown. Policies are searched with these: the prior itself knows the outcomes
            of the questions it was fitted on. Only the map, which knows no outcomes, saw them all.
        penalty: of the ridges, as it was chosen.
    """

    prior: QuestionPrior
    out_of_fold: Floats
    penalty: float


def fit_prior(
    questions: Sequence[str],
    losses: ArrayLike,
    *,
    seed: int,
    groups: Sequence[Hashable] | None = None,
) -> FittedPrior:
    """Fit P(right) of every tier to past questions.

    A ridge for each tier on the inputs and the nearness to remembered questions, the penalty chosen
    out of fold, and a line that brings the out-of-fold scores to scale. Each tier is estimated by
    itself: with few questions the difference of two tiers is mostly noise, and a fit of it follows
    the noise. The order of the questions has no influence. Same words, same fold: questions with
    the same features never stand on both sides.

    Args:
        losses: in [0, 1], shape (questions, tiers), NaN where nobody judged; 0 is right. Graded
            losses make the expected quality of P(right).
        groups: of each question; those of one group (turns of a conversation, paraphrases) are
            kept in one fold too.

    Raises:
        UsageError: shapes that do not fit, a loss outside [0, 1], fewer than `FEWEST` judged
            questions for a tier, or outcomes in one group only.
    """
    import numpy as np

    known = _checked(questions, losses, groups)
    order = sorted(range(len(questions)), key=lambda i: (questions[i], _comparable(known[i])))
    found = [question_features(questions[i]) for i in order]
    first = first_of_each(found)
    kinds = joined(first, None if groups is None else [groups[i] for i in order])
    if len(set(kinds)) < 2:
        raise UsageError("expected at least two different questions, of different groups")
    folds = deal_evenly(kinds, min(_FOLDS, len(set(kinds))), seed)
    map_ = learned_map(found, sorted(set(first)), seed)
    count = len(map_.axes)
    features = inputs_of(map_.scales, found, room=len(map_.remembered))
    features[:, count:] = nearness_of(map_, features[:, :count])
    right = 1.0 - known[order]
    ridge = fit_ridge(features, right, folds)
    out_of_fold = np.empty(right.shape)
    out_of_fold[order] = _scaled_out_of_fold(ridge.out_of_fold, right, folds)
    return FittedPrior(_prior(map_, features, right, ridge), out_of_fold, ridge.penalty)


def _prior(map_: QuestionMap, features: Floats, right: Floats, ridge: RidgeFit) -> QuestionPrior:
    """The weights rounded as they are stored, and only then the scores brought to scale."""
    import numpy as np

    count = len(map_.axes)
    weights, worths = packed(ridge.weights[:count]), packed(ridge.weights[count:])
    scores = features @ np.vstack([weights.values(), worths.values()])
    lines = []
    for column, outcomes in enumerate(right.T):
        judged = np.isfinite(outcomes)
        line = _line(ridge.out_of_fold[judged, column], outcomes[judged])
        # A ridge goes through its means: the score's is where the outcomes' is.
        middle = outcomes[judged].mean() - line.slope * scores[judged, column].mean()
        lines.append(Line(round(float(middle), _DIGITS), line.slope))
    return QuestionPrior(map_, weights, worths, tuple(lines))


def _scaled_out_of_fold(scores: Floats, right: Floats, folds: Ints) -> Floats:
    """Each fold's scores brought to scale by a line fitted on the other folds."""
    import numpy as np

    scaled = np.empty(scores.shape)
    for fold in range(int(folds.max()) + 1):
        held_out = folds == fold
        for column, outcomes in enumerate(right.T):
            used = ~held_out & np.isfinite(outcomes)
            line = _line(scores[used, column], outcomes[used])
            scaled[held_out, column] = line.intercept + line.slope * scores[held_out, column]
    return np.clip(scaled, CLIP, 1.0 - CLIP)


def _line(scores: Floats, outcomes: Floats) -> Line:
    """Least squares with a normal belief about the slope, 1 with deviation `_DOUBT`.

    A ridge is nearly to scale already. Few questions say little about the slope, and slopes that
    err by tier would disturb the order in which tiers differ.
    """
    center, middle = float(scores.mean()), float(outcomes.mean())
    off = scores - center
    belief = float(outcomes.var()) / _DOUBT**2 or 1.0
    slope = (float(off @ outcomes) + belief) / (float(off @ off) + belief)
    slope = round(max(slope, 0.0), _DIGITS)
    return Line(middle - slope * center, slope)


def _checked(
    questions: Sequence[str], losses: ArrayLike, groups: Sequence[Hashable] | None
) -> Floats:
    import numpy as np

    found = np.asarray(losses, dtype=np.float64)
    count = len(questions)
    if found.ndim != 2 or found.shape[0] != count or not found.shape[1]:
        raise UsageError(f"expected losses of shape ({count}, tiers), got {found.shape}")
    if groups is not None and len(groups) != count:
        raise UsageError(f"expected a group for each of {count} questions, got {len(groups)}")
    judged = ~np.isnan(found)
    if not ((found >= 0.0) & (found <= 1.0))[judged].all():
        raise UsageError("expected losses in [0, 1], or NaN where nobody judged")
    for tier, labels in enumerate(judged.sum(axis=0).tolist()):
        if labels < FEWEST:
            raise UsageError(
                f"expected at least {FEWEST} judged questions for each tier, got {labels} for tier "
                f"{tier}; collect more, or do without a prior"
            )
    return found


def _comparable(losses: Floats) -> list[float]:
    """The losses with 2 for NaN, which no sorting can place."""
    return [2.0 if loss != loss else loss for loss in losses.tolist()]
