"""Features of the retrieval scores: how far the first hit leads, and how far the list falls."""

from __future__ import annotations

import math
from itertools import pairwise

from .state_view import StateView, mean

__all__ = ["score_features"]

_LEAST = 1e-6


def score_features(view: StateView) -> dict[str, float]:
    """Scores relative to the best, since their scale belongs to the query; absent without passages.

    The first query's hits are the run over which scores do not rise: what other queries found
    later has scores of its own.
    """
    scores = view.scores
    if not scores:
        return {}
    run = 1
    while run < len(scores) and scores[run] <= scores[run - 1]:
        run += 1
    best, middle = max(scores[0], _LEAST), mean(scores)
    found = {
        "s1": best,
        "s1_len": best / max(1, len(view.content)),
        "skr": scores[run - 1] / best,
        "smean": middle / best,
        "sstd": math.sqrt(mean([(one - middle) ** 2 for one in scores])) / best,
    }
    if run > 1:
        steps = pairwise(scores[:run])
        found["gapmax"] = max(one - other for one, other in steps) / best
        found["dom_mean"] = 1.0 - mean(scores[1:run]) / best
    if run > 2:
        found["sec_drop"] = (scores[1] - scores[run - 1]) / best
    if view.anchors:
        found["anchor_s"] = mean([scores[one] for one in view.anchors]) / best
    if view.bridges:
        found["bridge_s"] = max(scores[other] for _, other in view.bridges) / best
    return found | _unshown_features(view, best)


def _unshown_features(view: StateView, best: float) -> dict[str, float]:
    """How the next hits score; absent where the retriever does not tell."""
    unshown = view.unshown
    if not unshown:
        return {}
    found = {"u1": unshown[0] / best, "ugap": (view.scores[-1] - unshown[0]) / best}
    if len(unshown) > 1:
        found["uslope"] = (unshown[0] - unshown[-1]) / max(unshown[0], _LEAST)
    return found
