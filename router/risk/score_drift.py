"""Whether scores still come as they did at calibration, without any label.

An alarm says that live scores and calibration scores are not exchangeable. It does not say that
the risk is too high, and silence says nothing about P(wrong given score).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from random import Random

from ..errors import UsageError
from .jumper import Jumper

__all__ = ["CellCounts", "QuantileShift", "ScoreDrift", "ScoreSummary", "summarize_scores"]

_PER_UNIT = 20  # cells per unit of logit: an eightieth wide around 1/2, narrower towards 0 and 1
_NONE, _ZERO, _ONE = -2_000, -1_000, 1_000  # the logits of all other floats stay within +-750
_MOST_TIED = 20

CellCounts = tuple[tuple[int, int], ...]
"""Pairs of a cell's number and a count of at least 1, cells rising: a histogram, JSON-plain."""


@dataclass(frozen=True, slots=True)
class ScoreSummary:
    """Calibration scores as a histogram, some hundred cells at most; JSON-plain.

    The cell of a score s in (0, 1) is round(20 logit(s)); 0 and 1 have cells of their own, and so
    have the attempts without a score, below them all. Cells must not depend on the scores: a cut
    at their quantiles, where these tie, makes the ranks of further scores lean.

    Attributes:
        counts: attempts in each cell.
        tied: values that occur often, with their counts: 0 and 1 in any case, and up to 20 that
            make up a hundredth of the scores or more.
    """

    counts: CellCounts
    tied: tuple[tuple[float, int], ...] = ()

    @property
    def n(self) -> int:
        """All attempts, with and without a score."""
        return sum(count for _, count in self.counts)

    @property
    def missing(self) -> int:
        """Attempts without a score."""
        return dict(self.counts).get(_NONE, 0)


def summarize_scores(scores: Iterable[float | None]) -> ScoreSummary:
    """The summary of calibration scores; does not depend on their order.

    Args:
        scores: in [0, 1], None where the signal was missing; of attempts of one rung *that the
            policy reaches*: live traffic of a later tier is what earlier gates did not answer.

    Raises:
        UsageError: there is no score, or one is not in [0, 1].
    """
    values = Counter(scores)
    total = sum(values.values()) - values[None]
    if total == 0:
        raise UsageError("expected calibration scores, and every one is missing")
    cells: Counter[int] = Counter()
    for score, count in values.items():
        cells[_cell(score)] += count
    frequent = sorted(
        ((s, c) for s, c in values.items() if s is not None and c > 1 and c >= 0.01 * total),
        key=lambda pair: (-pair[1], pair[0]),
    )
    ends = {0.0: values[0.0], 1.0: values[1.0]}
    return ScoreSummary(
        tuple(sorted(cells.items())), tuple(sorted({**ends, **dict(frequent[:_MOST_TIED])}.items()))
    )


def _cell(score: float | None) -> int:
    if score is None:
        return _NONE
    if not 0.0 <= score <= 1.0:
        raise UsageError(f"expected a score in [0, 1], got {score}")
    if score in (0.0, 1.0):
        return _ONE if score else _ZERO
    return round(_PER_UNIT * (math.log(score) - math.log1p(-score)))


def _score(cell: int) -> float:
    """In the middle of a cell."""
    if cell in (_ZERO, _ONE):
        return float(cell == _ONE)
    return 1.0 / (1.0 + math.exp(-cell / _PER_UNIT))


@dataclass(frozen=True, slots=True)
class QuantileShift:
    """One quantile of the calibration scores, and where live scores stand.

    Attributes:
        quantile: in (0, 1], of the attempts that have a score.
        score: about where that quantile of the calibration scores lies, in [0, 1].
        live_share: share of live scores at or below it; equal to `quantile` without a shift.
        live_score: about where that quantile of the live scores lies.
    """

    quantile: float
    score: float
    live_share: float
    live_score: float


