"""Whether scores still come as they did at calibration, without any label.

An alarm says that live scores and calibration scores are not exchangeable. It does not say that
the risk is too high, and silence says nothing about P(wrong given score).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from random import Random

from ..errors import UsageError
from .jumper import Jumper

__all__ = ["QuantileShift", "ScoreDrift", "ScoreSummary", "summarize_scores"]


@dataclass(frozen=True, slots=True)
class ScoreSummary:
    """Calibration scores in at most a thousand numbers or so; JSON-plain.

    Attributes:
        edges: some of the scores, rising, the largest among them. They cut the line into cells:
            (edges[i-1], edges[i]] for each, and one above them all.
        counts: scores in the cell that ends at each edge, at least 1.
        repeats: how many of them equal the edge, at least 1.
        tops: the highest of the tie breakers, uniform in [0, 1], of those `repeats`.
        missing: attempts without a score; they rank below every score.
        missing_top: the highest of their tie breakers; 0 where there are none.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    repeats: tuple[int, ...]
    tops: tuple[float, ...]
    missing: int = 0
    missing_top: float = 0.0

    @property
    def n(self) -> int:
        """All attempts, with and without a score."""
        return self.missing + self.scored

    @property
    def scored(self) -> int:
        """Attempts with a score."""
        return sum(self.counts)


