"""Tokens of a served answer, as OpenAI's two endpoints and LangChain show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..router.evidence import Token

__all__ = ["chat_logprobs", "text_logprobs"]


def _shown(tokens: Sequence[Token]) -> list[Token]:
    """Those with text: a token that only ends the answer has none. None of an answer that another
    model began, of whose beginning nothing is known."""
    if tokens and tokens[0].special and tokens[0].logprob is None:
        return []
    return [token for token in tokens if token.token and not token.special]


def chat_logprobs(tokens: Sequence[Token], candidates: int | None) -> dict[str, Any] | None:
    """The `logprobs` of a chat choice; None where none are wanted or any is unknown."""
    shown = _shown(tokens)
    if candidates is None or not shown or any(one.logprob is None for one in shown):
        return None
    content = [
        {
            **_entry(token.token, token.logprob),
            "top_logprobs": [
                _entry(other.token, other.logprob) for other in token.top_logprobs[:candidates]
            ],
        }
        for token in shown
    ]
    return {"content": content, "refusal": None}


def _entry(token: str, logprob: float | None) -> dict[str, Any]:
    return {
        "token": token,
        "logprob": logprob,
        "bytes": list(token.encode("utf-8", "replace")),
    }


def text_logprobs(tokens: Sequence[Token], candidates: int | None) -> dict[str, Any] | None:
    """The `logprobs` of a completion, four lists side by side; None as for a chat."""
    shown = _shown(tokens)
    if candidates is None or not shown or any(one.logprob is None for one in shown):
        return None
    offsets, at = [], 0
    for token in shown:
        offsets.append(at)
        at += len(token.token)
    return {
        "tokens": [token.token for token in shown],
        "token_logprobs": [token.logprob for token in shown],
        "top_logprobs": [
            {other.token: other.logprob for other in token.top_logprobs[:candidates]}
            for token in shown
        ],
        "text_offset": offsets,
    }
