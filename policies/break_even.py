"""Where a cascade breaks even: what a pair of tiers gains by gating, and what that may cost.

With deferral d (the share that the large tier is asked for) and gain m = PGR(d), a cascade is
better than a random mix of the two tiers that reaches the same quality iff

    m - d > (c_signal + m c_small) / c_large,

and cheaper than asking the large tier every time iff d < 1 - (c_small + c_signal) / c_large. All
costs are means per question; PGR = (q - q_small) / (q_large - q_small).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

from ..router.metrics.cost_quality import nauc_draws
from ..router.metrics.routing_order import DeferralRows
from .pair_rows import PairRows, pair_rows
from .question_counts import count_blocks, middle

if TYPE_CHECKING:
    from .ladders import Flags, Floats, Ladders
    from .paths import RungScores

__all__ = ["BreakEven", "Verdict", "break_even", "break_evens"]

Verdict = Literal["gate", "route before generation", "skip this tier", "undecided"]
"""What to do with the smaller tier of a pair.

`skip this tier` means the smaller tier, unless `BreakEven.skip` names the larger one.
"""

Interval = tuple[float, float]

_LEVEL = 0.9  # 5 % to 95 %
_REPS = 500
_MOST_DEFINED = 0.9  # of the draws in which the large tier is the better one


@dataclass(frozen=True, slots=True)
class BreakEven:
    """A pair of tiers, gated by one score, on n questions. Intervals are 5 % to 95 %.

    Attributes:
        small_quality: of always asking the small tier; likewise the others.
        signal_cost: mean price of the score.
        nauc: normalized area under the cascade's curve; the random mix has 0.5. None where the
            large tier is not better or not dearer.
        prior_nauc: of the prior that chooses a tier before any draft; None without one.
        deferral: the share deferred at which the cascade is furthest ahead of the random mix.
        gain: PGR there; 0 where `nauc` is None, as are the numbers that rest on it.
        margin: gain - deferral - (c_signal + gain c_small) / c_large there; above 0 it pays.
        most_signal_cost: what the signal may cost at most for the cascade to beat the mix
            somewhere; negative where it would not even for nothing.
        most_deferral: below this share deferred it is cheaper than always asking the large tier.
        skip: the tier that `skip this tier` speaks of.
    """

    small: int
    large: int
    n: int
    small_quality: float
    large_quality: float
    small_cost: float
    large_cost: float
    signal_cost: float
    nauc: float | None
    nauc_interval: Interval | None
    prior_nauc: float | None
    prior_interval: Interval | None
    deferral: float
    gain: float
    margin: float
    margin_interval: Interval | None
    most_signal_cost: float
    most_signal_interval: Interval | None
    most_deferral: float
    most_deferral_interval: Interval | None
    verdict: Verdict
    skip: int | None = None

    @property
    def is_flagged(self) -> bool:
        """Whether gating this pair is advised against."""
        return self.verdict in ("route before generation", "skip this tier")

    @property
    def has_telling_prior(self) -> bool:
        """Whether the prior is surely better than chance; else it is one more thing to be lucky by.

        Where no pair has one, leave the prior's families out when a target is to be reached.
        """
        return self.prior_interval is not None and self.prior_interval[0] > 0.5


def break_evens(
    ladders: Ladders,
    scores: RungScores,
    *,
    prior: Floats | None = None,
    seed: int = 0,
    reps: int = _REPS,
) -> tuple[BreakEven, ...]:
    """Every adjacent and every skipping pair of tiers before any search, smaller tiers first."""
    first = [rung.tier for rung in ladders.rungs if rung.round == 0]
    return tuple(
        break_even(pair_rows(ladders, scores, small, large, prior=prior), seed=seed, reps=reps)
        for small, large in combinations(first, 2)
    )


def break_even(rows: PairRows, *, seed: int = 0, reps: int = _REPS) -> BreakEven:
    """The numbers of one pair, with bootstrap intervals over questions, and what to do.

    The verdict rests on the interval of the nAUC alone: wholly above 0.5 the pair is worth gating,
    wholly below it is not. Then a prior that is no worse than chance routes before generation, and
    without one the small tier is skipped. A tier that the other one beats on quality without
    being dearer, in all but 5 % of draws, is skipped whatever the curve says.
    """
    import numpy as np

    n = len(rows)
    cascade = _cascade(rows)
    prior = None if rows.prior_gain is None else _prior(rows, rows.prior_gain)
    once = _draw(rows, cascade, prior, np.ones((1, n)))
    at = int(np.argmax(once.margin[0]))
    found: dict[str, list[Floats]] = {}
    for counts in count_blocks(n, seed=seed, reps=reps):
        drawn = _draw(rows, cascade, prior, counts)
        for name, column in drawn.columns(at).items():
            found.setdefault(name, []).append(column)
    columns = {name: np.concatenate(parts) for name, parts in found.items()}
    intervals = {name: middle(column, _LEVEL) for name, column in columns.items()}
    value = {name: float(column[0]) for name, column in once.columns(at).items()}
    defined = float(np.mean(~np.isnan(columns["nauc"])))
    verdict, skip = _verdict(rows, value, intervals, defined, columns)
    known = not math.isnan(value["nauc"])
    return BreakEven(
        small=rows.small,
        large=rows.large,
        n=n,
        small_quality=value["small_quality"],
        large_quality=value["small_quality"] + value["gap"],
        small_cost=float(rows.small_cost.mean()),
        large_cost=float(rows.large_cost.mean()),
        signal_cost=float(rows.signal_cost.mean()),
        nauc=value["nauc"] if known else None,
        nauc_interval=intervals["nauc"],
        prior_nauc=None if math.isnan(value["prior"]) else value["prior"],
        prior_interval=intervals["prior"],
        deferral=float(once.share[0, at]) if known else 0.0,
        gain=value["gain"] if known else 0.0,
        margin=value["margin"] if known else 0.0,
        margin_interval=intervals["margin"],
        most_signal_cost=value["most_signal_cost"] if known else 0.0,
        most_signal_interval=intervals["most_signal_cost"],
        most_deferral=value["most_deferral"],
        most_deferral_interval=intervals["most_deferral"],
        verdict=verdict,
        skip=skip,
    )


def _verdict(
    rows: PairRows,
    value: dict[str, float],
    intervals: dict[str, Interval | None],
    defined: float,
    columns: dict[str, Floats],
) -> tuple[Verdict, int | None]:
    interval, gap, dearer = intervals["nauc"], columns["gap"], columns["dearer"]
    if _mostly((gap <= 0.0) & (dearer >= 0.0)):
        return "skip this tier", rows.large
    if _mostly((gap >= 0.0) & (dearer <= 0.0)):
        return "skip this tier", rows.small
    if interval is None or defined < _MOST_DEFINED:
        return "undecided", None
    if interval[0] > 0.5:
        return "gate", None
    if interval[1] >= 0.5:
        return "undecided", None
    if value["prior"] >= 0.5:  # False without a prior, whose nAUC is NaN
        return "route before generation", None
    return "skip this tier", rows.small


def _mostly(draws: Flags) -> bool:
    return float(draws.mean()) >= (1.0 + _LEVEL) / 2.0


def _cascade(rows: PairRows) -> DeferralRows:
    spent = rows.small_cost + rows.signal_cost
    return DeferralRows.of(
        [None if math.isnan(score) else score for score in rows.score.tolist()],
        _points(spent, rows.small_loss),
        _points(rows.large_cost, rows.large_loss),
    )


def _prior(rows: PairRows, gain: Floats) -> DeferralRows:
    """As a cascade whose deferred questions get their draft's price back."""
    return DeferralRows.of(
        (-gain).tolist(),
        _points(rows.small_cost, rows.small_loss),
        _points(rows.large_cost - rows.small_cost, rows.large_loss),
    )


