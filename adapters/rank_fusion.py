"""Merging rankings whose scores cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["RANK_OFFSET", "fused_scores"]

RANK_OFFSET = 60
"""What is added to every rank, as in the paper: the larger, the less a single first place says."""


def fused_scores(rankings: Sequence[Sequence[str]], offset: int = RANK_OFFSET) -> dict[str, float]:
    """Reciprocal rank fusion: score(d) = sum over the rankings with d of 1 / (offset + rank(d)).

    Ranks start at 1; of an id that a ranking holds twice the first place counts. Scores lie above 0
    and at most at n / (offset + 1) for n rankings; higher is better. In the order of the first
    appearance, not sorted.
    Source: Cormack, Clarke and Buettcher 2009, "Reciprocal Rank Fusion outperforms Condorcet and
    individual Rank Learning Methods", SIGIR, the equation of section 1 with k = 60.
    """
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, identity in enumerate(dict.fromkeys(ranking), start=1):
            scores[identity] = scores.get(identity, 0.0) + 1.0 / (offset + rank)
    return scores
