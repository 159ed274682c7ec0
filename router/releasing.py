"""Showing a draft while it is being written, and keeping one's word about it afterwards.

A draft that was released is the answer: whoever was shown its beginning must get its end. So the
policy decides no more, it is only noted what it would have done.
"""

from __future__ import annotations

from collections.abc import Sequence

from .attempts import why_incomplete
from .content import special_flags
from .decisions import Action, Attempt, Choice, Decision
from .evidence import Token
from .state import RunState
from .text import clean_text

__all__ = ["Showing", "kept_word"]

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"


class Showing:
    """What of a draft may be shown, piece by piece, so that the pieces join to its final text.

    Outer white space is no part of an answer: it is held back until something follows it, and so
    are characters of which not all bytes are there. Where it cannot be told from the tokens how the
    text will go on, nothing more is shown: at a token that may stand for the end of the answer, and
    where somebody has begun anew.
    """

    __slots__ = ("_held", "_is_begun", "_is_over", "_seen")

    def __init__(self) -> None:
        self._held = ""
        self._seen = 0
        self._is_begun = False
        self._is_over = False

    def more(self, tokens: Sequence[Token]) -> str:
        """What was not shown before.

        Args:
            tokens: all of the draft so far.
        """
        if self._is_over or len(tokens) < self._seen:
            self._is_over = True
            return ""
        new = tokens[self._seen :]
        self._seen = len(tokens)
        flags = special_flags(new)
        if True in flags:
            self._is_over = True
            new = new[: flags.index(True)]
        text = self._held + "".join([token.token for token in new])
        if not self._is_begun:
            text = text.lstrip()
        shown = text.rstrip(_UNFINISHED).rstrip()
        self._held = text[len(shown) :]
        self._is_begun = self._is_begun or bool(shown)
        return clean_text(shown)


def kept_word(state: RunState, attempt: Attempt | None, choice: Choice) -> Choice:
    """The choice; of a draft that was being shown, to answer with it, whatever the policy chose.

    One that broke off cannot be answered with, and nothing else can follow it: the run abstains,
    and whoever was shown the beginning has to be told. What the policy would have done with a whole
    one is left in `state.overruled`.
    """
    if not state.shown:
        return choice
    if attempt is None:
        why = state.failed.get(state.tier, "it failed")
        return Decision(Action.ABSTAIN, f"the draft that was being shown broke off: {why}")
    if not attempt.is_complete:
        why = why_incomplete(attempt)
        return Decision(Action.ABSTAIN, f"the draft that was being shown is not whole: {why}")
    if not attempt.text.startswith(state.shown):
        return Decision(Action.ABSTAIN, "the draft that was being shown ended in other words")
    reason = f"shown while it was written: {state.released}"
    if isinstance(choice, Decision) and not _is_answer_with(choice, attempt):
        state.overruled = f"{choice.action.value}: {choice.reason}"
        reason = f"{reason}; once it was whole the policy would rather {state.overruled}"
    # One that the policy would have handed over unjudged is not the better for having been shown.
    is_gated = not state.overruled and not (isinstance(choice, Decision) and not choice.gated)
    return Decision(Action.ANSWER, reason, choice.compared, attempt=attempt.id, gated=is_gated)


def _is_answer_with(choice: Decision, attempt: Attempt) -> bool:
    return choice.action is Action.ANSWER and choice.attempt in (None, attempt.id)
