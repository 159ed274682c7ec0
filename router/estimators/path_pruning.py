"""Which reasoning paths to leave out of a vote, by how probable they are among their like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .weibull import WeibullMixture, fit_mixtures

__all__ = ["Pruning", "prune"]

_FEWEST = 8
_SPREAD = 1e-6  # between the largest and the smallest probability, below which they are all alike


@dataclass(frozen=True, slots=True)
class Pruning:
    """Which paths are dropped.

    Attributes:
        dropped: one a path.
        skipped: why none could be; None where the paths were judged.
    """

    dropped: tuple[bool, ...]
    skipped: str | None = None


def prune(sets: Sequence[Sequence[float]]) -> list[Pruning]:
    """Per set of paths, given as mean logprobs, those that RPC prunes.

    A path goes if it likelier stems from the less probable component of a Weibull mixture fitted
    to the paths' probabilities *and* is less probable than their mean. Sets of one size are fitted
    together; each gets what it would get alone.

    Source: Zhou et al. 2025, arXiv 2502.00511, section "Reasoning Pruning".
    """
    found: list[Pruning] = []
    sizes: dict[int, list[int]] = {}
    for place, logprobs in enumerate(sets):
        reason = _reason_not_to(logprobs)
        found.append(Pruning((False,) * len(logprobs), reason))
        if reason is None:
            sizes.setdefault(len(logprobs), []).append(place)
    for places in sizes.values():
        judged = _judge([sets[place] for place in places])
        for place, pruning in zip(places, judged, strict=True):
            found[place] = pruning
    return found


def _reason_not_to(logprobs: Sequence[float]) -> str | None:
    if len(logprobs) < _FEWEST:
        return f"fewer than {_FEWEST} paths"
    return "no spread" if math.exp(max(logprobs)) - math.exp(min(logprobs)) < _SPREAD else None


def _judge(sets: Sequence[Sequence[float]]) -> list[Pruning]:
    import numpy as np

    rows = np.array(sets)
    found = []
    for logprobs, mixture in zip(rows, fit_mixtures(rows), strict=True):
        if not isinstance(mixture, WeibullMixture):
            found.append(Pruning((False,) * len(logprobs), mixture.reason))
            continue
        probabilities = np.exp(logprobs)
        low = probabilities < math.fsum(probabilities.tolist()) / len(probabilities)
        found.append(Pruning(tuple((mixture.prefers_second(logprobs) & low).tolist())))
    return found