def summarize_scores(
    scores: Iterable[float | None], rng: Random, most: int = 1_000
) -> ScoreSummary:
    """The summary of calibration scores, in cells of about equally many.

    Args:
        scores: of attempts of one rung *that the policy reaches*: live traffic of a later tier is
            what earlier gates let through. None where the signal was missing. Any order.
        rng: draws the tie breakers.
        most: cells at most; every n / most-th score, whatever it is, becomes an edge.

    Raises:
        UsageError: there is no score, or one is not finite.
    """
    given = list(scores)
    known = sorted(score for score in given if score is not None)
    if not known or not all(map(math.isfinite, known)):
        raise UsageError("expected finite calibration scores, and at least one")
    n, cells, missing = len(known), min(most, len(known)), len(given) - len(known)
    edges = sorted({known[(i + 1) * n // cells - 1] for i in range(cells)})
    ends = [bisect_right(known, edge) for edge in edges]
    repeats = [end - bisect_left(known, edge) for edge, end in zip(edges, ends, strict=True)]
    return ScoreSummary(
        tuple(edges),
        tuple(end - before for before, end in pairwise([0, *ends])),
        tuple(repeats),
        tuple(_highest_of(c, rng) for c in repeats),
        missing,
        _highest_of(missing, rng),
    )


def _highest_of(count: int, rng: Random) -> float:
    """The largest of `count` uniform draws, from one draw."""
    return float(rng.random() ** (1.0 / count)) if count else 0.0


@dataclass(frozen=True, slots=True)
class QuantileShift:
    """One quantile of the calibration scores, and where live scores stand.

    Attributes:
        quantile: in (0, 1), of the attempts that have a score.
        score: at that quantile of the calibration scores.
        live_share: share of live scores at or below it; equal to `quantile` without a shift.
    """

    quantile: float
    score: float
    live_share: float


@dataclass(frozen=True, slots=True)
class ScoreDrift:
    """Conformal p-values of live scores, and martingales that bet on them; replaced by `after`.

    The p-value of a score is its smoothed rank among all calibration scores and all live ones
    before it: (weight of the cells below + v x weight of its own) / weight of all, v uniform.
    A cell weighs as many attempts as fell into it, the one above all edges 1 more, and the missing
    are the lowest. While attempts are exchangeable these p-values are independent and uniform,
    exactly: n scores cut the line into n + 1 parts that a further score is equally likely to fall
    into, and so on (an urn that gains a ball of the color drawn); equal scores are told apart by
    tie breakers. Live scores must join, since against calibration scores alone the error of their
    finite number would look like a drift in the end.

    Two martingales share the stake: one bets that p leans up or down, one that 2 |p - 1/2| does,
    which sees a spread that the first is blind to. False with probability at most `level`, ever.

    Attributes:
        calibration: what live scores are compared with.
        level: in (0, 1).
        live: live attempts in each cell, tie breakers applied: the missing first, above all edges
            last; empty before the first.
        live_missing: how many had no score.
        live_tied: how many scores equal an edge that occurs more than once at calibration.
        leaning, spreading: the two martingales.
        alarm: number of the live attempt, from 1; None so far.

    Source: Vovk, Petej, Nouretdinov, Ahlberg, Carlsson and Gammerman 2021, "Retrain or not retrain:
    conformal test martingales for change-point detection". Departures: scores are coarsened to
    cells, `spreading`, and restarts (see `Jumper`).
    """

    calibration: ScoreSummary
    level: float = 0.01
    live: tuple[int, ...] = ()
    live_missing: int = 0
    live_tied: int = 0
    leaning: Jumper = field(default=Jumper())
    spreading: Jumper = field(default=Jumper())
    alarm: int | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.level < 1.0:
            raise UsageError(f"level: expected a number between 0 and 1, got {self.level}")
        if len(self.live) not in (0, len(self.calibration.edges) + 2):
            raise UsageError("the live counts belong to other calibration scores")

    @property
    def n(self) -> int:
        """Live attempts so far."""
        return sum(self.live)

    @property
    def log_e(self) -> float:
        """Natural logarithm of the martingale: an alarm comes at -log(level)."""
        return math.log(max(0.5 * (self.leaning.value + self.spreading.value), 1e-300))

    def after(self, scores: Iterable[float | None], rng: Random) -> ScoreDrift:
        """With these live scores, in this order.

        Args:
            scores: None where the signal was missing.
            rng: breaks ties and smooths ranks; must not know the scores.

        Raises:
            UsageError: a score is not finite.
        """
        told, rows = self.calibration, list(scores)
        live = list(self.live) or [0] * (len(told.edges) + 2)
        weights = [a + b for a, b in zip((told.missing, *told.counts, 1), live, strict=True)]
        total, tied, p_values = sum(weights), self.live_tied, []
        for score in rows:
            cell, is_tied = _cell(told, score, rng)
            tied += is_tied
            p_values.append((sum(weights[:cell]) + rng.random() * weights[cell]) / total)
            weights[cell] += 1
            live[cell] += 1
            total += 1
        leaning, one = self.leaning.after(p_values)
        spreading, other = self.spreading.after([abs(2.0 * p - 1.0) for p in p_values])
        return replace(
            self,
            live=tuple(live),
            live_missing=self.live_missing + rows.count(None),
            live_tied=tied,
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
        return self.calibration.missing / self.calibration.n, _share(self.live_missing, self.n)

    @property
    def tie_share(self) -> tuple[float, float | None]:
        """Share of scores that equal an edge which occurs more than once at calibration.

        At calibration, and live (None without any score). With as many cells as scores this is the
        share of all ties; with fewer, of all blocks that fill a cell.
        """
        ties = sum(c for c in self.calibration.repeats if c > 1)
        return ties / self.calibration.scored, _share(self.live_tied, self.n - self.live_missing)

    def shifts(
        self, quantiles: Sequence[float] = (0.1, 0.25, 0.5, 0.75, 0.9)
    ) -> tuple[QuantileShift, ...]:
        """Where live scores stand at quantiles of the calibration scores; none without any.

        To within the width of a cell.
        """
        known, live = self._distributions()
        if not live:
            return ()
        places = [bisect_left(known, quantile) for quantile in quantiles]
        return tuple(QuantileShift(known[i], self.calibration.edges[i], live[i]) for i in places)

    @property
    def largest_gap(self) -> float:
        """Largest difference between the two distribution functions (Kolmogorov and Smirnov).

        In [0, 1]; 0 without any live score.
        """
        known, live = self._distributions()
        return max((abs(a - b) for a, b in zip(known, live, strict=False)), default=0.0)

    def _distributions(self) -> tuple[list[float], list[float]]:
        """Shares of the scores at or below each edge: at calibration, and live where there are."""
        known = [below / self.calibration.scored for below in accumulate(self.calibration.counts)]
        scored = self.n - self.live_missing
        if not scored:
            return known, []
        # Without calibration attempts to share their rank with, the missing stand in the first.
        above = self.live_missing - self.live[0]
        return known, [(below - above) / scored for below in accumulate(self.live[1:-1])]


def _cell(told: ScoreSummary, score: float | None, rng: Random) -> tuple[int, bool]:
    """The cell of a score, 0 for the missing, and whether calibration repeats it."""
    if score is None:
        return int(rng.random() > told.missing_top), False
    if not math.isfinite(score):
        raise UsageError(f"expected a finite score, got {score}")
    place = bisect_left(told.edges, score)
    if place == len(told.edges) or score != told.edges[place]:
        return place + 1, False
    return place + 1 + int(rng.random() > told.tops[place]), told.repeats[place] > 1


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
