"""Answers whose steps have chosen confidences."""

from __future__ import annotations

import math
import re

from surefoot.router.evidence import Alternative, Token

__all__ = ["pieces", "spoken", "spoken_text"]


def pieces(text: str) -> list[str]:
    """As tokenizers of today cut it: white space goes with the word behind it."""
    return re.findall(r"\s*\S+|\s+$", text)


def spoken(*steps: tuple[str, float]) -> tuple[Token, ...]:
    """Tokens of each text, each with this probability and one other candidate with the rest."""
    return tuple(
        Token(
            piece,
            math.log(p),
            (Alternative(piece, math.log(p)), Alternative("~", math.log(1.0 - p))),
        )
        for text, p in steps
        for piece in pieces(text)
    )


def spoken_text(tokens: tuple[Token, ...]) -> str:
    """What they say."""
    return "".join(token.token for token in tokens)
