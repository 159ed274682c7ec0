"""Confidence over a whole conversation, from that of its answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["AnswerConfidence", "ConversationConfidence", "conversation_confidence"]


@dataclass(frozen=True, slots=True)
class AnswerConfidence:
    """One answer of a conversation: P(right), None where nothing judged it."""

    p: float | None
    calibrated: bool = False


@dataclass(frozen=True, slots=True)
class ConversationConfidence:
    """What the confidences of n answers say of all of them together.

    Whether one answer is right may hang on whether an earlier one was, and nobody knows how. So
    nothing here assumes independence: the expected number is exact in any case (expectations add
    up), and the two bounds are the best possible without further knowledge.

    Source of the bounds: Frechet 1935, "Generalisations du theoreme des probabilites totales".

    Attributes:
        answers: n.
        unjudged: answers of which nothing is known; each counts as wrong wherever the worst is
            asked for.
        expected_wrong: sum of 1 - p, the unjudged as 1; in [0, n].
        all_right: bounds of P(every answer is right): max(0, 1 - expected_wrong) and min p.
        weakest: number of the answer with the least p, from 0, unjudged ones first; None of none.
        calibrated: whether every p is a probability. Sums of bare signal values order
            conversations and count nothing.
    """

    answers: int = 0
    unjudged: int = 0
    expected_wrong: float = 0.0
    all_right: tuple[float, float] = (1.0, 1.0)
    weakest: int | None = None
    calibrated: bool = True

    def and_then(self, answer: AnswerConfidence) -> float:
        """Wrong answers to expect with one more."""
        return self.expected_wrong + (1.0 if answer.p is None else 1.0 - answer.p)


def conversation_confidence(answers: Iterable[AnswerConfidence]) -> ConversationConfidence:
    """Of the answers of a conversation, oldest first."""
    known: Sequence[AnswerConfidence] = tuple(answers)
    if not known:
        return ConversationConfidence()
    least = [-1.0 if one.p is None else one.p for one in known]
    wrong = math.fsum(1.0 if one.p is None else 1.0 - one.p for one in known)
    judged = [one.p for one in known if one.p is not None]
    return ConversationConfidence(
        len(known),
        len(known) - len(judged),
        wrong,
        (max(0.0, 1.0 - wrong), min(judged, default=1.0)),
        least.index(min(least)),
        all(one.calibrated for one in known),
    )
