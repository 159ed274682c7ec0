"""Where requests enter when a prior routes them, at every level of what it expects to gain.

Level q sends the share q of the questions beyond the cheapest open tier: those that have the most
to gain from it, by the prior, for what it costs more. That is the same as lowering the trade of the
entry rule until so many leave, with equal gains in the order of the questions' draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .entry import PriorEntry
from .outcomes import OutcomeTable
from .profile import Profile
from .replay import replayer_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Floats

    Ints = NDArray[np.int64]

__all__ = ["entered_tiers", "open_tiers", "prior_values"]

_OUT_OF_REACH = 2.0  # a tier worth so much less than another is never entered


def open_tiers(entry: PriorEntry) -> tuple[int, ...]:
    """The tiers that the rule may enter at, cheapest first: offsets shut the others."""
    if not entry.offsets:
        return tuple(range(len(entry.names)))
    least = max(entry.offsets) - _OUT_OF_REACH
    return tuple(tier for tier, offset in enumerate(entry.offsets) if offset > least)


def prior_values(
    table: OutcomeTable,
    profile: Profile,
    entry: PriorEntry,
    queries: tuple[str, ...],
    questions: Mapping[str, str] | None,
) -> Floats:
    """What each tier is worth to each question before its price, (questions, tiers)."""
    import numpy as np

    assert profile.prior is not None
    replayer = replayer_of(table, profile, questions)
    known = np.array([profile.prior.probabilities(replayer.question(q)) for q in queries])
    return known + np.array(entry.offsets) if entry.offsets else known


def entered_tiers(
    values: Floats, entry: PriorEntry, open_: tuple[int, ...], u: Floats, at: Floats
) -> Ints:
    """The tier of entry at each level, (levels, questions).

    Args:
        values: as `prior_values` gives them.
        u: each question's draw, which orders equal gains.
        at: the levels, in [0, 1].
    """
    import numpy as np

    n, base, beyond = len(u), open_[0], np.array(open_[1:], dtype=int)
    entered = np.full((len(at), n), base)
    if not len(beyond):
        return entered
    costs = np.array(entry.costs)
    # A tier that is not dearer gains without end wherever it is better.
    dearer = np.maximum(costs[beyond] - costs[base], 1e-12 * max(float(costs.max()), 1e-300))
    turns = (values[:, beyond] - values[:, [base]]) / dearer
    gain = turns.max(axis=1)
    order = np.lexsort((u, -gain))
    for row, level in enumerate(at.tolist()):
        leaving = order[: round(level * n)]
        if len(leaving):
            trade = float(gain[leaving[-1]])
            worth = values[np.ix_(leaving, beyond)] - trade * costs[beyond]
            entered[row, leaving] = beyond[worth.argmax(axis=1)]
    return entered
