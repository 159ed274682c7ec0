"""Policies that weigh steps by their worth, at every trade between quality and cost.

The trades are chosen so that the mean costs lie evenly, whatever came of them. Everybody who has an
answer is served: with abstentions ruled out, a utility policy under the price w of an error and a
trade t is cascade routing under t / w, so both kinds have one curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .calibrating import CalibratedRung
from .cascade_routing import QUALITY
from .ladders import Ladders
from .outcomes import OutcomeTable
from .paths import RungScores
from .profile import Profile
from .replay import replayer_of
from .scores import applied_scores
from .value_trades import some_questions, some_scores, spread_trades
from .value_walk import ValueWalk, walk_values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Floats

    Ints = NDArray[np.int64]

__all__ = ["at_trade", "traded", "walk_trades"]

_SETTINGS = 64
_BLOCK = 4096  # questions walked at once: a walk takes a few kilobytes a question
_ENOUGH = 2000  # questions whose mean costs say which trades are far enough apart


def at_trade(profile: Profile, trade: float) -> Profile:
    """The profile at another trade, without abstentions.

    Args:
        trade: quality that one unit of cost is worth, from 0.
    """
    rules = profile.values
    assert rules is not None
    return replace(
        profile,
        values=replace(rules, kind="cascade_routing", trade=trade),
        certificate=None,
    )


def traded(
    table: OutcomeTable,
    ladders: Ladders,
    profile: Profile,
    questions: Mapping[str, str] | None,
) -> tuple[Floats, Floats, Floats]:
    """Cost, quality and whether a tier above the first was asked, (questions, trades) each.

    Dearest setting last. A quality is NaN where nobody has judged what is served.

    Raises:
        UsageError: a row that a setting reaches is missing.
    """
    import numpy as np

    known = _Known(table, ladders, profile, questions)
    trades = known.trades()
    walks = [known.walked(rows, trades) for rows in known.blocks()]
    cost, loss, served, tier = (
        np.concatenate([getattr(walk, name) for walk in walks], axis=1).T[:, ::-1]
        for name in ("cost", "loss", "served", "tier")
    )
    return cost, np.where(served >= 0, 1.0 - loss, 0.0), (tier > 0).astype(float)


def walk_trades(
    table: OutcomeTable,
    ladders: Ladders,
    profile: Profile,
    trades: Sequence[float],
    questions: Mapping[str, str] | None = None,
) -> ValueWalk:
    """How each question ends under `at_trade` of each trade; raises as `traded`."""
    import numpy as np

    known = _Known(table, ladders, profile, questions)
    return known.walked(np.arange(len(ladders.queries)), trades)


class _Known:
    """What the profile's calibrators and prior say of each question of a table."""

    def __init__(
        self,
        table: OutcomeTable,
        ladders: Ladders,
        profile: Profile,
        questions: Mapping[str, str] | None,
    ) -> None:
        import numpy as np

        assert profile.values is not None
        self.ladders, self.models = ladders, profile.values.models
        replayer = replayer_of(table, profile, questions)
        self.scores = _scores(table, ladders, profile)
        self.enters = profile.entry_policy() is not None
        self.prior: Floats | None = None
        if profile.prior is not None:
            texts = [replayer.question(query) for query in ladders.queries]
            self.prior = np.array([profile.prior.probabilities(text) for text in texts])

    def blocks(self) -> list[Ints]:
        import numpy as np

        n = len(self.ladders.queries)
        return np.array_split(np.arange(n), -(-n // _BLOCK) or 1)

    def walked(self, rows: Ints, trades: Sequence[float]) -> ValueWalk:
        ladders, scores, prior = self._some(rows)
        return walk_values(ladders, scores, self.models, QUALITY, trades, prior, enters=self.enters)

    def trades(self) -> tuple[float, ...]:
        import numpy as np

        n = len(self.ladders.queries)
        rows = np.unique(np.linspace(0, n - 1, min(n, _ENOUGH)).astype(int))
        ladders, scores, prior = self._some(rows)
        return spread_trades(
            ladders, scores, self.models, QUALITY, prior, count=_SETTINGS, enters=self.enters
        )

    def _some(self, rows: Ints) -> tuple[Ladders, RungScores, Floats | None]:
        prior = None if self.prior is None else self.prior[rows]
        return some_questions(self.ladders, rows), some_scores(self.scores, rows), prior


def _scores(table: OutcomeTable, ladders: Ladders, profile: Profile) -> RungScores:
    rungs = [
        CalibratedRung(rung.tier, rung.retrieved, rung.calibrators, {})
        for rung in profile.rungs
        if rung.calibrators
    ]
    return applied_scores(table, ladders, rungs, table.bought)
