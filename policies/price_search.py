"""The path and thresholds of least expected price, and whether each step of them pays.

Over all questions the price is the mean of

    what was spent + error price * loss of what was served + abstention price * [abstained].

Every candidate is walked at once on out-of-fold estimates. Paths are compared on questions that
their thresholds were not chosen on: on its own questions a longer path never looks worse.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .path_search import LEVELS, candidate_cuts
from .paths import Cuts, Path, Stages, walk
from .prices import Prices

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Floats

    Ints = NDArray[np.int64]

__all__ = ["CheapestPath", "PriceSearch", "Progress"]

Progress = Callable[[str, int, int], None]
"""Called with what is being done, units done and units in all."""

_FOLDS = 5
_SWEEPS = 3
_FINE = tuple(i / 40 for i in range(1, 40))
_WIDTHS = (0.05, 0.1, 0.2)
_MOST_CELLS = 4_000_000
_REPS = 1000
_MANY = 1000  # questions


@dataclass(frozen=True, slots=True)
class CheapestPath:
    """A path with one row of cuts, and its mean price on the questions that chose it."""

    path: Path
    cuts: Cuts
    price: float


class PriceSearch:
    """Searches thresholds on each path, and the path by cross-validation over questions.

    Args:
        stages: every candidate path over the same questions, with out-of-fold estimates.
    """

    def __init__(
        self,
        stages: Mapping[Path, Stages],
        prices: Prices,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        import numpy as np

        self._stages = stages
        self._prices = prices
        self._seed = seed
        self._progress = progress
        self._tried = 0
        self._n = len(next(iter(stages.values())).u)
        order = np.random.default_rng(seed).permutation(self._n)
        self._folds = [np.sort(order[i::_FOLDS]) for i in range(min(_FOLDS, self._n))]
        self._known: dict[Path, Floats] = {}
        self._on_all: dict[Path, CheapestPath] = {}

    def best(self) -> CheapestPath:
        """The path of least held-out price, with the cuts of least price on all questions."""
        return self._all(self._best_of(tuple(self._stages)))

    def verdict(self, what: str, allowed: Callable[[Path], bool]) -> str | None:
        """Whether a step pays: the best path against the best one that does without it.

        In each fold both are those of least held-out price on the other folds, judged on it; a
        paired bootstrap over questions tells how sure that is.
        """
        import numpy as np

        if not any(allowed(path) for path in self._stages):
            return None  # no candidate does without it
        judged = [(path, self._held_out(path)) for path in self._stages]
        saved = np.zeros(self._n)
        for fold in self._folds:
            others = np.setdiff1d(np.arange(self._n), fold)

            def price(one: tuple[Path, Floats], others: Ints = others) -> tuple[float, int]:
                return float(one[1][others].mean()), len(one[0])

            _, best = min(judged, key=price)
            _, other = min([one for one in judged if allowed(one[0])], key=price)
            saved[fold] = other[fold] - best[fold]
        hoped = min(self._all(path).price for path in self._stages if allowed(path)) - min(
            self._all(path).price for path in self._stages
        )
        return _verdict(what, list(map(float, saved)), hoped, self._prices, self._seed)

    def _all(self, path: Path) -> CheapestPath:
        """The cuts of least price on all questions."""
        if path not in self._on_all:
            self._on_all[path] = self._chosen(path, None)
        return self._on_all[path]

    def _best_of(self, paths: Sequence[Path]) -> Path:
        return min(paths, key=lambda path: (float(self._held_out(path).mean()), len(path)))

    def _held_out(self, path: Path) -> Floats:
        """(questions,), the price of each by the cuts that were chosen on the other folds."""
        import numpy as np

        known = self._known.get(path)
        if known is not None:
            return known
        held_out = np.zeros(self._n)
        for fold in self._folds:
            kept = np.setdiff1d(np.arange(self._n), fold)
            chosen = self._chosen(path, kept if len(kept) else fold)
            held_out[fold] = self._each(_some(self._stages[path], fold), chosen.cuts)[0]
            self._tried += 1
            if self._progress is not None:
                self._progress("searching rules", self._tried, len(self._stages) * len(self._folds))
        self._known[path] = held_out
        return held_out

    def _chosen(self, path: Path, questions: Ints | None) -> CheapestPath:
        """Coarse over all stages together, then fine stage by stage."""
        import numpy as np

        stages = self._stages[path] if questions is None else _some(self._stages[path], questions)
        # With many questions the fine sweeps find their way from fewer places.
        levels = LEVELS if len(stages.u) < _MANY else LEVELS[1::2]
        coarse = _with_ends(candidate_cuts(stages, seed=self._seed, levels=levels))
        prices = self._mean(stages, coarse)
        cuts, price = coarse.some(np.array([int(prices.argmin())])), float(prices.min())
        for _ in range(_SWEEPS):
            before = price
            for at in range(len(path)):
                tried = _variants(stages, cuts, at)
                prices = self._mean(stages, tried)
                if prices.min() < price - 1e-12:
                    cuts, price = tried.some(np.array([int(prices.argmin())])), float(prices.min())
            if price >= before:
                break
        return CheapestPath(path, cuts, price)

    def _mean(self, stages: Stages, cuts: Cuts) -> Floats:
        import numpy as np

        size = max(1, _MOST_CELLS // max(1, len(stages.u)))
        places = [np.arange(i, min(i + size, len(cuts))) for i in range(0, len(cuts), size)]
        return np.concatenate([self._each(stages, cuts.some(some)).mean(axis=1) for some in places])

    def _each(self, stages: Stages, cuts: Cuts) -> Floats:
        """(C, questions), the price of each question."""
        import numpy as np

        walked = walk(stages, cuts, floor=self._prices.floor)
        abstained = walked.stage < 0
        lost = np.where(abstained, 0.0, walked.loss) * self._prices.error
        total: Floats = walked.cost + lost + self._prices.abstain * abstained
        return total


def _some(stages: Stages, questions: Ints) -> Stages:
    names = ("skipped", "whole", "free", "paid", "price", "loss", "cost", "latency_s", "u")
    return replace(stages, **{name: getattr(stages, name)[questions] for name in names})


def _with_ends(cuts: Cuts) -> Cuts:
    """Also: every stage answers nothing, or everything."""
    import numpy as np

    width = cuts.threshold.shape[1]
    ends = np.array([[0.0] * width, [1.0] * width])
    low = np.repeat(cuts.low[:1], 2, axis=0)
    high = np.repeat(cuts.high[:1], 2, axis=0)
    more = Cuts(ends, np.array([[0.0] * width, [1.0] * width]), low, high)
    return Cuts(
        *(
            np.concatenate([getattr(cuts, name), getattr(more, name)])
            for name in ("threshold", "tie", "low", "high")
        )
    )


def _variants(stages: Stages, cuts: Cuts, at: int) -> Cuts:
    """One stage's threshold or band changed, all else kept. Estimates are cut without a draw."""
    import numpy as np

    rows = list(_options(stages, cuts, at))
    columns = []
    for place, name in enumerate(("threshold", "tie", "low", "high")):
        values = np.repeat(getattr(cuts, name), len(rows), axis=0)
        values[:, at] = [row[place] for row in rows]
        columns.append(values)
    return Cuts(*columns)


