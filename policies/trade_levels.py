"""Policies that weigh steps by their worth, at every trade between quality and cost.

Each trade is replayed through the loop itself: such a policy decides by what it knows at each step.
The trades are chosen so that the mean costs lie evenly, whatever came of them. Everybody who has an
answer is served.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING

from ..router.errors import UsageError
from .entry import PriorEntry
from .ladders import Ladders
from .outcomes import OutcomeTable
from .profile import Profile
from .replay import Served, serve_table

if TYPE_CHECKING:
    from .ladders import Floats

__all__ = ["at_trade", "traded"]

_SETTINGS = 25
_CLOSE = 1.02  # ratio of trades between which none is looked for
_MOST = 20_000  # questions: more would take minutes


def at_trade(profile: Profile, trade: float) -> Profile:
    """The profile at another trade, without abstentions.

    Args:
        trade: quality that one unit of cost is worth, from 0.
    """
    rules, entry = profile.values, profile.entry
    assert rules is not None
    error = profile.prices.get("error") or 1.0
    # Answers beat an abstention that costs as much as an error.
    own = trade if rules.kind == "cascade_routing" else trade * error
    return replace(
        profile,
        values=replace(rules, trade=own),
        prices={**profile.prices, "error": error, "abstain": error},
        entry=replace(entry, trade=trade) if isinstance(entry, PriorEntry) else entry,
        certificate=None,
    )


def traded(
    table: OutcomeTable,
    ladders: Ladders,
    profile: Profile,
    questions: Mapping[str, str] | None,
) -> tuple[Floats, Floats, Floats]:
    """Cost, quality and whether a tier above the first was asked, (questions, trades) each.

    Raises:
        UsageError: there are too many questions, or a row that a setting serves was not judged.
    """
    import numpy as np

    if len(ladders.queries) > _MOST:
        raise UsageError(
            f"every point of a {profile.kind} curve is a replay: it is drawn for at most "
            f"{_MOST:,} questions"
        )
    scale = _scale(ladders)
    found: dict[float, Floats] = {}

    def add(trade: float) -> None:
        served = serve_table(table, at_trade(profile, trade), questions=questions)
        served.sort(key=lambda one: one.query_id)
        found[trade] = np.array([_ended(one) for one in served])

    for turn in (1e6, 16.0, 1.0, 1 / 16, 0.0):
        add(turn * scale)
    while len(found) < _SETTINGS:
        means = {trade: float(one[:, 0].mean()) for trade, one in found.items()}
        following = _in_widest_gap(means, 1e-4 * scale)
        if following is None:
            break
        add(following)
    columns = np.stack([found[trade] for trade in sorted(found, reverse=True)], axis=1)
    return columns[:, :, 0], columns[:, :, 1], columns[:, :, 2]


def _ended(one: Served) -> tuple[float, float, float]:
    return one.cost, 0.0 if one.loss is None else 1.0 - one.loss, float(one.top_tier > 0)


def _scale(ladders: Ladders) -> float:
    """The trade at which a right answer is just worth what the dearest rung costs more."""
    import numpy as np

    means = np.nanmean(ladders.cost, axis=0)
    return 1.0 / float((means.max() - means.min()) or means.max() or 1.0)


def _in_widest_gap(cost: Mapping[float, float], least: float) -> float | None:
    """A trade between the two neighbors whose mean costs are farthest apart.

    None where all are close, or their trades are: some costs are jumped over.
    """
    pairs = [
        (abs(cost[low] - cost[high]), low, high)
        for low, high in pairwise(sorted(cost))
        if (high > _CLOSE * low if low > 0.0 else high > least)
    ]
    gap, low, high = max(pairs, default=(0.0, 0.0, 0.0))
    if gap == 0.0:
        return None
    return sqrt(low * high) if low > 0.0 else high / 16.0
