"""Putting together an answer that one model began and another went on with."""

from __future__ import annotations

from dataclasses import replace

from ..content import special_flags
from ..evidence import Generation, Token

__all__ = ["finished", "joined"]


def joined(begun: str, rest: str) -> str:
    """The two in one text, with a space between where neither brings white space along."""
    if not begun or not rest or begun[-1].isspace() or rest[0].isspace():
        return begun + rest
    return f"{begun} {rest}"


def finished(begun: str, rest: Generation) -> tuple[str, Generation]:
    """What was gone on from, and the whole answer.

    What the second model did not write stands before its tokens as one that is marked as special,
    without a logprob: estimators then judge the second model by what it wrote itself. A model that
    repeats the beginning has written the answer alone: what was gone on from is "" then.
    """
    if _repeats(begun, rest.text):
        return "", rest
    text = joined(begun, rest.text)
    if not rest.tokens:
        return begun, replace(rest, text=text)
    written = "".join([token.token for token in rest.tokens])
    # Tokens may begin with white space that the text was stripped of.
    before = joined(begun, written)[: -len(written)] if written else begun
    own = [
        token if token.special is not None else replace(token, special=control)
        for token, control in zip(rest.tokens, special_flags(rest.tokens), strict=True)
    ]
    if rest.text.strip() == written.strip():
        text = joined(begun, written)
    return begun, replace(rest, text=text, tokens=(Token(before, special=True), *own))


def _repeats(begun: str, text: str) -> bool:
    return " ".join(text.split()).startswith(" ".join(begun.split()))
