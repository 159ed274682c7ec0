"""From questions to what a report shows of them: the spread of estimates, the flows of traffic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

from ..router.errors import UsageError
from .report_content import ABSTAINED, ANSWERED, ASKED, UNGATED, Estimates, Flow, Traffic

__all__ = ["bin_estimates", "traffic_of"]


def bin_estimates(
    rung: str,
    estimates: Sequence[float | None],
    losses: Sequence[float | None],
    *,
    threshold: float | None = None,
    bins: int = 20,
) -> Estimates:
    """The spread of a rung's estimates, one per attempt; the last bin takes 1 in."""
    right, wrong, unjudged = [0.0] * bins, [0.0] * bins, [0.0] * bins
    missing = 0
    for p, loss in zip(estimates, losses, strict=True):
        if p is None:
            missing += 1
            continue
        place = min(bins - 1, int(p * bins))
        if loss is None:
            unjudged[place] += 1.0
        else:
            right[place] += 1.0 - loss
            wrong[place] += loss
    return Estimates(rung, tuple(right), tuple(wrong), tuple(unjudged), missing, threshold)


def traffic_of(rungs: Sequence[str], paths: Iterable[tuple[Sequence[str], str]]) -> Traffic:
    """The flows of many questions.

    Args:
        rungs: all names, in the order in which they are climbed.
        paths: of each question the rungs it visited and how it ended: `ANSWERED`, `UNGATED` or
            `ABSTAINED`.

    Raises:
        UsageError: an unknown rung, one name for two places, or a path that leads back down.
    """
    known = [ASKED, *rungs, ANSWERED, UNGATED, ABSTAINED]
    if len(set(known)) < len(known):
        raise UsageError(f"expected names of rungs that differ, got {', '.join(known)}")
    place = {name: number for number, name in enumerate(known)}
    steps: Counter[tuple[str, str]] = Counter()
    questions = 0
    for visited, ending in paths:
        questions += 1
        # A second search on the same rung stays where it is.
        stops = [name for name, _ in groupby([ASKED, *visited, ending])]
        if not _climbs([place.get(name) for name in stops]):
            raise UsageError(f"expected a path up the rungs, got {' to '.join(stops)}")
        steps.update(pairwise(stops))
    ordered = sorted(steps, key=lambda step: (place[step[0]], place[step[1]]))
    flows = tuple(Flow(*step, steps[step] / questions) for step in ordered)
    return Traffic(tuple(rungs), flows)


def _climbs(places: Sequence[int | None]) -> bool:
    """Every place known, and each above the one before."""
    return all(
        low is not None and high is not None and low < high for low, high in pairwise(places)
    )