def _options(stages: Stages, cuts: Cuts, at: int) -> Iterator[tuple[float, float, float, float]]:
    import numpy as np

    free, paid = stages.free[:, at], stages.paid[:, at]
    score = np.where(np.isnan(free), paid, free)
    known = np.unique(score[~np.isnan(score)])
    low, high = float(cuts.low[0, at]), float(cuts.high[0, at])
    t, tie = float(cuts.threshold[0, at]), float(cuts.tie[0, at])
    for value in np.unique(np.quantile(known, _FINE)) if len(known) else ():
        yield float(value), 0.0, low, high
    yield 0.0, 0.0, low, high
    yield 1.0, 1.0, low, high
    if not np.isnan(free).all() and not np.array_equal(free, paid, equal_nan=True):
        yield t, tie, np.nan, np.nan
        yield t, tie, 0.0, 1.0
        for width in _WIDTHS:
            yield t, tie, max(0.0, t - width), min(1.0, t + width)


def _verdict(what: str, saved: Sequence[float], hoped: float, prices: Prices, seed: int) -> str:
    """In words: pays, does not pay, or undecided; in units of one wrong answer.

    Args:
        hoped: what the step saves on the questions that it is fitted to, which is too much. A step
            that loses on held-out questions, but may gain with rules from more of them, is
            undecided.
    """
    if not any(saved):
        return f"{what} does not pay: no rule found a use for it"
    unit, n = prices.error or 1.0, len(saved)
    # A step taken a few times may by chance have mended nothing, or harmed nothing, and drawing
    # from its questions again would be too sure of that. So one of each is added.
    drawn = [*saved, unit, -unit]
    rng = random.Random(seed)
    means = sorted(sum(rng.choices(drawn, k=n + 2)) / (n + 2) for _ in range(_REPS))
    low, high = means[int(0.025 * _REPS)], means[int(0.975 * _REPS)]
    words = (
        f"it saves {sum(saved) / n / unit:+.4f} errors' worth a question "
        f"[{low / unit:+.4f}, {high / unit:+.4f}]"
    )
    if low > 0:
        return f"{what} pays: {words}"
    if high <= 0 and hoped <= 0.001 * unit:
        return f"{what} does not pay: {words}"
    return f"{what}: undecided on {n} questions: {words}"
