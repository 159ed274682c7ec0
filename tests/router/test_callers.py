"""Requests that a caller wrote itself: what of them is the question, and what the models see."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from surefoot.graphs.caller_prompter import CallerPrompter
from surefoot.graphs.prompter import TemplatePrompter
from surefoot.router.callers import CallerRequest
from surefoot.router.decisions import Action
from surefoot.router.drive import Router
from surefoot.router.errors import ContextTooLong, UsageError
from surefoot.router.evidence import Generation, ToolCall, Turn
from surefoot.router.perform import Performer, Session
from surefoot.router.protocols import CallOptions, Message, ModelCall
from surefoot.router.requests import Recalled, Repeat
from surefoot.router.testing import FixedRetriever, FunctionModel

from .deployments import Notebook
from .plans import FOUND, FRANCE, LARGE, SMALL, attempt_with, plan_of

SYSTEM = Message("system", "Answer in French.")
ASKED = Message("user", FRANCE)
REQUEST = CallerRequest((SYSTEM, ASKED))
WIDE = (replace(SMALL, context=4000), replace(LARGE, context=8000))


def router_of(
    *models: FunctionModel, styles: Any = ("chat", "chat"), p: float = 0.9, **changes: Any
) -> Router:
    notes = TemplatePrompter(styles)
    talks = tuple(style != "few_shot" for style in styles)
    history = changes.pop("history", None)
    plan = plan_of(p, tiers=WIDE, **changes)
    performer = Performer(
        plan, models, notes, FixedRetriever(FOUND), history, rounds=notes, fingerprint="fp"
    )
    return Router(plan, performer, callers=lambda asked: CallerPrompter(asked, talks, notes))


def fixed(answer: str | Generation = "Paris") -> FunctionModel:
    return FunctionModel(lambda call: answer)


def shown(call: ModelCall) -> list[tuple[str, str]]:
    return [(one.role, one.content) for one in call.prompt.messages]


# --- what a request says ------------------------------------------------------------------------


def test_the_last_user_message_is_the_question_and_earlier_pairs_are_turns() -> None:
    request = CallerRequest(
        (
            SYSTEM,
            Message("user", "a?"),
            Message("assistant", "", raw='{"tool_calls": []}'),
            Message("tool", "42", raw="{}"),
            Message("assistant", "A."),
            Message("user", "unanswered"),
            Message("user", "b?"),
            Message("assistant", "B."),
            ASKED,
        )
    )
    assert request.question == FRANCE
    assert request.turns == (Turn("a?", "A."), Turn("b?", "B."))
    assert CallerRequest((SYSTEM,)).question == ""


def test_the_fingerprint_is_that_of_everything() -> None:
    others = [
        REQUEST,
        replace(REQUEST, messages=(ASKED,)),
        replace(REQUEST, messages=(SYSTEM, replace(ASKED, raw="{}"))),
        replace(REQUEST, options=CallOptions(tools="[]")),
        replace(REQUEST, max_tokens=3),
        replace(REQUEST, stop=("x",)),
    ]
    assert len({one.fingerprint for one in others}) == len(others)
    assert REQUEST.fingerprint == CallerRequest((SYSTEM, ASKED)).fingerprint


# --- what the models see ------------------------------------------------------------------------


async def test_models_see_the_callers_messages_and_options_as_they_are() -> None:
    model, options = fixed(), CallOptions(tools='[{"type": "function"}]')
    request = CallerRequest((SYSTEM, ASKED), options, max_tokens=7, stop=("\n\n",))
    answered = await router_of(model, fixed()).respond(request)
    (call,) = model.calls
    assert call.prompt.messages == request.messages
    assert (call.options, call.max_tokens, call.prompt.stop) == (options, 7, ("\n\n",))
    assert call.temperature == 0.0
    assert answered.result.answer == "Paris"
    assert answered.generation is not None and len(answered.generation.tokens) == 1


async def test_passages_stand_before_the_question() -> None:
    model = fixed()
    await router_of(model, fixed(), p=0.1).respond(REQUEST)
    first, second = model.calls
    assert shown(first) == [("system", SYSTEM.content), ("user", FRANCE)]
    roles = [role for role, _ in shown(second)]
    assert roles == ["system", "system", "user"]
    assert FOUND[0].text in second.prompt.messages[1].content
    assert second.prompt.messages[0] == SYSTEM and second.prompt.messages[2] == ASKED


async def test_a_tier_that_completes_text_gets_the_deployments_own_prompt() -> None:
    model = fixed()
    await router_of(model, fixed(), styles=("few_shot", "chat")).respond(REQUEST)
    (call,) = model.calls
    assert not call.prompt.messages and FRANCE in call.prompt.text


async def test_an_answer_is_never_longer_than_the_tier_allows() -> None:
    model = fixed()
    await router_of(model, fixed()).respond(replace(REQUEST, max_tokens=100_000))
    assert model.calls[0].max_tokens == SMALL.max_output


async def test_a_long_conversation_counts_against_the_context() -> None:
    model = fixed()
    long = CallerRequest((Message("system", "word " * 20_000), ASKED))
    with pytest.raises(ContextTooLong):
        await router_of(model, fixed()).respond(long)
    middling = CallerRequest((Message("system", "word " * 3_500), ASKED))
    answered = await router_of(model, fixed()).respond(middling)
    assert answered.result.tier == 1 and model.calls == []


@pytest.mark.parametrize("messages", [(), (SYSTEM,), (SYSTEM, Message("user", "  "))])
async def test_without_a_question_there_is_no_answer(messages: tuple[Message, ...]) -> None:
    with pytest.raises(UsageError, match="empty"):
        await router_of(fixed(), fixed()).respond(CallerRequest(messages))


async def test_a_router_of_questions_only_says_so() -> None:
    plan = plan_of()
    router = Router(plan, Performer(plan, (fixed(), fixed()), TemplatePrompter(("chat", "chat"))))
    with pytest.raises(UsageError, match="questions only"):
        await router.respond(REQUEST)


async def test_many_at_once_keep_their_own_messages() -> None:
    model = FunctionModel(lambda call: call.prompt.messages[-1].content.split()[-1])
    router = router_of(model, fixed())
    requests = [CallerRequest((SYSTEM, Message("user", f"Say word{n}"))) for n in range(30)]
    found = await asyncio.gather(*(router.respond(request) for request in requests))
    assert [one.result.answer for one in found] == [f"word{n}" for n in range(30)]


# --- tool calls -----------------------------------------------------------------------------------


async def test_a_call_of_tools_is_a_whole_answer() -> None:
    called = Generation("", (), "tool_calls", (ToolCall("weather", '{"city": "Paris"}'),))
    answered = await router_of(fixed(called), fixed()).respond(REQUEST)
    result = answered.result
    assert (result.action, result.answer) == (Action.ANSWER, "")
    assert result.best is not None and result.best.tool_calls == called.tool_calls
    assert answered.generation == called


async def test_a_call_of_no_tools_is_none() -> None:
    called = Generation("", (), "tool_calls", ())
    answered = await router_of(fixed(called), fixed(called), retrieval=None).respond(REQUEST)
    assert answered.result.action is Action.ABSTAIN


# --- repeats ------------------------------------------------------------------------------------


async def test_only_an_equal_request_is_served_an_earlier_answer() -> None:
    book = Notebook()
    router = router_of(fixed(), fixed(), history=book, remember=True)
    await router.respond(REQUEST, session=Session("t"))
    await router.respond(replace(REQUEST, messages=(ASKED,)), session=Session("t"))
    await router.respond(REQUEST, session=Session("t"))
    await router.ask(FRANCE, session=Session("t"))
    first, other, again, bare = (query.fingerprint for query in book.queries)
    assert first == again and len({first, other, bare}) == 3 and bare == "fp"
    assert [run.fingerprint for run in book.kept] == [first, other, again, bare]


async def test_an_earlier_answer_is_served_at_no_cost() -> None:
    book = Notebook(recalled=Recalled((), Repeat("r0", "yesterday", attempt_with())))
    model = fixed()
    router = router_of(model, fixed(), history=book, remember=True)
    answered = await router.respond(REQUEST)
    assert answered.result.recognized and answered.result.cost == 0.0
    assert model.calls == [] and answered.generation is None
