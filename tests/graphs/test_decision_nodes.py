"""Nodes that judge what another graph's state holds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage

from surefoot.graphs.config import Built, build
from surefoot.graphs.decision_nodes import assess_node, decide_edge, decide_node
from surefoot.graphs.draft_reading import DraftReader
from surefoot.graphs.places import Places, Surroundings
from surefoot.graphs.settings import parse_settings
from surefoot.router.errors import ConfigurationError, UsageError
from surefoot.router.evidence import Evidence, Generation, Passage, Token
from surefoot.router.offers import Offer
from surefoot.service.documents import judgement_document

TOML = """
[[tiers]]
name = "small"
model = "caller:a"
price = { input = 1.0, output = 1.0 }
[[tiers]]
name = "large"
model = "caller:b"
price = { input = 9.0, output = 9.0 }
[signals]
given = ["reward"]
[policy]
thresholds = { small = 0.8, large = 0.6 }
[retrieval]
caller = true
[history]
url = "none"
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("nodes")
    places = Places(folder / "cache", folder / "data")
    found = build(parse_settings(TOML), Surroundings(folder, places, {}))
    yield found
    found.router.close()


def said(text: str, *probabilities: float, finish: str = "stop") -> AIMessage:
    words = text.split(" ")
    content = [
        {"token": word if n == 0 else f" {word}", "logprob": math.log(p), "top_logprobs": []}
        for n, (word, p) in enumerate(zip(words, probabilities, strict=True))
    ]
    return AIMessage(
        text, response_metadata={"finish_reason": finish, "logprobs": {"content": content}}
    )


def decided(built: Built, **state: Any) -> dict[str, Any]:
    node = decide_node(built.router, built.names)
    found: dict[str, Any] = node.invoke({"question": "Which city?", **state})["decision"]
    return found


@pytest.mark.parametrize(
    ("state", "action"),
    [
        ({"answer": said("Oslo", 0.9)}, "answer"),
        ({"answer": said("Oslo", 0.5)}, "retrieve"),
        ({"answer": said("Oslo", 0.5), "documents": [Document("Oslo is a city.")]}, "escalate"),
        ({"answer": said("Oslo", 0.7), "tier": "large"}, "answer"),
        (
            {"answer": said("Oslo", 0.5), "documents": [Document("Oslo.")], "tier": "large"},
            "abstain",
        ),
        ({"answer": said("Oslo", 0.99, finish="length")}, "retrieve"),
        ({"answer": said("Oslo", 0.99, finish="odd")}, "retrieve"),
        ({"answer": "Oslo"}, "retrieve"),
        ({"answer": "Oslo", "scores": {"reward": 0.85}}, "answer"),
        ({}, "retrieve"),
    ],
)
def test_the_policy_decides_on_what_the_state_holds(
    built: Built, state: dict[str, Any], action: str
) -> None:
    found = decided(built, **state)
    assert found["action"] == action, found
    assert found["escalate_to"] == ("large" if action == "escalate" else None)


def test_it_is_the_decision_of_decide(built: Built) -> None:
    text = Document("Oslo is a city.", metadata={"title": "Oslo"})
    state = {"answer": said("In Oslo", 0.9, 0.4), "documents": [text]}
    tokens = (Token("In", math.log(0.9)), Token(" Oslo", math.log(0.4)))
    passage = Passage("p", "Oslo", "Oslo is a city.", 1.0)
    evidence = Evidence("Which city?", Generation("In Oslo", tokens), passages=(passage,))
    judged = judgement_document(built.router.judge_sync(Offer(evidence)), built.names)
    found = decided(built, **state)
    for name in ("action", "confidence", "reason", "escalate_to", "gated", "certificate"):
        assert found[name] == judged[name], name


async def test_async_and_messages(built: Built) -> None:
    node = decide_node(built.router, built.names)
    messages = [HumanMessage("Which city?"), said("Oslo", 0.9)]
    found = (await node.ainvoke({"messages": messages}))["decision"]
    assert (found["action"], found["confidence"]) == ("answer", pytest.approx(0.9))


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"tier": "medium"}, "tier: expected one of small, large"),
        ({"tier": True}, "tier: expected"),
        ({"tier": 7}, "there is no tier 7"),
        ({"scores": 0.5}, "scores: expected confidences by name"),
        ({"question": None}, "question"),
    ],
)
def test_a_state_that_cannot_be_read_is_an_error(
    built: Built, state: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        decided(built, **{"answer": said("Oslo", 0.9), **state})


def test_another_agents_answer_is_a_signal() -> None:
    node = assess_node(("cross_model_agreement", "perplexity"))
    state = {"question": "Which city?", "answer": said("Oslo", 0.9)}
    found = node.invoke({**state, "peers": {"b": "Oslo", "c": AIMessage("Bergen")}})["assessment"]
    assert (found["signal"], found["confidence"]) == ("cross_model_agreement", 0.5)
    alone = node.invoke(state)["assessment"]
    assert alone["signal"] == "perplexity"
    with pytest.raises(UsageError, match="peers"):
        node.invoke({**state, "peers": ["Oslo"]})


def test_the_edge_goes_by_the_decision_and_abstains_without_one() -> None:
    edge = decide_edge(answer="a", retrieve="r", escalate="e", abstain="x")
    for action, where in (("answer", "a"), ("retrieve", "r"), ("escalate", "e"), ("abstain", "x")):
        assert edge({"decision": {"action": action}}) == where
    for damaged in ({}, {"decision": None}, {"decision": {"action": 1}}, {"decision": "answer"}):
        assert edge(damaged) == "x"


def test_signals_are_read_without_a_deployment() -> None:
    state = {"question": "Which city?", "answer": said("In Oslo", 0.9, 0.4)}
    node = assess_node(("self_consistency", "min_token_prob"))
    found = node.invoke(state)["assessment"]
    assert (found["signal"], found["confidence"]) == ("min_token_prob", pytest.approx(0.4))
    assert "unavailable" in found["signals"]["self_consistency"]
    bare = node.invoke({"question": "Which city?", "answer": "Oslo"})["assessment"]
    assert (bare["signal"], bare["confidence"]) == (None, None)
    with pytest.raises(ConfigurationError, match="min_token_prob"):
        assess_node(("min_token_probs",))


def test_keys_may_have_other_names(built: Built) -> None:
    node = decide_node(built.router, built.names, read=DraftReader(tier="who"), key="gate")
    state = {"question": "Which city?", "answer": said("Oslo", 0.7), "who": "large"}
    assert node.invoke(state)["gate"]["action"] == "answer"
