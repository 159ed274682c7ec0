"""Question sets: questions with accepted answers, and when an answer counts as right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from ..router.errors import BadInput
from ..router.tables import read_lines
from ..router.text import clean_question, contains_answer, normalize_answer

__all__ = ["Question", "is_right", "read_questions", "round_robin"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        answers: accepted forms.
        topic: what it is about; splits go by topic, so that no topic is on both sides.
        split: `fit` or `held_out` in the shipped set, None where the file says nothing.
        gold_titles: of the passages that hold the evidence, where that is known.
    """

    id: str
    question: str
    answers: tuple[str, ...]
    topic: str | None = None
    split: str | None = None
    gold_titles: tuple[str, ...] = ()


def is_right(answer: str, accepted: Sequence[str]) -> bool:
    """Whether an accepted form occurs in the answer as a run of whole words, both normalized."""
    return any(contains_answer(answer, form) for form in accepted)


def read_questions(path: Path, split: str | None = None) -> tuple[Question, ...]:
    """Read a question set (JSON Lines: id, question, answers, topic, split, gold_titles).

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


def round_robin(
    questions: Sequence[Question], per_topic: int | None = None
) -> tuple[Question, ...]:
    """One question of each topic after the other, so that any beginning covers all topics.

    Args:
        per_topic: keep at most so many of each topic; None keeps all.
    """
    seen: Counter[str | None] = Counter()
    ranked = []
    for question in questions:
        ranked.append((seen[question.topic], question))
        seen[question.topic] += 1
    ranked.sort(key=lambda pair: pair[0])  # stable: the file's order within a round
    return tuple(q for rank, q in ranked if per_topic is None or rank < per_topic)


def _question(data: dict[str, Any], file: str, line: int) -> Question:
    def bad(name: str, expected: str) -> BadInput:
        got = shown(data.get(name))
        return BadInput(f"expected {expected}, got {got}", file=file, line=line, field=name)

    def text(name: str) -> str:
        value = data.get(name)
        if not isinstance(value, str) or not clean_question(value):
            raise bad(name, "a text")
        return value

    answers = data.get("answers")
    if not isinstance(answers, list) or not answers or not all(isinstance(a, str) for a in answers):
        raise bad("answers", "a list of texts")
    if not all(normalize_answer(form) for form in answers):
        # Such a form is found in no answer, so the question could never be answered rightly.
        raise bad("answers", "a word beside articles and punctuation in each")
    topic, split, titles = data.get("topic"), data.get("split"), data.get("gold_titles") or []
    if not isinstance(titles, list) or not all(isinstance(one, str) and one for one in titles):
        raise bad("gold_titles", "a list of texts")
    return Question(
        text("id"),
        clean_question(text("question")),
        tuple(answers),
        None if topic is None else str(topic),
        None if split is None else str(split),
        tuple(titles),
    )
