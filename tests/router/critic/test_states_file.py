"""States files: what is read is what was written, and a bad line names its field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.critic.states import CriticState, Labels, StateRecord, rounds_found
from surefoot.router.critic.states_file import parse_state, read_states, state_row
from surefoot.router.errors import BadInput
from surefoot.router.evidence import Passage

ROW: dict[str, Any] = {
    "thread_id": "q1",
    "question": "Who wrote it?",
    "round": 1,
    "passages": [{"id": "a", "title": "T", "text": "Some text.", "score": 2.5}],
}

_texts = st.text(max_size=12)
_numbers = st.floats(allow_nan=False, allow_infinity=False)
_passages = st.builds(Passage, _texts, _texts, _texts, _numbers)
_words = st.lists(_texts, max_size=3).map(tuple)
_flags = st.none() | st.booleans()


@st.composite
def _records(draw: st.DrawFn) -> StateRecord:
    passages = tuple(draw(st.lists(_passages, max_size=3)))
    state = CriticState(
        draw(_texts.filter(lambda text: bool(text.strip()))),
        draw(_texts),
        draw(_texts),
        passages,
        draw(st.integers(0, 9)),
        draw(_words),
        draw(_words),
        draw(st.just(()) | st.just(tuple(range(1, len(passages) + 1)))),
        tuple(draw(st.lists(_numbers, max_size=2))),
    )
    labels = Labels(draw(_flags), draw(st.none() | st.floats(0.0, 1.0)), draw(_flags), draw(_flags))
    extra = draw(st.dictionaries(st.sampled_from(["mode", "k", "dataset"]), st.integers()))
    thread = draw(_texts.filter(lambda text: bool(text.strip())))
    return StateRecord(thread, state, draw(_words), labels, extra)


@given(_records())
def test_what_is_written_is_read_back(record: StateRecord) -> None:
    row = json.loads(json.dumps(state_row(record)))
    assert parse_state(row, "f", 0) == record


def test_labels_and_everything_that_may_be_absent_are_unknown(tmp_path: Path) -> None:
    file = tmp_path / "states.jsonl"
    file.write_text("\n" + json.dumps(ROW) + "\n", encoding="utf-8")
    (record,) = read_states(file)
    assert record.labels == Labels()
    assert record.gold == ()
    assert record.line == 2
    assert record.state == CriticState(
        "Who wrote it?", passages=(Passage("a", "T", "Some text.", 2.5),), round=1
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"thread_id": None}, "thread_id"),
        ({"question": ""}, "question"),
        ({"question": 3}, "question"),
        ({"round": -1}, "round"),
        ({"round": True}, "round"),
        ({"passages": {}}, "passages"),
        ({"passages": ["x"]}, "passages[0]"),
        ({"passages": [{"id": "a", "title": "T", "score": 1}]}, "passages[0].text"),
        ({"passages": [{**ROW["passages"][0], "score": "high"}]}, "passages[0].score"),
        ({"passages": [{**ROW["passages"][0], "score": 10**400}]}, "passages[0].score"),
        ({"found_in": [1, 2]}, "found_in"),
        ({"queries": "x"}, "queries"),
        ({"previous_answers": [1]}, "previous_answers[0]"),
        ({"label_em": 2}, "label_em"),
        ({"label_f1": 1.5}, "label_f1"),
        ({"unshown_scores": [None]}, "unshown_scores[0]"),
    ],
)
def test_a_bad_field_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_state({**ROW, **change}, "states.jsonl", 7)
    assert (caught.value.file, caught.value.line, caught.value.field) == ("states.jsonl", 7, field)


def test_all_states_of_a_question_belong_together() -> None:
    first = parse_state({**ROW, "thread_id": "q1/depth"}, "f", 1)
    second = parse_state({**ROW, "thread_id": "q1/expand", "question": "who wrote  it"}, "f", 2)
    other = parse_state({**ROW, "question": "Who read it?"}, "f", 3)
    assert first.group == second.group != other.group


def _state(passages: int, queries: int, found_in: tuple[int, ...] = ()) -> CriticState:
    shown = tuple(Passage(str(i), "", "", 0.0) for i in range(passages))
    return CriticState("q", passages=shown, queries=("x",) * queries, found_in=found_in)


@pytest.mark.parametrize(
    ("state", "rounds"),
    [
        (_state(4, 2), (1, 1, 2, 2)),
        (_state(3, 1), (1, 1, 1)),
        (_state(5, 2), (1, 1, 1, 1, 1)),
        (_state(3, 2, (2, 1, 1)), (2, 1, 1)),
        (_state(0, 2), ()),
    ],
)
def test_which_search_found_a_passage(state: CriticState, rounds: tuple[int, ...]) -> None:
    assert rounds_found(state) == rounds
