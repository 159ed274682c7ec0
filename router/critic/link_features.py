"""Features of chains: does a passage that the question names lead to another that is shown too?"""

from __future__ import annotations

from .question_relations import ASKED, RELATIONS
from .state_view import ReadPassage, StateView, mean

__all__ = ["cue_features", "link_features"]

_NEAR = 4  # words before a name that may state its relation
_LOOKED_AT = 3  # starts whose mentions are counted


def link_features(view: StateView) -> dict[str, float]:
    """Links between passages: the title of one in the text of another."""
    total = len(view.terms) or 1
    has, links, starts = view.has, view.links, view.starts
    key = {start: view.span_at(start) for start in starts}
    bridged = {start for start, _ in view.bridges}
    linked = [
        len(has[i] | has[j]) / total
        for i in range(view.k)
        for j in range(i)
        if links[i][j] or links[j][i]
    ]
    found = {
        "n_link": float(sum(map(sum, links))),
        "n_bridge": float(len({other for _, other in view.bridges})),
        "n_back": float(len({other for _, other in view.backs})),
        "aa_link": float(sum(links[a][b] for a in view.anchors for b in view.anchors)),
        "n_anchor_bridged": float(len(bridged)),
        "unbridged": float(len(set(key.values())) - len({key[start] for start in bridged})),
        "pair_link": max(linked, default=0.0),
        "bridge_cov": max((len(has[a] | has[b]) / total for a, b in view.bridges), default=0.0),
        "back_cov": max((len(has[b]) / total for _, b in view.backs), default=0.0),
    }
    if view.bridges:
        found["bridge_gain"] = max(len(has[b] - has[a]) / total for a, b in view.bridges)
    if view.backs:
        found["back_gain"] = max(len(has[b] - has[a]) / total for a, b in view.backs)
    return found


def cue_features(view: StateView) -> dict[str, float]:
    """Names beside a relation's words in the starting passages: is their own passage shown?

    "Jaws was directed by Steven Spielberg" answers nothing about the director's birthplace before
    a passage on Steven Spielberg is there.
    """
    asked_for = {one for word in view.stems for one in RELATIONS.get(word, ())}
    known = set(view.stems)
    titles = [one.title_set for one in view.passages]
    resolved = open_ends = mentions = shown = 0
    for number, start in enumerate(view.starts):
        passage, others = view.passages[start], titles[:start] + titles[start + 1 :]
        good = missed = False
        for place, name in passage.names:
            if name <= passage.title_set or name <= known:
                continue
            if number < _LOOKED_AT and len(name) > 1:
                mentions += 1
                shown += any(name <= title for title in others)
            if _is_beside(passage, place, asked_for):
                is_shown = any(_same(name, title) for title in others)
                good, missed = good or is_shown, missed or not is_shown
        resolved += good
        open_ends += missed and not good
    found = {
        "cue_ok": float(resolved),
        "cue_bad": float(open_ends),
        "cue_none": float(len(view.starts) - resolved - open_ends),
        "ment_all": float(mentions),
        "ment_res": float(shown),
    }
    if asked_for:
        found["cue_state"] = float(resolved - open_ends)
    return found | _asked_features(view)


def _is_beside(passage: ReadPassage, place: int, cues: set[str]) -> bool:
    return not cues.isdisjoint(passage.body[max(0, place - _NEAR) : place])


def _same(name: frozenset[str], title: frozenset[str]) -> bool:
    both = len(name & title)
    if both < min(2, len(name)):
        return False
    return name <= title or title <= name or 2 * both >= len(name | title)


def _asked_features(view: StateView) -> dict[str, float]:
    """Whether passages tell the property that is asked for; absent where none of ours is."""
    asked = {one for word in view.stems for one in ASKED.get(word, ())}
    if not asked:
        return {}
    tells = [float(not asked.isdisjoint(one.all)) for one in view.passages]
    found = {"ask_all": mean(tells), "ask_anchor": mean([tells[start] for start in view.starts])}
    if view.bridges:
        found["ask_bridge"] = max(tells[other] for _, other in view.bridges)
    return found
