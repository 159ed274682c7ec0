"""Two tiers on the same questions, as comparisons of the two read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..router.errors import UsageError

if TYPE_CHECKING:
    from .ladders import Floats, Ladders
    from .paths import RungScores

__all__ = ["PairRows", "pair_rows"]

_LEAST_ROWS = 20


@dataclass(frozen=True, slots=True)
class PairRows:
    """Two tiers on the same questions; arrays are (questions,).

    Attributes:
        score: confidence in the small draft, higher is surer; NaN is deferred first.
        signal_cost: of that score; 0 where it is free.
        prior_gain: P(large right) - P(small right) before any draft; None without a prior.
    """

    small: int
    large: int
    score: Floats
    signal_cost: Floats
    small_loss: Floats
    small_cost: Floats
    large_loss: Floats
    large_cost: Floats
    prior_gain: Floats | None = None

    def __len__(self) -> int:
        return len(self.score)


def pair_rows(
    ladders: Ladders,
    scores: RungScores,
    small: int,
    large: int,
    *,
    round: int = 0,
    buying: bool = True,
    prior: Floats | None = None,
) -> PairRows:
    """The questions for which both tiers' answers were judged.

    Args:
        round: retrievals made before both drafts.
        buying: compare the score after the rung's signal was bought, at its price; else the score
            that is there before.
        prior: P(right), (questions, tiers).

    Raises:
        UsageError: too few questions have both rows.
    """
    import numpy as np

    i, j = ladders.place(small, round), ladders.place(large, round)
    both = ~np.isnan(ladders.loss[:, i]) & ~np.isnan(ladders.loss[:, j])
    if int(both.sum()) < _LEAST_ROWS:
        raise UsageError(
            f"tiers {small} and {large} have {int(both.sum())} judged questions in common; "
            f"{_LEAST_ROWS} are needed"
        )
    score = (scores.paid if buying else scores.free)[both, i]
    price = scores.price[both, i] if buying else np.zeros(len(score))
    gain = None if prior is None else prior[both, large] - prior[both, small]
    return PairRows(
        small,
        large,
        np.where(ladders.whole[both, i], score, np.nan),
        np.where(np.isnan(price), 0.0, price),
        ladders.loss[both, i],
        ladders.cost[both, i],
        ladders.loss[both, j],
        ladders.cost[both, j],
        gain,
    )
