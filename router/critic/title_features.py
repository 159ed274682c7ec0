"""Features of the question's form, and of the shown titles that it names."""

from __future__ import annotations

from .question_relations import RELATIONS
from .state_view import StateView, mean, top
from .stems import STOP_STEMS, capital_runs

__all__ = ["form_features", "title_features"]

_FURTHEST_RANK = 10.0
_OPTION_WORDS = 6
_CHOOSING = ("are", "is", "do", "were", "was", "did")


def form_features(view: StateView) -> dict[str, float]:
    """How many passages, and what kind of question: long, a comparison, one with relations."""
    either = " or " in view.question
    yes_no = bool(view.low) and view.low[0] in _CHOOSING and " and " in view.question
    capitals = set(view.capitals)
    compares = either or "both" in view.low or "same" in view.low or yes_no
    return {
        "k": float(view.k),
        "q_len": float(len(view.content)),
        "q_or": float(either),
        "q_comp": float(compares),
        "q_poss": float("'s" in view.question),
        "q_rel": float(sum(view.stems[i] in RELATIONS and i not in capitals for i in view.content)),
        "q_cap": float(len({view.stems[i] for i in view.capitals})),
    }


def title_features(view: StateView) -> dict[str, float]:
    """Which of the question's names are titles of passages, and how nearly."""
    covered = view.covered
    best_three = top(view.overlap, 3)
    names = _names(view)
    nearest = [
        max(
            (len(name & one.title_set) / len(name | one.title_set) for one in view.passages),
            default=0.0,
        )
        for name in names
    ]
    return {
        "n_anchor": float(len({view.spans[i] for i in view.anchors})),
        "n_anchor_p": float(len(view.anchors)),
        "cap_uncov_title": mean([float(not covered[i]) for i in view.capitals]),
        "w_cov_title": mean([float(covered[i]) for i in view.content]),
        "anchor_rank": float(min(view.anchors, default=_FURTHEST_RANK)),
        "tf1": best_three[0],
        "tf2": best_three[1],
        "tf3": best_three[2],
        "tfmean": mean(view.overlap),
        "n_ents": float(len(nearest)),
        "ent_title_mean": mean(nearest),
        "ent_title_min": min(nearest, default=0.0),
        "ent_title_max": max(nearest, default=0.0),
        **_option_features(view),
    }


def _names(view: StateView) -> list[frozenset[str]]:
    """The capitalized runs of the question, without its first word."""
    found = [
        frozenset(view.stems[i] for i in range(start, end) if view.low[i] not in STOP_STEMS)
        for start, end in capital_runs(view.words, skip_first=True)
    ]
    return [name for name in found if name]


def _option_features(view: StateView) -> dict[str, float]:
    """Whether both options of an "A or B" are titles; absent for other questions."""
    if " or " not in view.question or "or" not in view.low:
        return {}
    at = len(view.low) - 1 - view.low[::-1].index("or")
    left = _content_stems(view, max(0, at - _OPTION_WORDS), at)
    right = _content_stems(view, at + 1, len(view.stems))
    titles = [one.title_set for one in view.passages]
    on_left = max((len(one & left) / max(1, len(one - STOP_STEMS)) for one in titles), default=0.0)
    on_right = max((len(one & right) / max(1, len(one | right)) for one in titles), default=0.0)
    return {"or_left": on_left, "or_right": on_right, "or_min": min(on_left, on_right)}


def _content_stems(view: StateView, start: int, end: int) -> set[str]:
    return {view.stems[i] for i in range(start, end) if view.low[i] not in STOP_STEMS}
