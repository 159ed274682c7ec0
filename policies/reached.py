"""What reached a target, and what it does on questions that did not choose it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .policy_families import Families, Family
from .question_counts import count_blocks, middle
from .target_settings import Setting, setting_of
from .targets import MeanCost, QualityKept, TargetReport

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Floats

    Ints = NDArray[np.int64]

__all__ = ["Choosing", "Considered", "LastTier", "Option", "Reached", "fold_places", "reached"]

_FOLDS = 5
_REPS = 1000
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class LastTier:
    """Always asking the last tier: loss and cost per question, (questions,)."""

    loss: Floats
    cost: Floats


@dataclass(frozen=True, slots=True)
class Considered:
    """The best that one family offered, as it was predicted on the rows that chose.

    Attributes:
        share: of the requests that it could serve; 0 where it could not reach the target.
        saving: share of the last tier's cost that is saved; negative where it costs more.
        quality_kept: share of the last tier's quality.
    """

    family: str
    share: float
    saving: float
    quality_kept: float


@dataclass(frozen=True, slots=True)
class Reached:
    """The setting that was chosen, and what it does.

    Attributes:
        saving: share of the last tier's cost that is saved, out of fold, with a 95 % interval.
        quality_kept: share of the last tier's quality, out of fold.
        hindsight: what the best setting did on these very rows, nothing being tested: the saving
            of one that keeps the quality, or the quality kept by one within the budget.
        considered: one a family, the best first.
        outlook: (labels, saving) that may be expected with as many and with more labels; empty for
            a mean cost.
        is_reached: False where the budget is below what the cheapest setting costs.
    """

    setting: Setting
    report: TargetReport
    saving: float
    saving_interval: tuple[float, float] | None
    quality_kept: float
    hindsight: float
    considered: tuple[Considered, ...]
    outlook: tuple[tuple[int, float], ...] = ()
    is_reached: bool = True


class Option(NamedTuple):
    """The best of one family; a larger `rank` is better."""

    rank: tuple[float, ...]
    place: int
    at: int
    share: float
    note: Considered
    is_reached: bool = True


Choose = Callable[[Sequence[Family], "Ints"], tuple[Option, list[Option]]]


@dataclass(frozen=True, slots=True)
class Choosing:
    """How a setting is chosen.

    Attributes:
        choose: from families and the questions that may be learned from to the option that is
            chosen and the best one of each family.
        hindsight: what the best setting did on all questions.
        outlook: of the families with more labels.
    """

    target: QualityKept | MeanCost
    choose: Choose
    hindsight: Callable[[Sequence[Family]], float]
    outlook: Callable[[Sequence[Family]], tuple[tuple[int, float], ...]] = lambda _: ()


def fold_places(questions: int, seed: int) -> list[Ints]:
    """The places of the questions of each of five folds."""
    import numpy as np

    order = list(range(questions))
    random.Random(seed).shuffle(order)
    return [np.array(sorted(order[i::_FOLDS]), dtype=np.int64) for i in range(_FOLDS)]


def reached(how: Choosing, families: Families, last: LastTier, *, seed: int) -> Reached:
    """The setting chosen on all questions, judged by those chosen on four fifths of them each."""
    import numpy as np

    n, target = len(last.loss), how.target
    loss, cost = np.empty(n), np.empty(n)
    for held in fold_places(n, seed):
        rows = np.setdiff1d(np.arange(n), held)
        found = families(rows)
        chosen, _ = how.choose(found, rows)
        family, at, w = found[chosen.place], chosen.at, chosen.share
        loss[held] = w * family.loss[at, held] + (1.0 - w) * last.loss[held]
        cost[held] = w * family.cost[at, held] + (1.0 - w) * last.cost[held]
    found = families(np.arange(n))
    chosen, options = how.choose(found, np.arange(n))
    numbers = _honest(loss, cost, last, seed)
    is_quality = isinstance(target, QualityKept)
    achieved, interval = numbers["kept" if is_quality else "cost"]
    rows_ = f"{n} questions, each by a policy chosen on four fifths of the others"
    report = TargetReport(
        "quality kept" if is_quality else "mean cost",
        target.share if isinstance(target, QualityKept) else target.budget,
        achieved,
        interval,
        rows_,
    )
    options.sort(key=lambda option: option.rank, reverse=True)
    return Reached(
        setting_of(found[chosen.place], chosen.at, chosen.share),
        report,
        *numbers["saving"],
        numbers["kept"][0],
        how.hindsight(found),
        tuple({option.note.family: option.note for option in reversed(options)}.values())[::-1],
        how.outlook(found),
        chosen.is_reached,
    )


def _honest(
    loss: Floats, cost: Floats, last: LastTier, seed: int
) -> dict[str, tuple[float, tuple[float, float] | None]]:
    """Quality kept, cost and saving of what was served out of fold, with bootstrap intervals."""
    import numpy as np

    columns = np.column_stack([1.0 - loss, cost, 1.0 - last.loss, last.cost])

    def numbers(means: Floats) -> dict[str, Floats]:
        quality, spent, best, full = means.T
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                "kept": np.where(best > 0.0, quality / best, 1.0),
                "cost": spent,
                "saving": np.where(full > 0.0, 1.0 - spent / full, 0.0),
            }

    once = numbers(columns.mean(axis=0)[None])
    n = len(loss)
    draws = [numbers(w @ columns / n) for w in count_blocks(n, seed=seed, reps=_REPS)]
    return {
        name: (float(once[name][0]), middle(np.concatenate([d[name] for d in draws]), _LEVEL))
        for name in once
    }
