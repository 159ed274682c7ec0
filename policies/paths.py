"""Paths through the rungs, and all questions walking one under many thresholds at once.

A path says in which order rungs are tried: `small`, then `small` with passages, then `large` with
them. A question stops at the first stage whose gate lets its attempt through, so what a path does
for given thresholds is a few comparisons of arrays. Searches use this form; what is certified or
reported is replayed through the loop, which tests hold equal to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from ..router.decisions import Action, Rung
from ..router.errors import UsageError
from .ladders import Ladders
from .threshold import BuyBand, RungRule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Flags, Floats

    Ints = NDArray[np.int64]

__all__ = [
    "Cuts",
    "Path",
    "RungKind",
    "RungScores",
    "Stage",
    "Stages",
    "Walked",
    "check_path",
    "path_rules",
    "stages_of",
    "walk",
]


class Stage(NamedTuple):
    """One stop of a path: a tier, and how often was searched before."""

    tier: int
    round: int


Path = tuple[Stage, ...]
"""Stages in the order in which they are tried: each is one more search, or a higher tier."""

RungKind = tuple[int, bool]
"""A tier, with passages or without: what rules and calibrators are kept by."""


@dataclass(frozen=True, slots=True)
class RungScores:
    """What gates compare with their thresholds; arrays are (questions, rungs) as in `Ladders`.

    Attributes:
        free: before anything is bought; NaN where there is nothing to compare.
        paid: once the rung's signal was bought; what `free` says where that signal is unavailable.
        price: of buying it.
        signal: the signal that is bought on each rung, None where none is.
        score: the raw signal that is compared on each rung; None stands for the estimate.
    """

    free: Floats
    paid: Floats
    price: Floats
    signal: tuple[str | None, ...]
    score: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Stages:
    """What each question meets on a path; arrays are (questions, stages).

    A question for which a search finds nothing skips the stage of that search, and meets the stages
    after it with the passages that it has.

    Attributes:
        u: the draw of each question that decides among equal scores, in [0, 1).
        last_is_gated: False where whoever reaches the last stage is served, whatever it scores.
    """

    path: Path
    skipped: Flags
    whole: Flags
    free: Floats
    paid: Floats
    price: Floats
    loss: Floats
    cost: Floats
    latency_s: Floats
    u: Floats
    last_is_gated: bool = True


@dataclass(frozen=True, slots=True)
class Cuts:
    """Thresholds of C configurations; arrays are (C, stages).

    An attempt passes at a score above the threshold, or at one equal to it with a draw of at least
    `tie`. The stage's signal is bought where the free score lies in [low, high), or there is none;
    NaN buys nothing.
    """

    threshold: Floats
    tie: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, threshold: Floats, tie: Floats | None = None) -> Cuts:
        """Without purchases."""
        import numpy as np

        nothing = np.full_like(threshold, np.nan)
        return cls(threshold, np.zeros_like(threshold) if tie is None else tie, nothing, nothing)

    @classmethod
    def stacked(cls, rows: Sequence[Cuts]) -> Cuts:
        """The configurations of several, in order."""
        import numpy as np

        columns = [
            np.concatenate([getattr(one, name) for one in rows])
            for name in ("threshold", "tie", "low", "high")
        ]
        return cls(*columns)

    def __len__(self) -> int:
        return len(self.threshold)

    def some(self, which: Ints) -> Cuts:
        """The configurations at these places."""
        return Cuts(self.threshold[which], self.tie[which], self.low[which], self.high[which])


@dataclass(frozen=True, slots=True)
class Walked:
    """How questions end under each configuration; arrays are (C, questions).

    Attributes:
        stage: that was served; -1 on an abstention.
        gated: whether a gate let it through.
        loss: of what was served; 0 on an abstention, NaN where nobody has judged it.
        cost: of everything that was drafted and bought.
        reached: the highest stage that was drafted.
    """

    stage: Ints
    gated: Flags
    loss: Floats
    cost: Floats
    reached: Ints


def check_path(path: Path) -> Path:
    """The path, if the loop can walk it. Raises UsageError otherwise."""
    for before, stage in pairwise(path):
        searches = stage.tier == before.tier and stage.round == before.round + 1
        if not searches and not (stage.tier > before.tier and stage.round == before.round):
            raise UsageError(
                f"a path goes on with one more search or with a higher tier, not from {before} to "
                f"{stage}"
            )
    if not path or path[0].round:
        raise UsageError("a path begins with a tier before any search")
    return path


def stages_of(
    ladders: Ladders, scores: RungScores, path: Path, u: Floats, *, last_is_gated: bool = True
) -> Stages:
    """The columns of a path.

    Raises:
        UsageError: the loop cannot walk the path, or a question lacks a row that it would reach.
    """
    import numpy as np

    check_path(path)
    n = len(ladders.queries)
    column = {(rung.tier, rung.round): place for place, rung in enumerate(ladders.rungs)}
    rounds = np.array([rung.round for rung in ladders.rungs])
    found = np.where(ladders.present, rounds, 0).max(axis=1)  # the last search that brought any
    picked, skipped = np.zeros((n, len(path)), dtype=int), np.zeros((n, len(path)), dtype=bool)
    before = 0
    for at, stage in enumerate(path):
        skipped[:, at] = (stage.round > before) & (found < stage.round)
        seen = np.minimum(found, stage.round)
        picked[:, at] = [column.get((stage.tier, int(r)), -1) for r in seen]
        before = stage.round
    rows = np.arange(n)[:, None]
    missing = (picked < 0) | ~ladders.present[rows, picked]
    _check_rows(ladders, path, missing & ~skipped, found)

    def of(values: Floats) -> Floats:
        return values[rows, picked]

    return Stages(
        path,
        skipped,
        ladders.whole[rows, picked] & ~skipped,
        of(scores.free),
        of(scores.paid),
        of(scores.price),
        of(ladders.loss),
        of(ladders.cost),
        of(ladders.latency_s),
        u,
        last_is_gated,
    )


def _check_rows(ladders: Ladders, path: Path, missing: Flags, found: Ints) -> None:
    import numpy as np

    if not missing.any():
        return
    query, at = np.argwhere(missing)[0]
    stage = path[at]
    seen = min(int(found[query]), stage.round)
    rung = Rung(stage.tier, seen, seen > 0)
    raise UsageError(
        f"query {ladders.queries[query]!r} has no row for tier {rung.tier}, round {rung.round}, "
        f"retrieved {str(rung.retrieved).lower()}, which the policy reaches; leaving it out would "
        "bias the result: record this attempt too"
    )


def walk(
    stages: Stages, cuts: Cuts, start: Ints | None = None, *, floor: float | None = None
) -> Walked:
    """Every question on the path, under every configuration.

    Args:
        start: index of the stage that each question enters at, (questions,) or (C, questions); the
            first one where None.
        floor: whoever passes no gate is answered with the best attempt at a score of at least this.
    """
    import numpy as np

    c, n = len(cuts), len(stages.u)
    served = np.full((c, n), -1)
    gated = np.zeros((c, n), dtype=bool)
    reached = np.zeros((c, n), dtype=int)
    loss, cost = np.zeros((c, n)), np.zeros((c, n))
    open_ = np.ones((c, n), dtype=bool)
    best, best_at = np.full((c, n), -np.inf), np.full((c, n), -1)
    last = len(stages.path) - 1
    for at in range(len(stages.path)):
        here = open_ & ~stages.skipped[:, at]
        if start is not None:
            here &= start <= at
        reached[here] = at
        handed = at == last and not stages.last_is_gated
        if handed:
            paid, passes = np.zeros(1), stages.whole[:, at]
        else:
            score, paid, passes = _judged(stages, cuts, at)
            better = here & (score > best)
            best, best_at = np.where(better, score, best), np.where(better, at, best_at)
        cost += np.where(here, stages.cost[:, at] + paid, 0.0)
        ends = here & passes
        served[ends] = at
        gated |= ends & (not handed)
        loss = np.where(ends, stages.loss[:, at], loss)
        open_ &= ~ends
    if floor is not None:
        saved = open_ & (best >= floor)
        served[saved] = best_at[saved]
        gated |= saved
        rows = np.arange(n)[None, :]
        loss = np.where(saved, stages.loss[rows, np.maximum(best_at, 0)], loss)
    return Walked(served, gated, loss, cost, reached)


def _judged(stages: Stages, cuts: Cuts, at: int) -> tuple[Floats, Floats, Flags]:
    """The scores of whole attempts, what was paid for signals, and who passes."""
    import numpy as np

    free, whole = stages.free[:, at], stages.whole[:, at]
    low, high = cuts.low[:, at, None], cuts.high[:, at, None]
    buys = ~np.isnan(low) & (np.isnan(free) | ((free >= low) & (free < high))) & whole
    score = np.where(buys, stages.paid[:, at], free)
    t, tie = cuts.threshold[:, at, None], cuts.tie[:, at, None]
    passes = (score > t) | ((score == t) & ((tie == 0.0) | (stages.u >= tie)))
    known = np.where(whole & ~np.isnan(score), score, -np.inf)
    return known, np.where(buys, stages.price[:, at], 0.0), passes & whole


def path_rules(
    path: Path,
    cuts: Cuts,
    at: int = 0,
    *,
    signals: Mapping[RungKind, str | None] | None = None,
    scores: Mapping[RungKind, str | None] | None = None,
    last_is_gated: bool = True,
) -> tuple[RungRule, ...]:
    """One configuration of a path as the rules of a `ThresholdPolicy`.

    A search that finds nothing leaves a question at its rung, from which it goes on to the next
    tier of the path. That tier judges it by the thresholds of its stage, on its own score.

    Args:
        at: which of the configurations.
        signals: what is bought on a rung.
        scores: the raw signal that is compared on a rung; the estimate where absent.
    """
    signals, scores = signals or {}, scores or {}
    tiers = [stage.tier for stage in path]
    own = {(stage.tier, stage.round > 0) for stage in path}
    rules: list[RungRule] = []
    for place, stage in enumerate(path):
        later = path[place + 1 :]
        above = [other.tier for other in later if other.tier > stage.tier]
        searches = any(other.tier == stage.tier for other in later)
        then = (Action.RETRIEVE,) * searches + (Action.ESCALATE,) * bool(above)
        rounds = sum(1 for other in path if other.tier == stage.tier and other.round > 0)
        kinds = [(stage.tier, stage.round > 0)]
        if stage.round and (stage.tier, False) not in own and tiers.index(stage.tier) == place:
            kinds.append((stage.tier, False))
        low, high = float(cuts.low[at, place]), float(cuts.high[at, place])
        for kind in kinds:
            signal = signals.get(kind)
            buys = signal is not None and low == low  # NaN buys nothing
            rules.append(
                RungRule(
                    stage.tier,
                    float(cuts.threshold[at, place]),
                    kind[1],
                    then,
                    (BuyBand(signal, low, high),) if signal is not None and buys else (),
                    scores.get(kind),
                    float(cuts.tie[at, place]),
                    last_is_gated or place < len(path) - 1,
                    above[0] if above else None,
                    stage.round if rounds > 1 and kind[1] else None,
                )
            )
    return tuple(rules)
