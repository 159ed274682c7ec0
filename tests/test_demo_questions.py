"""The shipped question set: what its users rely on."""

import json
from collections import defaultdict
from pathlib import Path

import surefoot
from surefoot.policies.questions import is_right, read_questions
from surefoot.router.text import question_key

QUESTIONS = Path(surefoot.__file__).parent / "graphs/defaults/questions.jsonl"


def test_there_are_enough_of_both_kinds_on_both_sides() -> None:
    for split in ("fit", "held_out"):
        found = read_questions(QUESTIONS, split)
        assert sum(q.id.startswith("std-") for q in found) >= 150
        assert sum(q.id.startswith("fact-") for q in found) >= 150
    splits = {json.loads(line)["split"] for line in QUESTIONS.read_text("utf-8").splitlines()}
    assert splits == {"fit", "held_out"}


def test_no_topic_is_on_both_sides() -> None:
    sides = defaultdict(set)
    for question in read_questions(QUESTIONS):
        sides[question.topic].add(question.split)
    assert None not in sides
    assert {topic: found for topic, found in sides.items() if len(found) != 1} == {}


def test_no_question_is_asked_twice_and_none_tells_its_answer() -> None:
    questions = read_questions(QUESTIONS)
    assert len({question_key(q.question) for q in questions}) == len(questions)
    assert [q.id for q in questions if is_right(q.question, q.answers)] == []
