"""Judging out of fold: every row by a fit that saw no row of its question."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from ..errors import UsageError

__all__ = ["FittedOn", "cross_fitted", "deal_folds", "splits"]

X = TypeVar("X")
X_contra = TypeVar("X_contra", contravariant=True)


class FittedOn(Protocol[X_contra]):
    """Anything fitted that gives a number for a row."""

    def at(self, x: X_contra, /) -> float:
        """The number at `x`."""
        ...


def cross_fitted(
    fit: Callable[[Sequence[X], Sequence[float]], FittedOn[X]],
    scores: Sequence[X],
    labels: Sequence[float],
    groups: Sequence[str],
    *,
    folds: int = 5,
    seed: int = 0,
) -> tuple[float, ...]:
    """Out-of-fold probabilities, one a row: each from a curve that saw no row of its question.

    Questions are dealt to folds at random, but evenly by their share of right answers (their mean
    label); the deal depends on the questions' names and the seed, not on the order of the rows.

    Args:
        fit: e.g. `partial(fit_isotonic, signal="perplexity")`.
        scores: what `fit` takes, one a row.
        groups: the question of each row.

    Raises:
        UsageError: fewer than two folds or fewer questions than folds, and as `fit` does.
    """
    if not len(scores) == len(labels) == len(groups):
        raise UsageError(
            f"expected as many scores as labels and groups, got {len(scores)}, {len(labels)} and "
            f"{len(groups)}"
        )
    found = [0.0] * len(scores)
    for kept, held_out in splits(labels, groups, folds, seed):
        curve = fit([scores[i] for i in kept], [labels[i] for i in kept])
        for i in held_out:
            found[i] = curve.at(scores[i])
    return tuple(found)


def splits(
    labels: Sequence[float], groups: Sequence[str], folds: int, seed: int
) -> Iterator[tuple[list[int], list[int]]]:
    """The rows to fit on and the rows to judge, fold by fold. Raises as `deal_folds`."""
    fold_of = deal_folds(labels, groups, folds, seed)
    for fold in range(folds):
        kept = [i for i, group in enumerate(groups) if fold_of[group] != fold]
        held_out = [i for i, group in enumerate(groups) if fold_of[group] == fold]
        yield kept, held_out


def deal_folds(
    labels: Sequence[float], groups: Sequence[str], folds: int, seed: int
) -> dict[str, int]:
    """The fold of each question.

    Raises:
        UsageError: fewer than two folds, or fewer questions than folds.
    """
    rows: dict[str, list[float]] = {}
    for group, label in zip(groups, labels, strict=True):
        rows.setdefault(group, []).append(label)
    if folds < 2 or len(rows) < folds:
        raise UsageError(
            f"expected at least two folds and as many questions, got {folds} folds over "
            f"{len(rows)} questions; use fewer folds or more questions"
        )
    names = sorted(rows)
    random.Random(seed).shuffle(names)
    names.sort(key=lambda name: math.fsum(rows[name]) / len(rows[name]))
    return {name: position % folds for position, name in enumerate(names)}
