"""The advice that goes with every fit, whatever its target."""

from __future__ import annotations

from .advising import (
    advice_on_certainty,
    advice_on_pairs,
    advice_on_purchases,
    advice_on_saturation,
    advice_on_ways,
)
from .break_even import break_evens
from .fit_basis import FitBasis
from .policy_families import GateFamilies, PriorRouting, united
from .reached import LastTier
from .way import Way, chosen_way
from .worth import Ends, worths

__all__ = ["advice_on_table", "last_tier"]

_FEWEST = 50  # questions that an interval says anything on
_MOST = 2000  # questions that ways are compared on; more only make it slow


def last_tier(basis: FitBasis) -> LastTier:
    """Always asking the last tier, before any search."""
    return _always(basis, basis.ladders.tiers - 1)


def advice_on_table(
    basis: FitBasis, names: tuple[str, ...], *, seed: int
) -> tuple[tuple[str, ...], Way | None]:
    """Break-even of every pair of tiers, saturated signals, what would decide; and the best way."""
    basis = basis.some(_MOST)
    ladders = basis.ladders
    if ladders.tiers < 2 or len(ladders.queries) < _FEWEST:
        return tuple(one.words for one in advice_on_saturation(ladders, names)), None
    pairs = break_evens(ladders, basis.scores, prior=basis.prior_rows, seed=seed)
    families = united(
        GateFamilies(ladders, basis.scores, basis.u, seed=seed, prior=basis.prior_rows),
        *([] if basis.prior_rows is None else [PriorRouting(ladders, basis.prior_rows)]),
    )
    ends = Ends(_always(basis, 0), last_tier(basis))
    found = worths(families, ends, seed=seed)
    advice = (
        *advice_on_ways(found),
        *advice_on_pairs(pairs, names),
        *advice_on_purchases(found, ends, seed=seed),
        *advice_on_saturation(ladders, names),
        *advice_on_certainty(pairs, names),
    )
    return tuple(one.words for one in advice), chosen_way(pairs, basis.tier_costs)


def _always(basis: FitBasis, tier: int) -> LastTier:
    place = basis.ladders.place(tier)
    return LastTier(basis.ladders.loss[:, place], basis.ladders.cost[:, place])
