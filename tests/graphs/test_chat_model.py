"""The router as LangChain's chat model: messages, tools, streams, errors, traces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from pydantic import BaseModel

from surefoot import RouterChatModel
from surefoot.graphs.config import build
from surefoot.graphs.places import Places, Surroundings
from surefoot.graphs.settings import parse_settings
from surefoot.router.errors import Abstained, UpstreamUnavailable, UsageError
from surefoot.router.perform import Session

from ..adapters.scripted_upstream import Upstream
from ..faults.deployment import configuration
from .obedient_upstream import OBEDIENT, upstream_in_thread

QUESTION = "What is the capital of France?"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with upstream_in_thread() as running:
        yield running


class Models:
    """Makes chat models over tiers, and closes them."""

    def __init__(self, folder: Path, upstream: Upstream) -> None:
        self._folder, self._upstream = folder, upstream
        self._made: list[RouterChatModel] = []

    def __call__(self, *tiers: str, thresholds: str | None = None, **more: Any) -> RouterChatModel:
        named = [(f"t{n}", model, self._upstream.base_url) for n, model in enumerate(tiers)]
        text = configuration(*named, thresholds=thresholds, resilience="attempts = 1")
        text = text.replace("[policy]", '[policy]\ntool_calls = "pass"')
        places = Places(self._folder / "cache", self._folder / "data")
        built = build(parse_settings(text), Surroundings(self._folder, places, {}))
        self._made.append(RouterChatModel.of(built, **more))
        return self._made[-1]

    def close(self) -> None:
        for one in self._made:
            one.close()


@pytest.fixture
def models(tmp_path: Path, upstream: Upstream) -> Iterator[Models]:
    upstream.seen.clear()
    made = Models(tmp_path, upstream)
    yield made
    made.close()


def decision(message: AIMessage) -> dict[str, Any]:
    found: dict[str, Any] = message.response_metadata["surefoot"]
    return found


def test_an_answer_comes_with_its_decision_and_the_usage_of_all_attempts(
    models: Models, upstream: Upstream
) -> None:
    model = models("ok", OBEDIENT, thresholds="t0 = 0.99, t1 = 0.5")
    message = model.invoke([SystemMessage("Be brief."), HumanMessage(QUESTION)])
    assert message.text == "Paris."
    found = decision(message)
    assert (found["action"], found["tier"], found["escalations"]) == ("answer", "t1", 1)
    assert found["confidence"] == pytest.approx(
        0.7788, abs=1e-4
    )  # exp(-.25): a full stop says nothing
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] == 4
    assert message.usage_metadata["total_tokens"] == 4 + message.usage_metadata["input_tokens"]
    for seen in upstream.seen:
        assert [one["content"] for one in seen.body["messages"]] == ["Be brief.", QUESTION]


def test_a_stream_ends_with_all_that_is_known(models: Models) -> None:
    *before, last = models("ok").stream(QUESTION)
    assert "".join(one.text for one in before) == "Paris."
    assert isinstance(last, AIMessageChunk) and last.chunk_position == "last"
    assert last.usage_metadata is not None and decision(last)["action"] == "answer"


async def test_a_stream_within_a_graph_shows_no_rejected_draft(models: Models) -> None:
    model = models("ok", OBEDIENT, thresholds="t0 = 0.99, t1 = 0.5")

    async def call(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("call", call)
    graph.add_edge(START, "call")
    graph.add_edge("call", END)
    given: Any = {"messages": [HumanMessage(QUESTION)]}
    compiled: Any = graph.compile()
    shown = [chunk.text async for chunk, _ in compiled.astream(given, stream_mode="messages")]
    assert "".join(shown) == "Paris."


def test_an_abstention_is_an_answer_or_an_error(models: Models) -> None:
    never = "t0 = 1.0"
    message = models("ok", thresholds=never).invoke(QUESTION)
    assert (message.text, decision(message)["action"]) == ("I do not know.", "abstain")
    with pytest.raises(Abstained, match=r"."):
        models("ok", thresholds=never, abstain="error").invoke(QUESTION)


def test_what_no_tier_could_do_is_an_error_for_fallbacks(models: Models) -> None:
    broken = models("status:503")
    with pytest.raises(UpstreamUnavailable):
        broken.invoke(QUESTION)
    saved = broken.with_fallbacks([models("ok")])
    assert saved.invoke(QUESTION).text == "Paris."


def test_without_a_user_nothing_is_asked(models: Models, upstream: Upstream) -> None:
    with pytest.raises(UsageError, match="no user says anything"):
        models("ok").invoke([SystemMessage("Be brief.")])
    assert upstream.seen == []


class City(BaseModel):
    """A city."""

    name: str
    inhabitants: int


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"It rains in {city}."


def test_tools_reach_every_tier_and_their_calls_come_back(
    models: Models, upstream: Upstream
) -> None:
    model = models("ok", OBEDIENT, thresholds="t0 = 0.99, t1 = 0.5").bind_tools([weather, City])
    message = model.invoke("How is the weather?")
    assert [(one["name"], one["args"]) for one in message.tool_calls] == [
        ("weather", {"city": "San Francisco"})
    ]
    assert message.response_metadata["finish_reason"] == "tool_calls"
    assert not decision(message)["gated"]
    for seen in upstream.seen:
        names = [one["function"]["name"] for one in seen.body["tools"]]
        assert names == ["weather", "City"]
    result = weather.invoke(message.tool_calls[0])
    after = model.invoke([HumanMessage("How is the weather?"), message, result])
    assert after.text == "Paris."
    roles = [one["role"] for one in upstream.seen[-1].body["messages"]]
    assert roles == ["user", "assistant", "tool"]


def test_structured_output_is_a_forced_tool(models: Models, upstream: Upstream) -> None:
    structured = models(OBEDIENT).with_structured_output(City)
    assert structured.invoke("A city of 300 people") == City(name="San Francisco", inhabitants=300)
    choice = upstream.seen[-1].body["tool_choice"]
    assert choice == {"type": "function", "function": {"name": "City"}} or choice == "required"


def test_limits_and_sessions_go_with_a_call(models: Models, upstream: Upstream) -> None:
    model = models("ok", max_tokens=7)
    model.invoke(QUESTION, stop=["\n\n"], session=Session("acme", user="ann"), top_p=0.5)
    body = upstream.seen[-1].body
    assert body["max_tokens"] == 7 and body["stop"] == ["\n\n"] and body["top_p"] == 0.5
    assert models("slow:2", timeout=0.2).with_fallbacks([models("ok")]).invoke(QUESTION)


def test_tokens_are_told_where_that_is_wished(models: Models) -> None:
    message = models("ok", logprobs=True, top_logprobs=1).invoke(QUESTION)
    told = message.response_metadata["logprobs"]["content"]
    assert [(one["token"], one["logprob"]) for one in told] == [(" Paris", -0.25), (".", -0.5)]
    assert "logprobs" not in models("ok").invoke(QUESTION).response_metadata


def test_a_batch_is_as_many_runs(models: Models) -> None:
    found = models("ok").batch([QUESTION] * 5)
    assert len({decision(one)["run_id"] for one in found}) == 5


def test_models_of_one_deployment_share_langchains_cache_and_others_do_not(models: Models) -> None:
    one, same, other = models("ok"), models("ok"), models(OBEDIENT)
    assert one._identifying_params == same._identifying_params != other._identifying_params


class Traced(BaseCallbackHandler):
    """Keeps who called whom."""

    def __init__(self) -> None:
        self.parents: list[tuple[Any, Any]] = []
        self.told: list[tuple[set[str], dict[str, Any]]] = []

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self.parents.append((kwargs["run_id"], kwargs.get("parent_run_id")))
        self.told.append((set(kwargs.get("tags") or ()), dict(kwargs.get("metadata") or {})))


def test_calls_of_tiers_are_traced_below_it(tmp_path: Path, upstream: Upstream) -> None:
    text = f"""
[[tiers]]
name = "t0"
model = "langchain:langchain_openai:ChatOpenAI"
base_url = "{upstream.base_url}"
api_key_env = "KEY"
price = {{ input = 1.0, output = 2.0 }}
options = {{ model = "ok" }}
[retrieval]
enabled = false
[history]
url = "none"
[policy]
thresholds = {{ t0 = 0.0 }}
"""
    pytest.importorskip("langchain_openai")
    places = Places(tmp_path / "cache", tmp_path / "data")
    built = build(parse_settings(text), Surroundings(tmp_path, places, {"KEY": "k" * 20}))
    model, traced = RouterChatModel.of(built), Traced()
    try:
        message = model.invoke(QUESTION, config={"callbacks": [traced]})
    finally:
        model.close()
    assert message.text == "Paris."
    (outer, _), (_, parent) = traced.parents
    assert parent == outer
    _, (tags, metadata) = traced.told
    assert {"nostream", "surefoot"} <= tags
    assert metadata["surefoot_run_id"] == decision(message)["run_id"]
