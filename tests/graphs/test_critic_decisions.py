"""The critic as a decision model: with langchain-core 1.8, and where it cannot be imported.

What langchain-core 1.8 offers is stood in for where an older one is installed. To run these tests
on the real one too, unpack it beside (and langchain 1.5, for its router) and name the folder:

    pip install --no-deps --target FOLDER 'langchain-core>=1.8' 'langchain>=1.5'
    SUREFOOT_TEST_NEWER_CORE=FOLDER pytest tests/graphs/test_critic_decisions.py
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableSerializable

from surefoot.graphs.critic_decisions import TwoWay, critic_decision_model
from surefoot.graphs.critic_documents import passages_of
from surefoot.router.critic.states import CriticState
from surefoot.router.errors import (
    ConfigurationError,
    UpstreamMalformed,
    UpstreamUnavailable,
    UsageError,
)
from surefoot.router.evidence import CriticVerdict

from .critic_doubles import FakeCritic, FakeService

NAME = "langchain_core.decisions"
FOLDER = "SUREFOOT_TEST_NEWER_CORE"
IS_THERE = find_spec(NAME) is not None

with_the_real_one = pytest.mark.skipif(
    not IS_THERE, reason="langchain-core here is older than 1.8, which has decision models"
)


def question(kind: str) -> Any:
    def ask(**given: Any) -> SimpleNamespace:
        return SimpleNamespace(type=kind, **given)

    return ask


class StandInModel(RunnableSerializable[Any, Any]):
    """As much of `BaseDecisionModel` as there is a use for here."""

    model: str

    def _classify(self, state: Any, questions: Any) -> Any:
        raise NotImplementedError

    async def _aclassify(self, state: Any, questions: Any) -> Any:
        raise NotImplementedError

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return self._classify(input["state"], dict(input["questions"]))

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return await self._aclassify(input["state"], dict(input["questions"]))


class StandInResponse:
    """Plain answers as objects."""

    @staticmethod
    def model_validate(given: dict[str, Any]) -> Any:
        answers = {name: SimpleNamespace(**one) for name, one in given["answers"].items()}
        return SimpleNamespace(model=given["model"], answers=answers)


@pytest.fixture
def decisions(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module `langchain_core.decisions`, or what stands in for it."""
    if IS_THERE:
        return import_module(NAME)
    made: Any = ModuleType(NAME)
    made.BaseDecisionModel = StandInModel
    made.ClassifierResponse = StandInResponse
    for kind in ("Noul", "Choice", "Score", "Box"):
        setattr(made, kind, question(kind.lower()))
    monkeypatch.setitem(sys.modules, NAME, made)
    return made


STATE = {"question": "Where?", "answer": "abc", "passages": ["one", "two"]}


def nouls(decisions: Any, *names: str) -> dict[str, Any]:
    return {name: decisions.Noul(instructions=f"{name}?") for name in names}


def choice(decisions: Any, *labels: str) -> Any:
    return decisions.Choice(instructions="which?", criteria=dict.fromkeys(labels))


def test_both_probabilities_are_answered(decisions: Any) -> None:
    critic = FakeCritic()
    model = critic_decision_model(critic)
    assert isinstance(model, decisions.BaseDecisionModel)
    assert (type(model).__name__, model.model) == ("CriticDecisionModel", "fake-1")
    given = {"state": STATE, "questions": nouls(decisions, "sufficient", "accept")}
    found = model.invoke(given)
    assert {name: one.noul for name, one in found.answers.items()} == {
        "sufficient": 0.5,
        "accept": 0.3,
    }
    assert found.model == "fake-1"
    assert len(critic.states) == 1  # one judgment, however many questions


async def test_sync_and_async_say_the_same(decisions: Any) -> None:
    for critic in (FakeCritic(), FakeService()):
        model = critic_decision_model(critic)
        given = {"state": STATE, "questions": nouls(decisions, "accept")}
        awaited = await model.ainvoke(given)
        assert awaited.answers == (await asyncio.to_thread(model.invoke, given)).answers
        assert awaited.answers["accept"].noul == 0.3


async def test_requests_at_the_same_time_keep_their_answers(decisions: Any) -> None:
    model = critic_decision_model(FakeCritic())
    questions = nouls(decisions, "accept")
    given = [
        {"state": {"question": f"q{n}", "answer": "a" * n}, "questions": questions}
        for n in range(1, 9)
    ]
    found = await model.abatch(given)
    assert [one.answers["accept"].noul for one in found] == [n / 10 for n in range(1, 9)]


def test_messages_and_other_names_for_questions_are_read(decisions: Any) -> None:
    model = critic_decision_model(FakeCritic(), nouls={"ok": "accept", "enough": "sufficient"})
    state = [HumanMessage("Where?"), AIMessage("abcd")]
    found = model.invoke({"state": state, "questions": nouls(decisions, "ok", "enough")})
    assert (found.answers["ok"].noul, found.answers["enough"].noul) == (0.4, 0.0)


