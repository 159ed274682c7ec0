"""The prior of a judged table, where it has one."""

from __future__ import annotations

from collections.abc import Mapping

from .fit_prior import FEWEST, FittedPrior, fit_prior
from .ladders import Ladders

__all__ = ["fitted_prior"]


def fitted_prior(
    ladders: Ladders, questions: Mapping[str, str] | None, *, seed: int
) -> FittedPrior | None:
    """The prior of every tier's answers before any search; None where it cannot be fitted."""
    import numpy as np

    places = [ladders.rungs.index(rung) for rung in ladders.rungs if rung.round == 0]
    if questions is None or len(places) < ladders.tiers or len(ladders.queries) < FEWEST:
        return None
    losses = ladders.loss[:, places]
    if (np.count_nonzero(~np.isnan(losses), axis=0) < FEWEST).any():
        return None
    return fit_prior([questions[query] for query in ladders.queries], losses, seed=seed)
