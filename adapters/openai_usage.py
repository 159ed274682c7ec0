"""How many tokens a call of an OpenAI-compatible endpoint used: as reported, else estimated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from ..router.evidence import Generation, ToolCall
from ..router.protocols import Message, ModelCall

__all__ = ["tokens_used"]

_CHARACTERS_PER_TOKEN = 3
_PAGE = 3000


def tokens_used(
    usage: object, call: ModelCall, generations: Sequence[Generation]
) -> tuple[int, int]:
    """Tokens of prompt and answers as reported; else estimated, rather too high, so that budgets
    still hold."""
    found = usage if isinstance(usage, Mapping) else {}
    tokens_in, tokens_out = found.get("prompt_tokens"), found.get("completion_tokens")
    if not _is_count(tokens_in):
        tokens_in = _estimate(len(call.prompt.text) + sum(map(_shown, call.prompt.messages)))
    if not _is_count(tokens_out):
        tokens_out = sum(
            max(len(each.tokens), _estimate(len(each.text) + _size(each.tool_calls)))
            for each in generations
        )
    return tokens_in, tokens_out


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and value >= 0


def _shown(message: Message) -> int:
    """About how long a message is; a picture in it is as long as a page, not as its bytes."""
    if message.raw is None:
        return len(message.content)
    return min(len(message.raw), len(message.content) + _PAGE)


def _size(calls: Sequence[ToolCall]) -> int:
    return sum(len(call.name) + len(call.arguments) for call in calls)


def _estimate(characters: int) -> int:
    return math.ceil(characters / _CHARACTERS_PER_TOKEN)
