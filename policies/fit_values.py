"""Fitting value models to an outcome table: one logistic model a pair of rungs, each by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..router.calibration.logistic import LogisticProblem, fit_logistic
from ..router.decisions import Rung
from ..router.errors import UsageError
from .ladders import Ladders
from .paths import RungScores
from .value_models import CLIP, RungCosts, RungModel, ValueModels, evidence_steps

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Floats

    Ints = NDArray[np.int64]

__all__ = ["CrossFittedValues", "cross_fit_values", "fit_values"]

_FOLDS = 5
_TRUST = 0.5
_BELIEF = 1.0  # deviation of a coefficient from 0 that is believed before the rows are looked at
_PSEUDO = 0.5  # of a right and of a wrong answer, so that no probability is 0 or 1
_MOST_SPREAD = 5.0
_HALVINGS = 30
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class CrossFittedValues:
    """Models of all questions, and for each fold of questions models that know nothing of it.

    Attributes:
        models: fitted on all.
        by_fold: fitted without each fold.
        fold: of each question.
    """

    models: ValueModels
    by_fold: tuple[ValueModels, ...]
    fold: Ints


def fit_values(
    ladders: Ladders,
    scores: RungScores,
    prior: Floats | None = None,
    *,
    rows: Ints | None = None,
    trust: float = _TRUST,
) -> ValueModels:
    """Fit P(right) on every rung from nothing, and from every rung that can come before it.

    Each rung's own outcomes are modeled: with a few hundred questions the difference of two tiers
    is mostly noise, and a fit of it follows the noise. Coefficients are penalized about the means
    of the features, so few rows give the rung's base rate. Graded losses make the expected quality.

    A model with the prior and one without are averaged, logit by logit. A prior of a few hundred
    questions orders the tiers of a question badly even where it tells easy from hard: of the 12
    stored pairs of tiers some lose half their gain by believing it fully, and none gains by it.

    Args:
        scores: calibrated estimates of calibrators that had not seen the row.
        prior: P(right), (questions, tiers), of models that had not seen the question.
        rows: the questions to fit on; all where None.
        trust: weight of the model with the prior, in [0, 1].

    Raises:
        UsageError: a rung has no judged row, an estimate or prior outside [0, 1], or an odd trust.
    """
    import numpy as np

    if not 0.0 <= trust <= 1.0:
        raise UsageError(f"the trust in the prior is {trust}; it must be in [0, 1]")
    some = np.arange(len(ladders.queries)) if rows is None else np.sort(rows)
    order = some[np.argsort([ladders.queries[i] for i in some], kind="stable")]
    fitting = _Fitting(ladders, scores, prior, order)
    bare, informed = [], []
    for source, target in _steps(ladders.rungs):
        plain = fitting.bare(source, target)
        bare.append(fitting.with_spread(plain, None))
        if prior is not None:
            mixed = _mixed(plain, fitting.informed(source, target), trust)
            informed.append(fitting.with_spread(mixed, prior))
    costs = tuple(fitting.costs(at) for at in range(len(ladders.rungs)))
    return ValueModels(costs, tuple(bare), tuple(informed))


def cross_fit_values(
    ladders: Ladders,
    scores: RungScores,
    prior: Floats | None = None,
    *,
    seed: int,
    trust: float = _TRUST,
) -> CrossFittedValues:
    """As `fit_values`, and once more without each fold of questions, for searches to be honest."""
    import numpy as np

    n = len(ladders.queries)
    fold = np.random.default_rng(seed).permutation(n) % min(_FOLDS, n)
    by_fold = tuple(
        fit_values(ladders, scores, prior, rows=np.flatnonzero(fold != held), trust=trust)
        for held in range(int(fold.max()) + 1)
    )
    return CrossFittedValues(fit_values(ladders, scores, prior, trust=trust), by_fold, fold)


def _steps(rungs: Sequence[Rung]) -> Iterator[tuple[Rung | None, Rung]]:
    """From nothing to each rung, and between all that one run may visit in this order."""
    for target in rungs:
        yield None, target
        for source in rungs:
            later = target.tier >= source.tier and target.round >= source.round
            if later and source != target:
                yield source, target


@dataclass(frozen=True, slots=True)
class _Fitting:
    """The columns of a table, and the rows to fit on."""

    ladders: Ladders
    scores: RungScores
    prior: Floats | None
    rows: Ints

    def __post_init__(self) -> None:
        import numpy as np

        known = [self.scores.free, self.scores.paid, *([] if self.prior is None else [self.prior])]
        for found in known:
            if ((found < 0.0) | (found > 1.0)).any():
                raise UsageError("expected estimates and priors in [0, 1]")
        tiers = 1 + max(rung.tier for rung in self.ladders.rungs)
        n = len(self.ladders.queries)
        if self.prior is not None and (
            self.prior.shape != (n, tiers) or not np.isfinite(self.prior).all()
        ):
            raise UsageError(f"expected finite priors of shape ({n}, {tiers})")

    def estimate(self, rung: Rung) -> Floats:
        """The best estimate on a rung that was drafted whole; NaN where there is none."""
        import numpy as np

        at = self.ladders.rungs.index(rung)
        free, paid = self.scores.free[self.rows, at], self.scores.paid[self.rows, at]
        found = np.where(np.isnan(paid), free, paid)
        known: Floats = np.where(self.ladders.whole[self.rows, at], found, np.nan)
        return known

    def right(self, rung: Rung) -> Floats:
        """How right each answer is; one that cannot be served is wrong."""
        import numpy as np

        at = self.ladders.rungs.index(rung)
        lost = 1.0 - self.ladders.loss[self.rows, at]
        is_cut = self.ladders.present[self.rows, at] & ~self.ladders.whole[self.rows, at]
        found: Floats = np.where(is_cut, 0.0, lost)
        return found

    def bare(self, source: Rung | None, target: Rung) -> RungModel:
        """Without the prior."""
        features = [] if source is None else [_logit(self.estimate(source))]
        (*slopes, intercept) = self._fitted(features, target, len(features))
        return RungModel(source, target, intercept, *slopes)

    def informed(self, source: Rung | None, target: Rung) -> RungModel:
        """With it. Before any draft the prior stands as it is: it was brought to scale already."""
        assert self.prior is not None
        if source is None:
            return RungModel(None, target, 0.0, target_prior=1.0)
        own, other = (_logit(self.prior[self.rows, rung.tier]) for rung in (source, target))
        if source.tier == target.tier:
            slope, to, intercept = self._fitted([_logit(self.estimate(source)), other], target, 2)
            return RungModel(source, target, intercept, slope, 0.0, to)
        features = [_logit(self.estimate(source)), other, own]
        slope, to, of, intercept = self._fitted(features, target, 2)
        return RungModel(source, target, intercept, slope, of, to)

    def _fitted(self, features: list[Floats], target: Rung, rising: int) -> list[float]:
        """Coefficients, the first `rising` of them from 0, then the intercept."""
        import numpy as np

        right = self.right(target)
        table = np.stack([*features, np.ones(len(right))], axis=1)
        used = np.isfinite(table).all(axis=1) & np.isfinite(right)
        if not np.isfinite(right).any():
            raise UsageError(f"no answer of {target} was judged")
        width = len(features)
        if not used.any():  # the source never has an estimate: only the base rate is left
            table, used = np.where(np.arange(width + 1) < width, 0.0, table), np.isfinite(right)
        center = np.append(table[used, :width].mean(axis=0), 0.0)
        base = np.zeros((2, width + 1))
        base[:, -1] = 1.0
        problem = LogisticProblem(
            np.vstack([table[used] - center, base]),
            np.concatenate([right[used], [0.0, 1.0]]),
            np.concatenate([np.ones(int(used.sum())), [_PSEUDO, _PSEUDO]]),
            np.array([_BELIEF**-2] * width + [0.0]),
        )
        found = fit_logistic(problem, tuple(range(rising)))
        found[-1] -= found[:-1] @ center[:-1]
        return [float(x) for x in found]

    def with_spread(self, model: RungModel, prior: Floats | None) -> RungModel:
        """The model with the spread that its target's estimates have about it, rounded."""
        import numpy as np

        level = np.full(len(self.rows), model.intercept)
        if model.source is not None:
            level = level + model.slope * _logit(self.estimate(model.source))
        if prior is not None:
            level += model.target_prior * _logit(prior[self.rows, model.target.tier])
            if model.source is not None:
                level += model.source_prior * _logit(prior[self.rows, model.source.tier])
        numbers = (model.intercept, model.slope, model.source_prior, model.target_prior)
        intercept, slope, of, to = (round(x, _DIGITS) for x in numbers)
        spread = _spread(1.0 / (1.0 + np.exp(-level)), self.estimate(model.target))
        return RungModel(model.source, model.target, intercept, slope, of, to, spread)

    def costs(self, at: int) -> RungCosts:
        """Means over the questions that have the rung."""
        import numpy as np

        here = self.rows[self.ladders.present[self.rows, at]]
        free, paid = self.scores.free[here, at], self.scores.paid[here, at]
        rung, signal = self.ladders.rungs[at], self.scores.signal[at]
        answer = float(self.ladders.cost[here, at].mean()) if len(here) else 0.0
        if signal is None:
            return RungCosts(rung, answer)
        prices = self.scores.price[here, at]
        price = float(prices[~np.isnan(prices)].mean()) if (~np.isnan(prices)).any() else 0.0
        if np.isnan(free).all():
            return RungCosts(rung, answer, signal, price, True)
        return RungCosts(rung, answer, signal, price, False, _spread(free, paid))


