"""Features of how much of the question the passages hold: alone, in pairs, and all together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from .state_view import ReadPassage, StateView, mean, top

__all__ = ["coverage_features", "phrase_features"]

_WINDOW = 24
_LONGEST_WORD = 10


def coverage_features(view: StateView) -> dict[str, float]:
    """Shares of the question's words that passages hold; `rest_` looks at those that no shown title
    covers, which is where an answer has to come from."""
    total = len(view.terms) or 1
    union: frozenset[str] = frozenset().union(*view.has)
    each = [len(held) / total for held in view.has]
    capitals = {view.stems[i] for i in view.capitals}
    small = view.terms - capitals
    first, second = top(each, 2)
    pairs = [len(view.has[i] | view.has[j]) / total for i in range(view.k) for j in range(i)]
    return {
        "cov_union": len(union) / total,
        "cov1": first,
        "cov2": second,
        "cov_mean": mean(each),
        "cov_top": each[0] if each else 0.0,
        "cov_gain": len(union) / total - first,
        "cov_low": len(union & small) / len(small) if small else 1.0,
        "cov_cap": len(union & capitals) / len(capitals) if capitals else 1.0,
        "pair_any": max(pairs, default=first),
        **_rest_features(view, union, total),
    }


def _rest_features(view: StateView, union: frozenset[str], total: int) -> dict[str, float]:
    rest = frozenset(view.stems[i] for i in view.content if not view.covered[i])
    held = [len(one & rest) / len(rest) if rest else 1.0 for one in view.has]
    anchors = set(view.anchors)
    linked = {other for _, other in (*view.bridges, *view.backs)}
    found = {
        "rest_w": len(rest) / total,
        "rest_union": len(union & rest) / len(rest) if rest else 1.0,
        "rest_best": max(held, default=0.0),
        "rest_anchor": max((held[i] for i in view.starts), default=0.0),
        "rest_other": max((held[i] for i in range(view.k) if i not in anchors), default=0.0),
    }
    if linked:
        found["rest_bridge"] = max(held[other] for other in linked)
    return found


def phrase_features(view: StateView) -> dict[str, float]:
    """Coverage weighted by rarity among the shown passages, by length of words, by word pairs and
    within windows of a text; how far the best passage leads. Absent without passages."""
    if not view.k:
        return {}
    terms, several = view.terms, view.k > 1
    held_by = {term: sum(term in held for held in view.has) for term in terms}
    rare = _weighted(view, _rarity(held_by, view.k))
    long = _weighted(view, {term: float(len(term)) for term in terms})
    windows = [_most_within(one, terms) / (len(terms) or 1) for one in view.passages]
    best = max(range(view.k), key=lambda i: (rare[i], -i))
    missing = [term for term, count in held_by.items() if not count]
    letters = sum(map(len, terms)) or 1
    found = {
        "ic1": max(rare),
        "ic_top": rare[0],
        "lc1": max(long),
        "lc_union": sum(len(term) for term, count in held_by.items() if count) / letters,
        "best_is_first": float(best == 0),
        "excl": sum(held_by[term] == 1 for term in view.has[best]) / (len(terms) or 1),
        "missing": len(missing) / (len(terms) or 1),
        "miss_len": sum(map(len, missing)) / letters,
        "win1": max(windows),
        "win_top": windows[0],
        **_pair_features(view),
    }
    if several:
        found |= {
            "ic2": top(rare, 2)[1],
            "ic_gap": top(rare, 2)[0] - top(rare, 2)[1],
            "lc_gap": max(long) - mean(sorted(long)[:-1]),
            "lc_top": long[0] - mean(long[1:]),
            "win2": top(windows, 2)[1],
            "win_gap": max(windows) - mean(sorted(windows)[:-1]),
            **_redundancy(view),
        }
    return found


def _rarity(held_by: dict[str, int], k: int) -> dict[str, float]:
    """BM25's idf over the shown passages, and a little for long words, of which few are common."""
    return {
        term: math.log1p((k - count + 0.5) / (count + 0.5)) + 0.2 * min(len(term), _LONGEST_WORD)
        for term, count in held_by.items()
    }


def _weighted(view: StateView, weights: dict[str, float]) -> list[float]:
    total = math.fsum(sorted(weights.values())) or 1.0
    return [math.fsum(sorted(weights[term] for term in held)) / total for held in view.has]


def _pair_features(view: StateView) -> dict[str, float]:
    """Neighboring words of the question that are neighbors in a passage too."""
    terms = view.terms
    following = pairwise(view.stems)
    pairs = {(one, other) for one, other in following if one in terms and other in terms}
    if not pairs:
        return {}
    shares = [sum(_adjacent(p, *pair) for pair in pairs) / len(pairs) for p in view.passages]
    found = {"bg1": max(shares), "bg_any": float(max(shares) > 0)}
    if view.k > 1:
        found["bg2"] = top(shares, 2)[1]
    return found


def _adjacent(passage: ReadPassage, one: str, other: str) -> bool:
    body, title = passage.body, passage.title
    if any(i + 1 < len(body) and body[i + 1] == other for i in passage.at.get(one, ())):
        return True
    return (one, other) in pairwise(title)


def _most_within(passage: ReadPassage, terms: frozenset[str]) -> int:
    """Most distinct terms within a window of the text."""
    events = sorted((place, term) for term in terms for place in passage.at.get(term, ()))
    best = left = 0
    count: dict[str, int] = {}
    for place, term in events:
        count[term] = count.get(term, 0) + 1
        while events[left][0] < place - _WINDOW:
            gone = events[left][1]
            count[gone] -= 1
            if not count[gone]:
                del count[gone]
            left += 1
        best = max(best, len(count))
    return best


def _redundancy(view: StateView) -> dict[str, float]:
    """How much the passages repeat each other: shared words over all words, pair by pair."""
    read: Sequence[ReadPassage] = view.passages
    shares = [
        len(one.all & other.all) / max(1, len(one.all | other.all))
        for i, one in enumerate(read)
        for other in read[:i]
    ]
    return {"red_mean": mean(shares), "red_max": max(shares)}
