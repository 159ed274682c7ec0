"""The doubles do what their users rely on."""

from __future__ import annotations

import math

import pytest

from surefoot.router.errors import UpstreamUnavailable
from surefoot.router.evidence import Evidence, Generation, Passage, Turn
from surefoot.router.protocols import Message, ModelCall, Needs, Prompt
from surefoot.router.requests import Continue, PrefixVerdict, Stop
from surefoot.router.signals import Signal, Unavailable
from surefoot.router.testing import (
    FixedEstimator,
    FixedRetriever,
    FunctionModel,
    PlainPrompter,
    ScriptedModel,
    says,
)

CALL = ModelCall(Prompt("one two three"), seed=5)


@pytest.mark.parametrize("p", [1.0, 0.9, 0.25])
def test_every_word_is_as_sure_as_it_is_told_and_the_masses_add_up(p: float) -> None:
    generation = says("Paris is it", p, k=4)
    assert "".join(token.token for token in generation.tokens) == "Paris is it"
    for token in generation.tokens:
        assert token.logprob is not None
        assert math.exp(token.logprob) == pytest.approx(p)
        masses = [math.exp(one.logprob) for one in token.top_logprobs]
        assert len(masses) == 4
        assert sum(masses) == pytest.approx(1.0)
        assert token.top_logprobs[0].token == token.token


def test_an_empty_answer_has_no_tokens() -> None:
    assert says("") == Generation("", (), "stop")
    assert says("Par", finish_reason="length").finish_reason == "length"


async def test_a_function_model_answers_once_a_seed_and_keeps_its_calls() -> None:
    model = FunctionModel(lambda call: f"{call.seed} x{call.n}")
    completion = await model.generate(ModelCall(Prompt("one two"), n=3, seed=5))
    assert [one.text for one in completion.generations] == ["5 x1", "6 x1", "7 x1"]
    assert (completion.tokens_in, completion.tokens_out, completion.calls) == (6, 6, 3)
    assert [call.n for call in model.calls] == [3]
    await model.aclose()


async def test_messages_are_counted_where_there_is_no_text() -> None:
    chat = Prompt(messages=(Message("system", "be brief"), Message("user", "why")))
    completion = await FunctionModel(lambda _: "so").generate(ModelCall(chat))
    assert completion.tokens_in == 3


async def test_a_scripted_model_goes_through_its_script_and_stays_at_its_end() -> None:
    model = ScriptedModel("a", UpstreamUnavailable("down"), says("b", 0.5))
    assert (await model.generate(CALL)).generations[0].text == "a"
    with pytest.raises(UpstreamUnavailable, match="down"):
        await model.generate(CALL)
    for _ in range(2):
        assert (await model.generate(CALL)).generations == (says("b", 0.5),)
    with pytest.raises(ValueError, match="at least one answer"):
        ScriptedModel()


async def test_tokens_are_fed_as_they_come_and_a_stop_ends_them() -> None:
    fed: list[int] = []

    def stop_at_two(tokens: object) -> PrefixVerdict:
        fed.append(len(tokens))  # type: ignore[arg-type]  # a sequence of tokens
        return Stop("enough") if fed[-1] == 2 else Continue()

    completion = await ScriptedModel("one two three").generate(CALL, stop_at_two)
    (generation,) = completion.generations
    assert fed == [1, 2]
    assert (generation.text, generation.finish_reason) == ("one two", "stopped")
    assert completion.tokens_out == 2
    assert not generation.is_complete


async def test_a_fixed_retriever() -> None:
    passages = tuple(Passage(str(i), "t", "x", 1.0) for i in range(3))
    retriever = FixedRetriever(passages)
    assert await retriever.search("q", 2) == passages[:2]
    assert retriever.queries == ["q"]
    with pytest.raises(UpstreamUnavailable):
        await FixedRetriever(error=UpstreamUnavailable("down")).search("q", 1)


def test_a_fixed_estimator() -> None:
    evidence = Evidence("q", Generation("a"))
    assert FixedEstimator("e", 0.25).estimate(evidence) == Signal("e", 0.25, 0.25)
    asked = FixedEstimator("e", lambda seen: Unavailable(seen.greedy.text), Needs(samples=1))
    assert asked.estimate(evidence) == Unavailable("a")
    assert not asked.needs.is_free and FixedEstimator("e").needs.is_free


def test_a_plain_prompt_holds_everything_on_lines_of_its_own() -> None:
    passages = (Passage("1", "title", "Paris lies on the Seine.", 1.0),)
    prompt = PlainPrompter().prompt(0, "Why?", passages, (Turn("Where?", "There."),))
    assert prompt.text == "Where?\nThere.\nParis lies on the Seine.\nWhy?"
