"""Answers made of tokens with probabilities."""

from __future__ import annotations

import math

from surefoot.router.evidence import Generation, Token

__all__ = ["answer"]


def answer(*pieces: tuple[str, float]) -> Generation:
    """A generation that its tokens spell, each with its probability."""
    tokens = tuple(Token(text, math.log(p)) for text, p in pieces)
    return Generation("".join(text for text, _ in pieces), tokens)
