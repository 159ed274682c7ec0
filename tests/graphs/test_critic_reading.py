"""States and documents in the shapes that other people's graphs keep them in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import BaseModel

from surefoot.graphs.critic_documents import passages_of
from surefoot.graphs.critic_reading import StateReader, read_messages
from surefoot.router.errors import UsageError
from surefoot.router.evidence import Passage

CALL: Any = {"name": "search", "args": {"query": "x"}, "id": "call-1", "type": "tool_call"}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (Passage("7", "T", "text", 0.5), Passage("7", "T", "text", 0.5)),
        (
            Document("text", id="7", metadata={"title": "T", "score": 0.5}),
            Passage("7", "T", "text", 0.5),
        ),
        ((Document("text", id="7", metadata={"title": "T"}), 0.5), Passage("7", "T", "text", 0.5)),
        ([Document("text", id="7"), 2], Passage("7", "", "text", 2.0)),
        (
            {"page_content": "text", "metadata": {"id": 7, "source": "a/guide.md"}},
            Passage("7", "guide", "text", 1.0),
        ),
        ({"text": "text", "id": "7", "title": "T", "score": 3}, Passage("7", "T", "text", 3.0)),
        ({"content": "text", "id": "7"}, Passage("7", "", "text", 1.0)),
    ],
)
def test_documents_of_all_shapes_become_passages(document: Any, expected: Passage) -> None:
    assert passages_of([document]) == (expected,)


def test_documents_without_an_id_are_told_apart_by_their_text() -> None:
    first, second, again = passages_of(["one", Document("two"), {"text": "one"}])
    assert first.id == again.id != second.id
    assert [first.text, second.text] == ["one", "two"]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([3.0, 2.0, 2.0], [3.0, 2.0, 2.0]),
        ([0.1, 0.2, 0.3], [1.0, 1 / 2, 1 / 3]),  # distances
        ([3.0, None, 1.0], [1.0, 1 / 2, 1 / 3]),
        ([3.0, float("nan"), 1.0], [1.0, 1 / 2, 1 / 3]),
        ([True, True, True], [1.0, 1 / 2, 1 / 3]),
    ],
)
def test_scores_count_only_where_they_rank(scores: list[Any], expected: list[float]) -> None:
    documents = [{"text": f"t{n}", "score": score} for n, score in enumerate(scores)]
    assert [one.score for one in passages_of(documents)] == expected


def test_documents_without_text_are_left_out_and_text_is_one_that_can_be_stored() -> None:
    found = passages_of([Document("  "), Document("a\x00b\ud800")])
    assert [(one.text, one.score) for one in found] == [("ab\ufffd", 1.0)]
    assert passages_of(None) == passages_of([]) == ()


@pytest.mark.parametrize(
    ("documents", "named"),
    [
        ("a text", "got str"),
        ({"text": "x"}, "got dict"),
        (Document("x"), "got Document"),
        (["x", 3], r"documents\[1\].*got int"),
        ([{"metadata": {}}], r"documents\[0\].*got dict"),
    ],
)
def test_what_are_no_documents_is_refused_by_place(documents: Any, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        passages_of(documents)


# ------------------------------------------------------------------------ states


class Model(BaseModel):
    question: str
    generation: str | None = None
    context: list[str] = []


@dataclass
class Record:
    question: str
    answer: str = ""
    documents: list[Document] = field(default_factory=list)


@pytest.mark.parametrize(
    "given",
    [
        {"question": "q", "answer": "a", "passages": ["x"]},
        {"question": HumanMessage("q"), "answer": AIMessage("a"), "documents": [Document("x")]},
        Model(question=" q ", generation="a", context=["x"]),
        Record("q", "a", [Document("x")]),
    ],
)
def test_the_usual_keys_are_known_in_states_of_all_kinds(given: Any) -> None:
    state = StateReader()(given)
    assert (state.question, state.answer, state.round) == ("q", "a", 1)
    assert [one.text for one in state.passages] == ["x"]


def test_rounds_are_read_or_counted() -> None:
    read = StateReader()
    base: dict[str, Any] = {"question": "q", "answer": "a"}
    assert read(base).round == 0
    assert read({**base, "documents": ["x"], "queries": ["one", "two"]}).round == 2
    full = {**base, "round": 5, "queries": ["one"], "previous_answers": ["b"], "rationale": "why"}
    state = read(full)
    assert (state.round, state.queries, state.previous_answers, state.rationale) == (
        5,
        ("one",),
        ("b",),
        "why",
    )


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"answer": 3}, "answer.*int"),
        ({"round": -1}, "round.*-1"),
        ({"round": True}, "round.*True"),
        ({"queries": "one"}, "queries.*str"),
        ({"previous_answers": [1]}, "previous_answers.*int"),
        ({"question": "  "}, "question"),
        ({"documents": "x"}, "documents.*str"),
    ],
)
def test_a_field_of_another_type_is_refused_by_name(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        StateReader()({"question": "q", **wrong})


# ------------------------------------------------------------------------ messages


def test_a_conversation_is_read_from_its_last_question_on() -> None:
    messages = [
        SystemMessage("be brief"),
        HumanMessage("old question"),
        AIMessage("old answer"),
        HumanMessage("new question"),
        AIMessage("", tool_calls=[CALL]),
        ToolMessage("shown", tool_call_id="1", artifact=[Document("found", id="d")]),
        ToolMessage("plain result", tool_call_id="2", name="lookup"),
        ToolMessage("it crashed", tool_call_id="3", status="error"),
        ToolMessage("nothing found", tool_call_id="4", artifact=[]),
        AIMessage("new answer"),
    ]
    for given in (messages, {"messages": messages}):
        state = StateReader()(given)
        assert (state.question, state.answer, state.round) == ("new question", "new answer", 3)
        assert [(one.title, one.text) for one in state.passages] == [
            ("", "found"),
            ("lookup", "plain result"),
        ]


@pytest.mark.parametrize(
    "last",
    [
        [],
        [AIMessage("let me look", tool_calls=[CALL])],
        [AIMessage("an answer"), ToolMessage("x", tool_call_id="1")],
    ],
)
def test_what_is_no_final_answer_is_none(last: list[Any]) -> None:
    assert read_messages([AIMessage("before"), HumanMessage("q"), *last]).answer == ""


def test_a_text_and_a_message_are_a_question() -> None:
    assert StateReader()("q") == StateReader()(HumanMessage("q")) == read_messages([("user", "q")])
    blocks = HumanMessage([{"type": "text", "text": "q"}])
    assert read_messages([blocks]).question == "q"


@pytest.mark.parametrize("wrong", [[], [AIMessage("a")], [3], [{"role": "user"}]])
def test_messages_without_a_question_are_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match="messages"):
        read_messages(wrong)
