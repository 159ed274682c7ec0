"""The confidences of a conversation's answers, read from its LangChain messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..router.conversation_confidence import (
    AnswerConfidence,
    ConversationConfidence,
    conversation_confidence,
)

__all__ = ["answers_in", "confidence_of"]


def confidence_of(messages: Sequence[Any]) -> ConversationConfidence:
    """Confidence over the whole conversation.

    Args:
        messages: LangChain's, as an agent's state or a chat keeps them. Answers carry their
            decision where `ConfidenceMiddleware` or `RouterChatModel` gave them
            (`response_metadata["surefoot"]`); others count as judged by nothing.
    """
    return conversation_confidence(answers_in(messages))


def answers_in(messages: Iterable[Any]) -> list[AnswerConfidence]:
    """What each answer was judged to be worth, oldest first. Calls of tools and abstentions are no
    answers."""
    found: list[AnswerConfidence] = []
    for message in messages:
        if message.type != "ai" or getattr(message, "tool_calls", None) or not message.text:
            continue
        decision = (message.response_metadata or {}).get("surefoot")
        known = decision if isinstance(decision, dict) else {}
        if known.get("action") == "abstain":
            continue
        p = _share(known.get("confidence"))
        found.append(AnswerConfidence(p, known.get("calibrated") is True))
    return found


def _share(given: object) -> float | None:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0.0 <= given <= 1.0:
        return None
    return float(given)
