"""Runs of several rounds that another system recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from surefoot.router.critic.recorded_runs import read_recorded_runs
from surefoot.router.critic.run_states import Gold
from surefoot.router.critic.states import StateRecord
from surefoot.router.errors import BadInput

JAWS = {"id": "p1", "title": "Jaws", "text": "by Spielberg", "score": 3}
MAN = {"id": "p2", "title": "Spielberg", "text": "born in Cincinnati", "score": 2.0}
RUN: dict[str, Any] = {
    "id": 7,
    "question": "Where was the director of Jaws born?",
    "answers": ["Cincinnati"],
    "gold_titles": ["Jaws", "Spielberg"],
    "rounds": [
        {"answer": "LA", "calls": 1},
        {"answer": "NY", "passages": [JAWS]},
        {"answer": "Cincinnati", "rationale": "r", "query": "Spielberg", "passages": [JAWS, MAN]},
    ],
}


def read(path: Path, *rows: Any, gold: dict[str, Gold] | None = None) -> list[StateRecord]:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(read_recorded_runs(path, gold or {}))


def test_every_round_is_a_state(tmp_path: Path) -> None:
    closed, first, second = read(tmp_path / "r.jsonl", RUN)
    assert {one.thread_id for one in (closed, first, second)} == {"7"}
    assert [one.state.round for one in (closed, first, second)] == [0, 1, 2]
    assert [len(one.state.passages) for one in (closed, first, second)] == [0, 1, 2]
    assert second.state.found_in == (1, 2)
    assert second.state.queries == (RUN["question"], "Spielberg")
    assert second.state.previous_answers == ("LA", "NY")
    assert [one.labels.em for one in (closed, first, second)] == [False, False, True]
    assert [one.labels.sufficient for one in (closed, first, second)] == [False, False, True]
    assert closed.extra == {"calls": 1} and second.state.rationale == "r"


def test_the_first_round_may_search_at_once(tmp_path: Path) -> None:
    (only,) = read(tmp_path / "r.jsonl", {**RUN, "rounds": RUN["rounds"][1:2]})
    assert (only.state.round, only.state.queries) == (1, (RUN["question"],))


def test_what_a_run_does_not_bring_comes_from_the_questions(tmp_path: Path) -> None:
    bare = {key: RUN[key] for key in ("id", "question", "rounds")}
    *_, last = read(tmp_path / "r.jsonl", bare, gold={"7": Gold(("Cincinnati",), ("Jaws",))})
    assert (last.labels.em, last.labels.sufficient) == (True, True)
    *_, last = read(tmp_path / "r.jsonl", bare)
    assert (last.labels.em, last.labels.sufficient, last.gold) == (None, None, ())


def test_a_round_may_say_itself_whether_its_passages_suffice(tmp_path: Path) -> None:
    rounds = [{**RUN["rounds"][1], "sufficient": 1}]
    (only,) = read(tmp_path / "r.jsonl", {**RUN, "rounds": rounds})
    assert only.labels.sufficient is True


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"id": None}, "id", "expected a text or a number"),
        ({"question": " "}, "question", "expected a text"),
        ({"rounds": []}, "rounds", "expected an array of rounds"),
        ({"rounds": [3]}, "rounds[0]", "expected an object"),
        ({"rounds": [{}, {"answer": "x"}]}, "rounds[1].passages", "no round before it found"),
        ({"rounds": [{"answer": 3}]}, "rounds[0].answer", "expected a text, got 3"),
        ({"rounds": [{"passages": [{}]}]}, "rounds[0].passages[0].id", "is missing"),
        (
            {"rounds": [{"passages": [{**JAWS, "score": None}]}]},
            "rounds[0].passages[0].score",
            "is missing",
        ),
        ({"rounds": [{"passages": [JAWS], "query": 3}]}, "rounds[0].query", "expected a text"),
        ({"rounds": [{"sufficient": 2}]}, "rounds[0].sufficient", "expected 0, 1 or null"),
        ({"answers": "Paris"}, "answers", "expected an array of texts"),
        ({"gold_titles": [1]}, "gold_titles", "expected an array of texts"),
    ],
)
def test_what_is_no_run_is_named_by_line_and_field(
    tmp_path: Path, change: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path / "r.jsonl", {**RUN, "id": 1}, {**RUN, **change})
    assert (caught.value.line, caught.value.field) == (2, field)
    assert words in str(caught.value)


def test_a_run_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="occurs in line 1 already"):
        read(tmp_path / "r.jsonl", RUN, RUN)
