"""Question sets: questions with accepted answers, and when an answer counts as right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..router.errors import BadInput
from ..router.tables import read_lines
from ..router.text import contains_answer

__all__ = ["Question", "is_right", "read_questions"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        answers: accepted forms.
        topic: what it is about; splits go by topic, so that no topic is on both sides.
        split: `fit` or `held_out` in the shipped set, None where the file says nothing.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    topic: str | None = None
    split: str | None = None


def is_right(answer: str, accepted: Sequence[str]) -> bool:
    """Whether an accepted form occurs in the answer as a run of whole words, both normalized."""
    return any(contains_answer(answer, form) for form in accepted)


def read_questions(path: Path, split: str | None = None) -> tuple[Question, ...]:
    """Read a question set (JSON Lines: id, question, answers, topic, split).

    Args:
        split: keep only the questions of this split.

    Raises:
        BadInput: names file, line and field; also for an id that occurs twice, or no question.
    """
    found: dict[str, Question] = {}
    for line, data in read_lines(path):
        question = _question(data, str(path), line)
        if question.id in found:
            raise BadInput(f"{question.id!r} occurs twice", file=str(path), line=line, field="id")
        found[question.id] = question
    kept = tuple(q for q in found.values() if split is None or q.split == split)
    if not kept:
        which = "" if split is None else f" of split '{split}'"
        raise BadInput(f"there is no question{which}", file=str(path))
    return kept


def _question(data: dict[str, Any], file: str, line: int) -> Question:
    def text(name: str) -> str:
        value = data.get(name)
        if not isinstance(value, str) or not value.strip():
            raise BadInput(f"expected a text, got {value!r}", file=file, line=line, field=name)
        return value

    answers = data.get("answers")
    if not isinstance(answers, list) or not answers or not all(isinstance(a, str) for a in answers):
        raise BadInput(
            f"expected a list of texts, got {answers!r}", file=file, line=line, field="answers"
        )
    topic, split = data.get("topic"), data.get("split")
    return Question(
        text("id"),
        text("question"),
        tuple(answers),
        None if topic is None else str(topic),
        None if split is None else str(split),
    )
