"""Features of support: do the passages hold the answer, and beside the question's words?"""

from __future__ import annotations

from collections.abc import Sequence

from ..evidence import Passage
from .answer_text import is_inside, plain
from .corrective import sentences
from .states import CriticState, rounds_found
from .stems import STOP_STEMS

__all__ = ["support_features"]

_MOST_PASSAGES = 32
_LONGEST = 4_000


def support_features(state: CriticState) -> dict[str, float]:
    """Shares and counts over the passages; {} without passages or an answer of any word."""
    low = plain(state.answer)
    passages = state.passages[:_MOST_PASSAGES]
    if not passages or not low:
        return {}
    texts = [plain(f"{one.title} . {one.text[:_LONGEST]}") for one in passages]
    asked = set(plain(state.question).split())
    novel = [one for one in low.split() if one not in STOP_STEMS and one not in asked]
    holding = [place for place, text in enumerate(texts) if is_inside(low, text)]
    rounds = rounds_found(state)[:_MOST_PASSAGES]
    newest = max(rounds)
    found = {
        "s_held": float(bool(holding)),
        "s_share": len(holding) / len(texts),
        "s_rank": holding[0] / len(texts) if holding else 1.0,
        "s_in_newest": float(any(rounds[place] == newest for place in holding)),
        "s_title": float(any(low == plain(one.title) for one in passages)),
        "s_beside": _beside(low, asked, [passages[place] for place in holding]),
    }
    if novel:
        held = [set(text.split()) for text in texts]
        found["s_words"] = max(sum(one in words for one in novel) / len(novel) for words in held)
    return found


def _beside(low: str, asked: set[str], holding: Sequence[Passage]) -> float:
    """Highest share of the question's words in a sentence, with its title, that has the answer."""
    wanted = {word for word in asked if word not in STOP_STEMS}
    best = 0.0
    for passage in holding:
        title = plain(passage.title)
        for sentence in sentences(passage.text[:_LONGEST]):
            text = plain(sentence)
            if is_inside(low, text):
                words = set(f"{title} {text}".split())
                best = max(best, len(wanted & words) / max(1, len(wanted)))
    return best