def _mixed(bare: RungModel, informed: RungModel, trust: float) -> RungModel:
    def mean(one: float, other: float) -> float:
        return (1.0 - trust) * one + trust * other

    return replace(
        bare,
        intercept=mean(bare.intercept, informed.intercept),
        slope=mean(bare.slope, informed.slope),
        source_prior=mean(bare.source_prior, informed.source_prior),
        target_prior=mean(bare.target_prior, informed.target_prior),
    )


def _spread(before: Floats, after: Floats) -> float:
    """The spread at which estimates would vary about what is expected as much as they do.

    Both in [0, 1]; a question that lacks one of them says nothing.
    """
    import numpy as np

    known = ~np.isnan(before) & ~np.isnan(after)
    if not known.any():
        return 0.0
    before, seen = before[known], float(((after[known] - before[known]) ** 2).mean())
    low, high = 0.0, _MOST_SPREAD
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if _variance(before, middle) < seen:
            low = middle
        else:
            high = middle
    return round(low, _DIGITS)


def _variance(p: Floats, spread: float) -> float:
    """Mean of (p' - p)^2 where p' is p after evidence of that spread."""
    import numpy as np

    weight = np.array(evidence_steps(spread))
    weight = np.concatenate([weight, -weight])
    speaks = 1.0 / (1.0 + np.exp(-weight))
    p = np.clip(p, CLIP, 1.0 - CLIP)[:, None]
    after = 1.0 / (1.0 + np.exp(-_logit(p) - weight))
    chance = p * speaks + (1.0 - p) * (1.0 - speaks)
    return float((chance * (after - p) ** 2).sum(axis=1).mean() / (len(weight) / 2))


def _logit(p: Floats) -> Floats:
    import numpy as np

    clipped = np.clip(p, CLIP, 1.0 - CLIP)
    found: Floats = np.log(clipped / (1.0 - clipped))
    return found