def _points(cost: Floats, loss: Floats) -> list[tuple[float, float]]:
    return list(zip(cost.tolist(), (1.0 - loss).tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class _Draws:
    """Arrays are (draws,), or (draws, points of the curve)."""

    share: Floats
    gain: Floats
    margin: Floats
    free_margin: Floats
    gap: Floats
    dearer: Floats
    small_quality: Floats
    large_cost: Floats
    most_deferral: Floats
    nauc: Floats
    prior: Floats

    def columns(self, at: int) -> dict[str, Floats]:
        """What intervals are wanted of, at one point of the curve."""
        return {
            "nauc": self.nauc,
            "prior": self.prior,
            "gap": self.gap,
            "dearer": self.dearer,
            "small_quality": self.small_quality,
            "gain": self.gain[:, at],
            "margin": self.margin[:, at],
            "most_signal_cost": self.free_margin[:, at] * self.large_cost,
            "most_deferral": self.most_deferral,
        }


def _draw(rows: PairRows, cascade: DeferralRows, prior: DeferralRows | None, w: Floats) -> _Draws:
    import numpy as np

    columns = np.column_stack(
        [
            rows.small_cost,
            1.0 - rows.small_loss,
            rows.large_cost,
            1.0 - rows.large_loss,
            rows.signal_cost,
        ]
    )
    c_small, q_small, c_large, q_large, c_signal = (w @ columns / w.sum(1, keepdims=True)).T
    weak, strong = np.stack([c_small, q_small], 1), np.stack([c_large, q_large], 1)
    share, cost, quality = cascade.curves(w)
    gap = q_large - q_small
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(gap[:, None] > 0.0, (quality - q_small[:, None]) / gap[:, None], np.nan)
        free = gain - share - gain * (c_small / c_large)[:, None]
        margin = free - (c_signal / c_large)[:, None]
        most = 1.0 - (c_small + c_signal) / c_large
    routed = np.full(len(w), np.nan)
    if prior is not None:
        _, cost_, quality_ = prior.curves(w)
        routed = nauc_draws(cost_, quality_, weak, strong)
    return _Draws(
        share,
        gain,
        margin,
        free,
        gap,
        c_large - c_small,
        q_small,
        c_large,
        most,
        nauc_draws(cost, quality, weak, strong),
        routed,
    )
