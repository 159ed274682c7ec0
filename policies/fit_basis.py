"""What every fit works out first: estimates or raw scores, the prior, draws among equals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..router.risk.tie_break import tie_break
from .calibrating import CalibratedRung
from .fit_prior import FittedPrior
from .fitted import FittedCalibrator
from .fitted_prior import fitted_prior
from .ladders import Ladders, ladders_of
from .outcomes import OutcomeTable
from .paths import RungKind, RungScores
from .scores import estimated_scores, raw_scores, to_buy_by_kind, usable_signals

if TYPE_CHECKING:
    from .ladders import Floats

__all__ = ["FitBasis", "fit_basis"]


@dataclass(frozen=True, slots=True)
class FitBasis:
    """A judged table in columns, with what gates and routing read of it.

    Attributes:
        compared: the raw signal that is compared on each rung; empty where estimates are.
        bought: the signal that is bought on each rung.
        u: each question's draw among equal scores, (questions,).
        prior: with its out-of-fold probabilities; None without the questions' texts.
    """

    ladders: Ladders
    scores: RungScores
    compared: Mapping[RungKind, str | None]
    bought: Mapping[RungKind, str | None]
    calibrators: Mapping[RungKind, tuple[FittedCalibrator, ...]]
    u: Floats
    prior: FittedPrior | None

    def some(self, most: int) -> FitBasis:
        """At most so many questions, evenly spread over their names."""
        import numpy as np

        n = len(self.ladders.queries)
        if n <= most:
            return self
        at = np.linspace(0, n - 1, most).astype(int)
        scores, prior = self.scores, self.prior
        return replace(
            self,
            ladders=self.ladders.some(at),
            scores=replace(
                scores, free=scores.free[at], paid=scores.paid[at], price=scores.price[at]
            ),
            u=self.u[at],
            prior=None if prior is None else replace(prior, out_of_fold=prior.out_of_fold[at]),
        )

    @property
    def prior_rows(self) -> Floats | None:
        """P(right) before any draft, out of fold, (questions, tiers)."""
        return None if self.prior is None else self.prior.out_of_fold

    @property
    def tier_costs(self) -> tuple[float, ...]:
        """The mean price of an answer by each tier before any search."""
        places = [self.ladders.place(tier) for tier in range(self.ladders.tiers)]
        return tuple(float(self.ladders.cost[:, place].mean()) for place in places)


def fit_basis(
    table: OutcomeTable,
    rungs: tuple[CalibratedRung, ...],
    *,
    seed: int,
    questions: Mapping[str, str] | None = None,
) -> FitBasis:
    """Raw scores where every rung has one signal at most, else out-of-fold estimates."""
    import numpy as np

    ladders, bought = ladders_of(table), table.bought
    usable = usable_signals(table)
    compared: dict[RungKind, str | None] = {}
    if all(len(names) <= 1 for names in usable.values()):
        named = {kind: names[0] for kind, names in usable.items() if names}
        compared.update(named)
        scores = raw_scores(ladders, named, bought)
    else:
        scores = estimated_scores(ladders, rungs, bought)
    return FitBasis(
        ladders,
        scores,
        compared,
        to_buy_by_kind(ladders, scores),
        {(rung.tier, rung.retrieved): rung.calibrators for rung in rungs},
        np.array([tie_break(seed, query) for query in ladders.queries]),
        fitted_prior(ladders, questions, seed=seed),
    )