@pytest.mark.parametrize(
    ("answer", "route", "picked", "confidence"),
    [
        ("abcdefgh", TwoWay("serve", "large"), "serve", 0.8),
        ("ab", TwoWay("serve", "large"), "large", 0.8),
        ("abcde", TwoWay("serve", "large"), "serve", 0.5),
        ("abcdefgh", TwoWay("serve", "large", threshold=0.9), "large", 0.2),
        ("ab", TwoWay("serve", "large", threshold=0.2), "serve", 0.2),
        ("ab", TwoWay("serve", "large", by="sufficient", threshold=0.25), "serve", 0.25),
        ("", TwoWay("serve", "large", threshold=0.0), "large", 1.0),
    ],
)
def test_a_choice_goes_by_one_probability_and_its_threshold(
    decisions: Any, answer: str, route: TwoWay, picked: str, confidence: float
) -> None:
    model = critic_decision_model(FakeCritic(), choices={"tier": route})
    state = {"question": "q", "answer": answer, "passages": ["one"]}
    questions = {"tier": choice(decisions, "large", "serve")}
    found = model.invoke({"state": state, "questions": questions}).answers["tier"]
    assert (found.choice, found.confidence) == (picked, pytest.approx(confidence))
    assert found.probabilities[picked] == pytest.approx(confidence)
    assert sum(found.probabilities.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("empty", ["", "  ", None])
def test_an_empty_answer_is_never_acceptable(decisions: Any, empty: str | None) -> None:
    model = critic_decision_model(FakeCritic())
    given = {"state": {**STATE, "answer": empty}, "questions": nouls(decisions, "accept")}
    assert model.invoke(given).answers["accept"].noul == 0.0


def test_questions_that_the_critic_does_not_know_are_errors_before_it_is_asked(
    decisions: Any,
) -> None:
    critic = FakeCritic()
    model = critic_decision_model(critic, choices={"tier": TwoWay("small", "large")})
    levels = decisions.Score(instructions="how much?", criteria=["little", "much"])
    for questions, said in (
        (nouls(decisions, "accept", "urgent"), r"'urgent'.*nouls=\{'urgent'"),
        ({"model_route": choice(decisions, "a", "b")}, r"choices=\{'model_route'"),
        ({"tier": choice(decisions, "small", "large", "huge")}, "'huge'"),
        ({"tier": choice(decisions, "small")}, "between 'small' and 'large'"),
        ({"accept": levels}, "'accept'.*score"),
        ({"accept": decisions.Box(instructions="where?")}, "'accept'.*box"),
        ({}, "at least one"),
    ):
        with pytest.raises(UsageError, match=said):
            model.invoke({"state": STATE, "questions": questions})
    assert critic.states == []


def test_a_critic_of_passages_alone_says_nothing_of_answers(decisions: Any) -> None:
    model = critic_decision_model(FakeCritic(lambda state: CriticVerdict(None, 0.9)))
    enough = model.invoke({"state": STATE, "questions": nouls(decisions, "sufficient")})
    assert enough.answers["sufficient"].noul == 0.9
    with pytest.raises(ConfigurationError, match="passages alone"):
        model.invoke({"state": STATE, "questions": nouls(decisions, "accept")})


def test_a_broken_critic_raises(decisions: Any) -> None:
    def fails(state: CriticState) -> CriticVerdict:
        raise KeyError("a bug")

    given = {"state": STATE, "questions": nouls(decisions, "accept")}
    with pytest.raises(UpstreamUnavailable, match="a bug"):
        critic_decision_model(FakeCritic(fails)).invoke(given)
    with pytest.raises(UpstreamMalformed, match="p_accept"):
        critic_decision_model(FakeService(lambda state: CriticVerdict(2.0, 0.5))).invoke(given)


@pytest.mark.usefixtures("decisions")
def test_rules_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigurationError):
        TwoWay("a", "a")
    with pytest.raises(ConfigurationError):
        TwoWay("a", "b", threshold=2.0)
    by: Any = "acept"
    with pytest.raises(ConfigurationError, match="acept"):
        TwoWay("a", "b", by)
    with pytest.raises(ConfigurationError, match="acept"):
        critic_decision_model(FakeCritic(), nouls={"accept": by})


# ------------------------------------------------------------------------ versions


def test_an_older_core_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    halved: Any = ModuleType(NAME)  # a later one that offers other names
    for found in (None, halved):
        monkeypatch.setitem(sys.modules, NAME, found)
        with pytest.raises(ConfigurationError, match=r"1\.8 or later.*'langchain-core>=1\.8'"):
            critic_decision_model(FakeCritic())


@with_the_real_one
async def test_langchain_s_model_router_is_driven() -> None:
    """It shows its classifier the last human message alone; the documents are found here."""
    routers = pytest.importorskip(
        "langchain.agents.middleware.model_router", reason="needs langchain 1.5"
    )

    async def search(message: HumanMessage) -> CriticState:
        found = [Document("x")] * (3 if "Paris" in message.text else 1)
        return CriticState(message.text, passages=passages_of(found), round=1)

    route = TwoWay("small", "large", by="sufficient", threshold=0.7)
    model = critic_decision_model(FakeCritic(), read=search, choices={"model_route": route})
    with pytest.warns(Warning, match="beta"):
        router = routers.ModelRouterMiddleware(
            choices={
                "small": routers.ModelChoice(_chat("small"), "documents suffice"),
                "large": routers.ModelChoice(_chat("large"), "they do not"),
            },
            instructions="Which model?",
            classifier=model,
        )
    for text, picked in (("Where is Paris?", "small"), ("Where is Lyon?", "large")):
        state: Any = {"messages": [HumanMessage("before"), AIMessage("a"), HumanMessage(text)]}
        runtime: Any = None
        told = await router.abefore_agent(state, runtime)
        assert told["model_route"].choice == picked
        assert (await asyncio.to_thread(router.before_agent, state, runtime)) == told


def _chat(says: str) -> Any:
    from langchain_core.language_models import FakeListChatModel

    return FakeListChatModel(responses=[says])


@pytest.mark.skipif(
    IS_THERE or FOLDER not in os.environ,
    reason=f"{FOLDER} names no folder with a newer langchain-core, or it is installed",
)
def test_all_of_this_holds_on_the_real_one() -> None:
    paths = [os.environ[FOLDER], os.environ.get("PYTHONPATH")]
    newer = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(run, env=newer, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "older than 1.8" not in done.stdout
