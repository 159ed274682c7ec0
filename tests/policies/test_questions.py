"""Question sets: what is read, what is refused, and when an answer counts as right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from surefoot.policies.questions import Question, is_right, read_questions, round_robin
from surefoot.router.errors import BadInput

GOOD: dict[str, Any] = {"id": "a", "question": "Capital of France?", "answers": ["Paris"]}


def written(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def refusal(path: Path, split: str | None = None) -> BadInput:
    with pytest.raises(BadInput) as caught:
        read_questions(path, split)
    assert caught.value.file == str(path)
    return caught.value


def test_questions_are_read_field_by_field(tmp_path: Path) -> None:
    full = {
        "id": "b",
        "question": " Why?\u0000 ",
        "answers": ["so", "thus"],
        "topic": 3,
        "split": "fit",
        "difficulty": "ignored",
    }

    assert read_questions(written(tmp_path, GOOD, full)) == (
        Question("a", "Capital of France?", ("Paris",)),
        Question("b", "Why?", ("so", "thus"), "3", "fit"),
    )


def test_a_split_keeps_its_questions_only(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        GOOD,
        {**GOOD, "id": "b", "split": "fit"},
        {**GOOD, "id": "c", "split": "held_out"},
    )

    assert [question.id for question in read_questions(path, "fit")] == ["b"]
    assert "there is no question of split 'other'" in str(refusal(path, "other"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", None),
        ("id", 7),
        ("id", "  "),
        ("question", None),
        ("question", ["q"]),
        ("question", " \u0000\n"),
        ("answers", None),
        ("answers", "Paris"),
        ("answers", []),
        ("answers", ["Paris", 7]),
        ("answers", ["Paris", ""]),
        ("answers", ["Paris", "The"]),
        ("answers", ["?!"]),
    ],
)
def test_a_bad_field_is_named(tmp_path: Path, field: str, value: Any) -> None:
    error = refusal(written(tmp_path, GOOD, {**GOOD, "id": "b", field: value}))

    assert (error.line, error.field) == (2, field)


@pytest.mark.parametrize("field", ["id", "question", "answers"])
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    row = {name: value for name, value in GOOD.items() if name != field}

    assert (refusal(written(tmp_path, row)).line, refusal(written(tmp_path, row)).field) == (
        1,
        field,
    )


def test_an_id_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, GOOD, {**GOOD, "question": "Another?"}))

    assert (error.line, error.field) == (2, "id")


def test_a_set_without_questions_is_refused(tmp_path: Path) -> None:
    assert "there is no question" in str(refusal(written(tmp_path)))


@pytest.mark.parametrize(
    ("answer", "accepted", "right"),
    [
        ("The capital is Paris.", ["Paris"], True),
        ("paris", ["PARIS!"], True),
        ("Parish", ["Paris"], False),
        ("", ["Paris"], False),
        ("Use json.loads(text)", ["json.loads"], True),
        ("Use json.load", ["json.loads"], False),
        ("It was the Beatles", ["Rolling Stones", "The Beatles"], True),
        ("New York is not York New", ["York New"], True),
        ("New, York", ["new york"], True),
    ],
)
def test_an_answer_is_right_that_contains_an_accepted_form(
    answer: str, accepted: list[str], right: bool
) -> None:
    assert is_right(answer, accepted) is right


def of_topics(*topics: str | None) -> tuple[Question, ...]:
    return tuple(Question(f"{i}", "?", ("x",), topic) for i, topic in enumerate(topics))


def test_any_beginning_of_a_round_robin_covers_the_topics() -> None:
    questions = of_topics("a", "a", "a", "b", None, "b", "c")

    assert [question.topic for question in round_robin(questions)] == [
        *("a", "b", None, "c"),
        *("a", "b"),
        "a",
    ]
    assert sorted(round_robin(questions), key=lambda q: q.id) == list(questions)
    ids = [question.id for question in round_robin(questions, per_topic=1)]
    assert ids == ["0", "3", "4", "6"]