@dataclass(frozen=True, slots=True)
class ScoreDrift:
    """Conformal p-values of live scores, and martingales that bet on them; replaced by `after`.

    The p-value of a score is its smoothed rank among all n scores before it, calibration and live:
    p = (below + v (equal + 1)) / (n + 1), v uniform, scores of one cell being equal. While scores
    are exchangeable, p-values are independent and uniform, exactly. Live scores must join: against
    calibration scores alone, the error of their finite number would look like a drift in the end.

    Two martingales share the stake: one bets that p leans up or down, the other that |2 p - 1|
    does, which sees a change of spread that the first is blind to. An alarm is false with
    probability at most `level`, at whatever time.

    Attributes:
        calibration: what live scores are compared with.
        level: in (0, 1).
        live: live attempts in each cell.
        live_tied: live scores that equal one of `calibration.tied`.
        leaning, spreading: the two martingales.
        alarm: number of the live attempt, from 1; None so far.

    Raises:
        UsageError: the level is out of range.

    Source: Vovk, Petej, Nouretdinov, Ahlberg, Carlsson and Gammerman 2021, "Retrain or not retrain:
    conformal test martingales for change-point detection". Departures: scores are coarsened to
    cells, `spreading`, and restarts (see `Jumper`).
    """

    calibration: ScoreSummary
    level: float = 0.01
    live: CellCounts = ()
    live_tied: int = 0
    leaning: Jumper = field(default_factory=Jumper)
    spreading: Jumper = field(default_factory=Jumper)
    alarm: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.level < 1.0:
            raise UsageError(f"level: expected a number between 0 and 1, got {self.level}")

    @property
    def n(self) -> int:
        """Live attempts so far."""
        return sum(count for _, count in self.live)

    @property
    def log_e(self) -> float:
        """Natural logarithm of the martingale: an alarm comes at -log(level)."""
        return math.log(max(0.5 * (self.leaning.value + self.spreading.value), 1e-300))

    def after(self, scores: Iterable[float | None], rng: Random) -> ScoreDrift:
        """With these live scores, in this order.

        Args:
            scores: in [0, 1], None where the signal was missing.
            rng: draws v, that is, the order of equal scores.

        Raises:
            UsageError: a score is not in [0, 1].
        """
        given = list(scores)
        if not given:
            return self
        live, tied = Counter(dict(self.live)), dict(self.calibration.tied)
        ranks = _Ranks(Counter(dict(self.calibration.counts)) + live)
        p_values = []
        for score in given:
            cell = _cell(score)
            p_values.append(ranks.next(cell, rng.random()))
            live[cell] += 1
        leaning, one = self.leaning.after(p_values)
        spreading, other = self.spreading.after([abs(2.0 * p - 1.0) for p in p_values])
        return replace(
            self,
            live=tuple(sorted(live.items())),
            live_tied=self.live_tied + sum(score in tied for score in given),
            leaning=leaning,
            spreading=spreading,
            alarm=self.alarm or self._first_alarm(one, other),
        )

    def _first_alarm(self, one: Sequence[float], other: Sequence[float]) -> int | None:
        goal = 2.0 / self.level
        for number, (a, b) in enumerate(zip(one, other, strict=True), start=self.n + 1):
            if a + b >= goal:
                return number
        return None

    @property
    def missing_share(self) -> tuple[float, float | None]:
        """Share of attempts without a score: at calibration, and live (None without any)."""
        missing = dict(self.live).get(_NONE, 0)
        return self.calibration.missing / self.calibration.n, missing / self.n if self.n else None

    @property
    def tie_share(self) -> tuple[float, float | None]:
        """Share of scores that equal a value of `calibration.tied`.

        At calibration, and live (None without any score).
        """
        told = self.calibration
        scored = self.n - dict(self.live).get(_NONE, 0)
        ties = sum(count for _, count in told.tied)
        return ties / (told.n - told.missing), self.live_tied / scored if scored else None

    def shifts(
        self, quantiles: Sequence[float] = (0.1, 0.25, 0.5, 0.75, 0.9)
    ) -> tuple[QuantileShift, ...]:
        """Where live scores stand at quantiles of the calibration scores; none without any.

        To within the width of a cell: `quantile` is that of the cell's upper end.
        """
        cells, known, live = self._distributions()
        if not live:
            return ()
        found = []
        for quantile in quantiles:
            place = bisect_left(known, quantile)
            live_place = min(bisect_left(live, known[place]), len(cells) - 1)
            found.append(
                QuantileShift(
                    known[place], _score(cells[place]), live[place], _score(cells[live_place])
                )
            )
        return tuple(found)

    @property
    def largest_gap(self) -> float:
        """Largest difference between the two distribution functions (Kolmogorov and Smirnov).

        In [0, 1], of the attempts that have a score; 0 without any live one.
        """
        _, known, live = self._distributions()
        return max((abs(a - b) for a, b in zip(known, live, strict=False)), default=0.0)

    def _distributions(self) -> tuple[list[int], list[float], list[float]]:
        """Cells, and the share of scores up to each of them: at calibration, and live if any."""
        known, live = dict(self.calibration.counts), dict(self.live)
        cells = sorted((known.keys() | live.keys()) - {_NONE})
        return cells, _shares(known, cells), _shares(live, cells)


class _Ranks:
    """Cells in order, with their counts so far."""

    def __init__(self, counts: Mapping[int, int]) -> None:
        self._cells = sorted(counts)
        self._counts = [counts[cell] for cell in self._cells]
        self._n = sum(self._counts)

    def next(self, cell: int, v: float) -> float:
        """The smoothed rank of one more score, which then joins."""
        place = bisect_left(self._cells, cell)
        if place == len(self._cells) or self._cells[place] != cell:
            self._cells.insert(place, cell)
            self._counts.insert(place, 0)
        rank = sum(self._counts[:place]) + v * (self._counts[place] + 1)
        self._counts[place] += 1
        self._n += 1
        return rank / self._n


def _shares(counts: Mapping[int, int], cells: Sequence[int]) -> list[float]:
    """Share of the counts up to each cell; nothing where there is no count."""
    below = list(accumulate(counts.get(cell, 0) for cell in cells))
    return [count / below[-1] for count in below] if below and below[-1] else []
