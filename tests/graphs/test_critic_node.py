"""The critic inside graphs that know nothing of ours."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.documents import Document
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph

from surefoot.adapters.critic_serving import BatchingCritic
from surefoot.graphs.critic_node import critic_edge, critic_node
from surefoot.graphs.critic_reading import StateReader
from surefoot.router.critic.states import CriticState
from surefoot.router.errors import (
    ConfigurationError,
    RunError,
    UpstreamMalformed,
    UpstreamUnavailable,
    UsageError,
)
from surefoot.router.evidence import CriticVerdict

from .critic_doubles import LONG_S, FakeCritic, FakeService


class Rag(TypedDict, total=False):
    """Of a graph of somebody else's."""

    question: str
    documents: list[Document]
    generation: str
    critic: dict[str, Any] | None
    tries: Annotated[list[str], lambda old, new: old + new]


def rag_graph(node: Any, answers: list[str], *, threshold: float | None = None) -> Any:
    """Write the next answer and have it judged, until one is accepted or none is left."""

    def write(state: Rag) -> Rag:
        tries = state.get("tries", [])
        return {"generation": answers[len(tries)], "tries": ["x"], "critic": None}

    def again(state: Rag) -> str:
        return END if len(state["tries"]) == len(answers) else "write"

    graph = StateGraph(Rag)
    graph.add_node("write", write)
    graph.add_node("critic", node)
    graph.add_node("more", lambda state: {})
    graph.add_edge(START, "write")
    graph.add_edge("write", "critic")
    graph.add_conditional_edges("critic", critic_edge(threshold, accept=END, refuse="more"))
    graph.add_conditional_edges("more", again, ["write", END])
    return graph.compile(checkpointer=InMemorySaver())


def config(thread: str) -> dict[str, Any]:
    return {"configurable": {"thread_id": thread}}


QUESTION = {"question": "Where?", "documents": [Document(page_content="Here.")]}


def test_a_graph_goes_on_until_an_answer_is_accepted() -> None:
    critic = FakeCritic()
    graph = rag_graph(critic_node(critic, threshold=0.5), ["abc", "abcd", "abcde", "never asked"])
    state = graph.invoke(QUESTION, config("1"))
    assert [one.answer for one in critic.states] == ["abc", "abcd", "abcde"]
    assert state["generation"] == "abcde"
    assert state["critic"] == {
        "p_accept": 0.5,
        "p_sufficient": 0.25,
        "gap": "a gap",
        "version": "fake-1",
        "verdict": "accept",
    }
    kept = graph.get_state(config("1")).values["critic"]  # what went through the checkpointer
    assert json.loads(json.dumps(kept)) == kept == state["critic"]


async def test_sync_and_async_take_the_same_step() -> None:
    graph = rag_graph(critic_node(FakeCritic(), threshold=0.5), ["abc", "abcdefg"])
    awaited = await graph.ainvoke(QUESTION, config("1"))
    assert awaited == await asyncio.to_thread(graph.invoke, QUESTION, config("2"))
    assert awaited["critic"]["p_accept"] == 0.7


def test_a_refused_answer_stays_refused_at_the_end() -> None:
    graph = rag_graph(critic_node(FakeCritic(), threshold=0.5), ["abcd", "", "abc"])
    state = graph.invoke(QUESTION, config("1"))
    assert (state["critic"]["p_accept"], state["critic"]["verdict"]) == (0.3, "refuse")


@pytest.mark.parametrize("empty", ["", "  \n", None])
def test_an_empty_answer_is_refused_at_any_threshold(empty: str | None) -> None:
    node = critic_node(FakeCritic(), threshold=0.0)
    verdict = node.invoke({"question": "q", "answer": empty})["critic"]
    assert (verdict["p_accept"], verdict["verdict"]) == (None, "refuse")
    assert critic_edge(0.0, accept="yes", refuse="no")({"critic": verdict}) == "no"


def test_a_critic_of_passages_alone_accepts_nothing() -> None:
    critic = FakeCritic(lambda state: CriticVerdict(None, 0.9))
    verdict = critic_node(critic, threshold=0.0).invoke({"question": "q", "answer": "a"})["critic"]
    assert (verdict["p_accept"], verdict["p_sufficient"]) == (None, 0.9)
    assert verdict["verdict"] == "refuse"


@pytest.mark.parametrize(("threshold", "said"), [(0.3, "accept"), (0.30001, "refuse")])
def test_the_threshold_itself_is_accepted(threshold: float, said: str) -> None:
    node = critic_node(FakeCritic(), threshold=threshold)
    assert node.invoke({"question": "q", "answer": "abc"})["critic"]["verdict"] == said


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan, True, "0.5", None])
def test_a_threshold_that_is_no_probability_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="threshold"):
        critic_node(FakeCritic(), threshold=wrong)
    if wrong is not None:
        with pytest.raises(ConfigurationError, match="threshold"):
            critic_edge(wrong, accept="yes", refuse="no")


