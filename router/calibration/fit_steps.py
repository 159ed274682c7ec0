"""Fits of the calibrators of many numbers: isotonic curve and histogram."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import UsageError
from .fit_rows import Block, positives_of, tie_groups
from .step_calibrators import HistogramCalibrator, IsotonicCalibrator

__all__ = ["fit_histogram", "fit_isotonic", "pool_adjacent_violators"]


def fit_isotonic(
    scores: Sequence[float],
    labels: Sequence[float],
    *,
    signal: str,
    version: int = 1,
    weights: Sequence[float] | None = None,
    k: int | None = None,
) -> IsotonicCalibrator:
    """The non-decreasing curve of least squared error, with its ends made cautious.

    The lowest and the highest block get (positives + 1) / (n + 2), so that no finite history
    promises 0 or 1; positives are the sum of the labels. Where that would cross the neighboring
    block, the end absorbs the neighbor. Wants about 1,000 rows; creates ties.

    Args:
        scores: `Signal.score`, higher is surer; any finite numbers.
        labels: 1 for right, 0 for wrong, or how good the answer is, in [0, 1].
        weights: above 0, one a row; all 1 by default.
        k: alternatives a position that the signal was read from, where that matters.

    Raises:
        UsageError: labels that are all equal, lengths that differ, or a number that is not finite.
    """
    blocks = pool_adjacent_violators(scores, labels, weights)
    knots: list[tuple[float, float]] = []
    for block, p in _with_cautious_ends(blocks):
        knots.append((block.low, p))
        if block.high > block.low:
            knots.append((block.high, p))
    return IsotonicCalibrator(
        signal,
        version,
        len(labels),
        positives_of(labels),
        tuple(score for score, _ in knots),
        tuple(p for _, p in knots),
        k=k,
    )


def fit_histogram(
    scores: Sequence[float],
    labels: Sequence[float],
    *,
    signal: str,
    version: int = 1,
    weights: Sequence[float] | None = None,
    bins: int = 10,
    k: int | None = None,
) -> HistogramCalibrator:
    """The share of right answers (the mean label) in each of at most `bins` bins of equal mass.

    From the lowest score up, a bin is closed by the group of equal scores that reaches the next
    multiple of the total weight / bins, so equal scores are never split; an edge lies halfway
    between two bins. Neighbors whose shares fall are pooled, since a calibrator never falls, and
    the ends are made cautious as in `fit_isotonic`.

    Args and raises as `fit_isotonic`; UsageError too for fewer bins than one.
    """
    if bins < 1:
        raise UsageError(f"expected one bin or more, got {bins}")
    pooled = _pooled(_equal_mass(tie_groups(scores, labels, weights), bins))
    steps = _with_cautious_ends(pooled)
    lows, highs = [block.low for block, _ in steps[1:]], [block.high for block, _ in steps[:-1]]
    edges = [_between(high, low) for high, low in zip(highs, lows, strict=True)]
    return HistogramCalibrator(
        signal,
        version,
        len(labels),
        positives_of(labels),
        tuple(edges),
        tuple(p for _, p in steps),
        k=k,
    )


def pool_adjacent_violators(
    scores: Sequence[float], labels: Sequence[float], weights: Sequence[float] | None = None
) -> tuple[Block, ...]:
    """The blocks of the isotonic least-squares fit, lowest score first, means increasing.

    Equal scores form one group before anything is pooled, so no order of the rows matters.
    Raises as `fit_isotonic`.
    """
    return tuple(_pooled(tie_groups(scores, labels, weights)))


def _pooled(groups: Sequence[Block]) -> list[Block]:
    blocks: list[Block] = []
    for group in groups:
        block = group
        # Cross products instead of means: exact for whole weights.
        while blocks and blocks[-1].positive * block.weight >= block.positive * blocks[-1].weight:
            block = blocks.pop().joined(block)
        blocks.append(block)
    return blocks


def _equal_mass(groups: Sequence[Block], bins: int) -> list[Block]:
    total = sum(group.weight for group in groups)
    found: list[Block] = []
    open_bin: Block | None = None
    seen, closed = 0.0, 0
    for group in groups:
        open_bin = group if open_bin is None else open_bin.joined(group)
        seen += group.weight
        if seen * bins >= (closed + 1) * total or group is groups[-1]:
            found.append(open_bin)
            open_bin, closed = None, int(seen * bins / total)
    return found


def _between(low: float, high: float) -> float:
    """Halfway, above `low` and up to `high`."""
    middle = low / 2 + high / 2
    return middle if low < middle <= high else high


def _with_cautious_ends(blocks: Sequence[Block]) -> list[tuple[Block, float]]:
    first, *rest = blocks
    while rest and first.cautious > rest[0].mean:
        first = first.joined(rest.pop(0))
    if not rest:
        return [(first, first.cautious)]
    inner = [(first, first.cautious), *((block, block.mean) for block in rest[:-1])]
    last = rest[-1]
    while inner and last.cautious < inner[-1][1]:
        last = inner.pop()[0].joined(last)
    return [*inner, (last, last.cautious)]
