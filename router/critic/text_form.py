"""The input of a critic that reads: what must not be lost comes first, the oldest is lost first.

One function for training and serving, so that a critic is run on what it was trained on. In front
stand question, answer, rationale, earlier answers and round; behind them the passages, those of the
latest search first. A critic that wrote the answer behind the passages would lose it to truncation
in exactly the long states that it is there for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..evidence import Passage
from ..text import clean_text
from .states import CriticState, rounds_found

__all__ = ["TEXT_FORM_VERSION", "Count", "TextForm", "text_form"]

TEXT_FORM_VERSION = 1
"""Raised whenever the same state would give another text; a critic refuses to read another one."""

Count = Callable[[str], int]
"""Tokens of a text, without those that a model adds around it; 0 for an empty one."""

_SHORT_WORDS = 16  # of an earlier answer
_EARLIER = 6  # the latest of them; more say nothing new, and a run has few rounds
_RATIONALE_SHARE = 0.25  # of the budget, where there are passages: it must not push them all out


@dataclass(frozen=True, slots=True)
class TextForm:
    """A state as text, and what of it had no room.

    Attributes:
        head: question, answer, rationale, earlier answers, round; a line each.
        passages: `title: text`, a line each, those of the latest search first; "" without any.
        tokens: of both.
        shown: ids of the passages that are in it, in order; the last one may be cut.
        dropped: ids of those that are not.
        cut: what was shortened: "rationale", "previous_answers" or the id of the last passage.
        lost_tokens: that had no room, in passages, rationale and earlier answers.
        fits: False where question and answer alone are over the budget; they are never cut.
    """

    head: str
    passages: str
    tokens: int
    shown: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    lost_tokens: int = 0
    fits: bool = True

    @property
    def truncated(self) -> bool:
        """Whether anything was left out or shortened."""
        return bool(self.dropped or self.cut)


def text_form(state: CriticState, budget: int, count: Count) -> TextForm:
    """The state in at most `budget` tokens.

    Passages are dropped whole, the oldest search and its lowest rank first; the last one that
    remains is cut to the room that is left. Where the head alone is too long, the rationale is cut,
    then the earlier answers, the oldest first. Line breaks inside a field become spaces, so no
    passage can pretend to be another field.

    Args:
        count: of the critic's own tokenizer; a longer text is taken to have no fewer tokens.
    """
    parts = _head(state, budget, count)
    room = budget - parts.tokens
    ordered = _newest_first(state)
    kept, dropped, cut, lost = _packed(ordered, room, count)
    passages = "\n".join(kept)
    return TextForm(
        parts.text,
        passages,
        parts.tokens + count(passages),
        tuple(one.id for one in ordered[: len(kept)]),
        dropped,
        (*parts.cut, *cut),
        parts.lost + lost,
        fits=room >= 0,
    )


@dataclass(frozen=True, slots=True)
class _Head:
    text: str
    tokens: int
    cut: tuple[str, ...]
    lost: int


def _head(state: CriticState, budget: int, count: Count) -> _Head:
    rationale = _tidy(state.rationale)
    earlier = [_short(text) for text in state.previous_answers[-_EARLIER:] if text.strip()]
    bare = count(_joined(state, "", ()))
    most = int(budget * _RATIONALE_SHARE) if state.passages else budget
    with_earlier = count(_joined(state, "", earlier))
    kept = _prefix(
        rationale, lambda text: count(_line("rationale", text)), min(most, budget - with_earlier)
    )
    left = list(earlier)
    while left and count(_joined(state, kept, left)) > max(budget, bare):
        # No room for the rationale is no reason to lose earlier answers: it goes first.
        kept, left = ("", left) if kept else ("", left[1:])
    text = _joined(state, kept, left)
    cut = [name for name, was, now in (("rationale", rationale, kept),) if was != now]
    cut += ["previous_answers"] if left != earlier else []
    lost = count(rationale) - count(kept) + count(" | ".join(earlier)) - count(" | ".join(left))
    return _Head(text, count(text), tuple(cut), lost)


def _joined(state: CriticState, rationale: str, earlier: Sequence[str]) -> str:
    lines = [
        _line("question", _tidy(state.question)),
        _line("answer", _tidy(state.answer)),
        _line("rationale", rationale),
        _line("earlier answers", " | ".join(earlier)),
        _line("round", str(state.round)),
    ]
    return "\n".join(line for line in lines if line)


def _line(name: str, text: str) -> str:
    return f"{name}: {text}" if text else ""


def _newest_first(state: CriticState) -> list[Passage]:
    """The latest search first; within a search the retriever's own order."""
    found = rounds_found(state)
    places = sorted(range(len(found)), key=lambda place: -found[place])
    return [state.passages[place] for place in places]


def _packed(
    ordered: Sequence[Passage], room: int, count: Count
) -> tuple[list[str], tuple[str, ...], tuple[str, ...], int]:
    """The lines that there is room for, the ids without a line, the id that was cut, the loss."""
    lines = [_shown(one) for one in ordered]
    whole = _whole(lines, room, count)
    kept = lines[:whole]
    cut: tuple[str, ...] = ()
    if whole < len(lines):
        used = count("\n".join(kept))
        part = _prefix(lines[whole], count, room - used)
        while part and count("\n".join([*kept, part])) > room:
            part = part.rpartition(" ")[0]
        # A title alone says nothing of what the passage holds.
        if len(part) > len(_tidy(ordered[whole].title)) + 1:
            kept.append(part)
            cut = (ordered[whole].id,)
    lost = sum(map(count, lines)) - sum(map(count, kept))
    return kept, tuple(one.id for one in ordered[len(kept) :]), cut, lost


def _whole(lines: Sequence[str], room: int, count: Count) -> int:
    """How many lines from the front have room together."""
    used, whole = 0, 0
    for line in lines:
        used += count(line)
        if used > room:
            break
        whole += 1
    # Joined they may count otherwise than one by one, by a token or so a line.
    while whole and count("\n".join(lines[:whole])) > room:
        whole -= 1
    return whole


def _prefix(text: str, count: Count, room: int) -> str:
    """The longest run of whole words from the front that has room; all of it where it has."""
    if not text or count(text) <= room:
        return text
    words = text.split(" ")
    low, high = 0, len(words) - 1  # low words have room, high + 1 do not
    while low < high:
        middle = (low + high + 1) // 2
        if count(" ".join(words[:middle])) <= room:
            low = middle
        else:
            high = middle - 1
    while low and count(" ".join(words[:low])) > room:
        low -= 1
    return " ".join(words[:low])


def _shown(passage: Passage) -> str:
    title = _tidy(passage.title)
    text = _tidy(passage.text)
    return f"{title}: {text}" if title and text else title or text


def _short(text: str) -> str:
    return " ".join(_tidy(text).split(" ")[:_SHORT_WORDS])


def _tidy(text: str) -> str:
    return " ".join(clean_text(text).split())