# ------------------------------------------------------------------------ the edge


@pytest.mark.parametrize("threshold", [None, 0.0])
@pytest.mark.parametrize(
    "critic",
    [
        None,
        {},
        "accept",
        ["accept"],
        {"p_accept": None, "verdict": "accept"},
        {"p_accept": math.nan, "verdict": "accept"},
        {"p_accept": 7.0, "verdict": "accept"},
        {"p_accept": True, "verdict": "accept"},
        {"p_accept": "0.9", "verdict": "accept"},
    ],
)
def test_whatever_is_no_verdict_is_a_refusal(critic: Any, threshold: float | None) -> None:
    edge = critic_edge(threshold, accept="yes", refuse="no")
    assert edge({"critic": critic}) == "no"
    assert edge({}) == "no"


def test_the_edge_goes_by_the_verdict_or_by_a_threshold_of_its_own() -> None:
    refused = {"critic": {"p_accept": 0.6, "verdict": "refuse"}}
    accepted = {"critic": {"p_accept": 0.6, "verdict": "accept"}}
    edges = [critic_edge(least, accept="yes", refuse="no") for least in (None, 0.6, 0.61)]
    assert [edge(refused) for edge in edges] == ["no", "yes", "no"]
    assert [edge(accepted) for edge in edges] == ["yes", "yes", "no"]


def test_the_edge_reads_states_that_are_objects_and_other_keys() -> None:
    @dataclass
    class State:
        judged: dict[str, Any]

    edge = critic_edge(accept="yes", refuse="no", key="judged")
    assert edge(State({"p_accept": 0.6, "verdict": "accept"})) == "yes"
    assert critic_edge(accept="yes", refuse="no")(State({})) == "no"


def test_a_graph_without_the_node_refuses() -> None:
    graph = StateGraph(Rag)
    graph.add_node("write", lambda state: {"generation": "a long answer"})
    graph.add_node("no", lambda state: {"generation": "refused"})
    graph.add_edge(START, "write")
    graph.add_conditional_edges("write", critic_edge(0.1, accept=END, refuse="no"))
    assert graph.compile().invoke({"question": "q"})["generation"] == "refused"


def test_the_edge_s_two_ends_are_drawn_and_checked() -> None:
    graph = rag_graph(critic_node(FakeCritic(), threshold=0.5), ["a"])
    drawn = graph.get_graph().edges
    assert {edge.target for edge in drawn if edge.source == "critic"} == {"more", END}
    wrong = StateGraph(Rag)
    wrong.add_node("write", lambda state: {})
    wrong.add_edge(START, "write")
    wrong.add_conditional_edges("write", critic_edge(accept=END, refuse="nowhere"))
    with pytest.raises(ValueError, match="nowhere"):
        wrong.compile()


# ------------------------------------------------------------------------ many at once


@pytest.mark.parametrize("is_served", [False, True])
async def test_runs_at_the_same_time_keep_their_own_verdicts(is_served: bool) -> None:
    critic = FakeCritic()
    service = BatchingCritic(critic, max_batch=12, window_s=LONG_S)
    node = critic_node(service if is_served else critic, threshold=0.5)
    graph = rag_graph(node, ["abcdefgh"])
    inputs = [{"question": f"q{n}", "documents": ["x"] * (n % 4)} for n in range(12)]
    found = await asyncio.gather(
        *(graph.ainvoke(one, config(str(n))) for n, one in enumerate(inputs))
    )
    assert [one["critic"]["p_sufficient"] for one in found] == [(n % 4) / 4 for n in range(12)]
    assert sorted(one.question for one in critic.states) == sorted(f"q{n}" for n in range(12))
    if is_served:
        assert len(critic.batches) == 1
    await service.aclose()


def test_a_plain_critic_judges_together_what_came_while_it_was_busy() -> None:
    critic = FakeCritic(held=True)
    node = critic_node(critic, threshold=0.5)

    async def judged() -> list[Any]:
        first = asyncio.create_task(node.ainvoke({"question": "q", "answer": "a"}))
        assert await asyncio.to_thread(critic.begun.wait, LONG_S)
        rest = [
            asyncio.create_task(node.ainvoke({"question": "q", "answer": "a" * n}))
            for n in (2, 3, 4)
        ]
        for _ in range(20):
            await asyncio.sleep(0)  # each runs up to its wait
        critic.go.set()
        return list(await asyncio.gather(first, *rest))

    found = asyncio.run(judged())
    assert [one["critic"]["p_accept"] for one in found] == [0.1, 0.2, 0.3, 0.4]
    assert [len(batch) for batch in critic.batches] == [1, 3]


