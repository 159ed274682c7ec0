"""Two tiers of a stored table as a table of their own, and settings judged on other questions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from surefoot.policies.ladders import Ladders, ladders_of
from surefoot.policies.outcomes import OutcomeTable, read_outcomes
from surefoot.policies.paths import RungScores, stages_of, walk
from surefoot.policies.policy_families import GateFamilies
from surefoot.policies.reached import LastTier
from surefoot.policies.scores import raw_scores
from surefoot.policies.target_settings import Setting
from surefoot.router.decisions import Rung
from surefoot.router.risk.tie_break import tie_break

from .worlds import stored, table_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SIGNALS = {"mmlu": "answer_prob", "triviaqa": "self_verify"}
PAIRS = [
    (name, small, large)
    for name in SIGNALS
    for small, large in ((0, 3), (1, 3), (2, 3), (1, 4), (2, 4), (3, 4))
]


@cache
def stored_table(name: str, split: str) -> OutcomeTable:
    return read_outcomes(stored(f"llama_{name}_{split}"))


def pair_table(table: OutcomeTable, small: int, large: int) -> OutcomeTable:
    """The table of two tiers, numbered 0 and 1."""
    return table_of(
        replace(ladder[Rung(tier, 0, False)], tier=number)
        for ladder in table.queries.values()
        for number, tier in enumerate((small, large))
    )


@dataclass(frozen=True)
class Questions:
    """A table in columns, with the scores that gates compare."""

    ladders: Ladders
    scores: RungScores
    u: Floats

    @property
    def first(self) -> LastTier:
        return self.always(0)

    @property
    def last(self) -> LastTier:
        return self.always(self.ladders.tiers - 1)

    def always(self, tier: int) -> LastTier:
        at = self.ladders.place(tier)
        return LastTier(self.ladders.loss[:, at], self.ladders.cost[:, at])

    def gates(self, prior: Floats | None = None) -> GateFamilies:
        return GateFamilies(self.ladders, self.scores, self.u, seed=0, prior=prior)

    def kept_and_saved(self, setting: Setting) -> tuple[float, float]:
        """Of the last tier's quality and cost, in the mean over the lot of the entry."""
        loss, cost = self.last.loss, self.last.cost
        if setting.share and setting.path is not None and setting.cuts is not None:
            stages = stages_of(self.ladders, self.scores, setting.path, self.u, last_is_gated=False)
            walked = walk(stages, setting.cuts)
            loss = setting.share * walked.loss[0] + (1.0 - setting.share) * loss
            cost = setting.share * walked.cost[0] + (1.0 - setting.share) * cost
        kept = (1.0 - loss).mean() / (1.0 - self.last.loss).mean()
        return float(kept), float(1.0 - cost.mean() / self.last.cost.mean())


def questions(table: OutcomeTable, signal: str) -> Questions:
    ladders = ladders_of(table)
    signals = {(tier, False): signal for tier in range(ladders.tiers)}
    return Questions(
        ladders,
        raw_scores(ladders, signals, table.bought),
        np.array([tie_break(0, query) for query in ladders.queries]),
    )


def rounded(table: OutcomeTable, decimals: int | None) -> OutcomeTable:
    """Signals rounded, which makes ties; all equal where None."""
    return table_of(
        replace(
            row,
            signals={
                name: 0.5 if decimals is None else None if value is None else round(value, decimals)
                for name, value in row.signals.items()
            },
        )
        for row in table.rows()
    )