async def test_a_service_of_the_user_s_sets_the_batch() -> None:
    critic = FakeCritic()
    service = BatchingCritic(critic, max_batch=6, window_s=LONG_S)
    node = critic_node(service, threshold=0.5)
    found = await node.abatch([{"question": f"q{n}", "answer": "a" * n} for n in range(6)])
    assert [one["critic"]["p_accept"] for one in found] == [None, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert [len(batch) for batch in critic.batches] == [6]
    await service.aclose()


def test_batches_without_an_event_loop_share_too() -> None:
    critic = FakeCritic()
    service = BatchingCritic(critic, max_batch=4, window_s=LONG_S)
    node = critic_node(service, threshold=0.5)
    found = node.batch(
        [{"question": f"q{n}", "answer": "a" * n} for n in range(1, 5)], {"max_concurrency": 4}
    )
    assert [one["critic"]["p_accept"] for one in found] == [0.1, 0.2, 0.3, 0.4]
    assert [len(batch) for batch in critic.batches] == [4]
    asyncio.run(service.aclose())


# ------------------------------------------------------------------------ failures


def broken(state: CriticState) -> CriticVerdict:
    raise ValueError("a bug of the critic's")


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (broken, UpstreamUnavailable),
        (lambda state: CriticVerdict(math.nan, 0.5), UpstreamMalformed),
        (lambda state: CriticVerdict(1.5, 0.5), UpstreamMalformed),
        (lambda state: CriticVerdict(0.9, math.nan), UpstreamMalformed),
        (lambda state: {"p_accept": 0.9}, UpstreamMalformed),
    ],
)
def test_a_broken_critic_raises_and_writes_nothing(
    says: Callable[[CriticState], Any], error: type[RunError]
) -> None:
    graph = rag_graph(critic_node(FakeCritic(says), threshold=0.0), ["a"])
    with pytest.raises(error):
        graph.invoke(QUESTION, config("1"))
    assert graph.get_state(config("1")).values["critic"] is None
    if says is not broken:
        with pytest.raises(error):
            critic_node(FakeService(says), threshold=0.0).invoke({"question": "q", "answer": "a"})


def test_a_service_that_accepts_an_answer_that_is_not_there_is_refused() -> None:
    service = FakeService(lambda state: CriticVerdict(0.9, 0.9))
    with pytest.raises(UpstreamMalformed, match="does not exist"):
        critic_node(service, threshold=0.5).invoke({"question": "q", "answer": " "})


def test_a_cleared_verdict_is_not_served_again_where_the_critic_fails_later() -> None:
    def fails_later(state: CriticState) -> CriticVerdict:
        if state.answer == "second":
            raise ValueError("later")
        return CriticVerdict(0.9, 0.9)

    def write(state: Rag) -> Rag:
        tries = len(state.get("tries", []))
        return {"generation": ("first", "second")[tries], "tries": ["x"], "critic": None}

    graph = StateGraph(Rag)
    graph.add_node("write", write)
    node: Any = critic_node(FakeCritic(fails_later), threshold=0.5)
    graph.add_node("critic", node, error_handler=lambda state: {})
    graph.add_edge(START, "write")
    graph.add_edge("write", "critic")
    saver = InMemorySaver()
    built: Any = graph.compile(checkpointer=saver)
    assert built.invoke(QUESTION, config("1"))["critic"]["verdict"] == "accept"
    after = built.invoke(QUESTION, config("1"))
    assert after["generation"] == "second"
    assert critic_edge(accept="yes", refuse="no")(after) == "no"


# ------------------------------------------------------------------------ reading and writing


def test_the_user_s_own_mapping_is_used_both_ways() -> None:
    critic = FakeCritic()
    node = critic_node(
        critic,
        threshold=0.5,
        read=StateReader(
            question="input",
            answer=lambda state: state["out"]["text"],
            documents=("none", "context"),
            previous_answers=lambda state: state["answers"][:-1],
        ),
        write=lambda verdict: {"score": verdict["p_accept"], "judged": [verdict["verdict"]]},
    )
    state = {"input": "q", "out": {"text": "abcdef"}, "context": ["x"], "answers": ["a", "abcdef"]}
    assert node.invoke(state) == {"score": 0.6, "judged": ["accept"]}
    (seen,) = critic.states
    assert (seen.question, seen.answer, seen.previous_answers) == ("q", "abcdef", ("a",))
    assert [one.text for one in seen.passages] == ["x"]


async def test_a_mapping_may_be_async() -> None:
    async def read(state: dict[str, str]) -> CriticState:
        await asyncio.sleep(0)
        return CriticState(state["q"], state["a"])

    node = critic_node(FakeCritic(), threshold=0.5, read=read)
    assert (await node.ainvoke({"q": "?", "a": "ab"}))["critic"]["p_accept"] == 0.2
    found = await asyncio.to_thread(node.invoke, {"q": "?", "a": "abc"})
    assert found["critic"]["p_accept"] == 0.3


def test_a_state_without_a_question_says_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"StateReader\(question='input'\)"):
        critic_node(FakeCritic(), threshold=0.5).invoke({"input": "q"})
