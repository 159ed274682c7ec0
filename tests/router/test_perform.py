"""Requests carried out: models, retriever and history behind one call."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

from surefoot.router.budget import Price
from surefoot.router.critic.states import CriticState
from surefoot.router.decisions import Action, Decision
from surefoot.router.errors import RunError, StoreError, UpstreamRateLimited, UpstreamUnavailable
from surefoot.router.evidence import (
    CriticVerdict,
    Evidence,
    Generation,
    Passage,
    Refusal,
    Turn,
)
from surefoot.router.perform import Performer, RunView, Sampling, Session, utc_now
from surefoot.router.plan import TierPlan
from surefoot.router.protocols import (
    Completion,
    ModelCall,
    OnTokens,
    Prompt,
    RecallQuery,
    RunRecord,
)
from surefoot.router.requests import (
    FOLLOW_UP_QUERY,
    Ask,
    Asked,
    Compare,
    Compared,
    CompareKind,
    Continue,
    Critique,
    Critiqued,
    Draft,
    Drafted,
    Failure,
    Recall,
    Recalled,
    Record,
    Recorded,
    Reply,
    Request,
    Retrieve,
    Retrieved,
    Sample,
    Sampled,
    Stop,
)
from surefoot.router.testing import (
    FixedRetriever,
    FunctionModel,
    PlainPrompter,
    ScriptedModel,
    says,
)

from .deployments import AT, Hanging, Notebook
from .plans import FOUND, FRANCE, ended, plan_of

TIERS = (
    TierPlan("small", "m", max_output=20, price=Price(0.5, 2.0)),
    TierPlan("large", "l", max_output=30, price=None),
)
PLAN = plan_of(tiers=TIERS)
VIEW = RunView(FRANCE)


def performer(*models: object, **parts: object) -> Performer:
    made = Performer(PLAN, models, PlainPrompter(), **parts)  # type: ignore[arg-type]  # doubles
    return made


async def perform(
    request: Request,
    *models: object,
    view: RunView = VIEW,
    on_tokens: OnTokens | None = None,
    **parts: object,
) -> Reply:
    session = Session("acme", "t1")
    return await performer(*models, **parts).perform(
        request, session, run=view, on_tokens=on_tokens
    )


# --- models ---------------------------------------------------------------------------------------


async def test_a_draft_is_greedy_and_is_paid_for_by_the_token() -> None:
    model = FunctionModel(lambda _: "Paris it is")
    view = RunView(FRANCE, (Turn("Hm?", "Yes."),))
    reply = await perform(Draft(0, FOUND[:1], timeout_s=3.0), model, view=view)
    prompt = f"Hm?\nYes.\n{FOUND[0].text}\n{FRANCE}"
    words = len(prompt.split())
    cost = 0.5 * words + 2.0 * 3
    assert reply == Reply(Drafted(says("Paris it is")), cost, 0.0, 1, words + 3, tokens_out=3)
    (call,) = model.calls
    assert call.prompt.text == prompt
    assert (call.max_tokens, call.temperature, call.n, call.timeout_s) == (20, 0.0, 1, 3.0)


async def test_samples_are_drawn_as_configured_by_their_tier() -> None:
    model = FunctionModel(lambda call: f"answer {call.seed}")
    how = Sampling(top_logprobs=3, temperature=0.7, seed=40)
    reply = await perform(Sample(1, 3), ScriptedModel("no"), model, sampling=how)
    assert isinstance(reply.outcome, Sampled)
    assert [one.text for one in reply.outcome.generations] == [f"answer {i}" for i in (40, 41, 42)]
    assert (reply.cost, reply.calls) == (None, 3)
    (call,) = model.calls
    assert (call.max_tokens, call.temperature, call.n, call.top_logprobs) == (30, 0.7, 3, 3)


async def test_tokens_are_fed_for_drafts_alone() -> None:
    seen: list[int] = []

    def gate(tokens: object) -> Continue | Stop:
        seen.append(1)
        return Stop("no")

    model = FunctionModel(lambda _: "Paris it is")
    drafted = await perform(Draft(0), model, on_tokens=gate)
    assert isinstance(drafted.outcome, Drafted)
    assert drafted.outcome.generation.finish_reason == "stopped"
    assert drafted.tokens == len(FRANCE.split()) + 1  # what was written until then is paid for
    await perform(Sample(0, 2), model, on_tokens=gate)
    assert seen == [1]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UpstreamUnavailable("down"), "unavailable"),
        (UpstreamRateLimited("slow down", retry_after_s=3.0), "rate_limited"),
        (RunError("odd"), "run"),
    ],
)
async def test_a_models_error_is_a_failure_of_its_kind(error: RunError, kind: str) -> None:
    reply = await perform(Draft(0), ScriptedModel(error))
    assert reply == Reply(Failure(kind, str(error)), calls=1)


class Empty(FunctionModel):
    """Breaks the promise to write something."""

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        """No answer at all."""
        return Completion((), 7, 0)


async def test_a_model_that_returns_nothing_is_paid_and_malformed() -> None:
    for request in (Draft(0), Sample(0, 2)):
        reply = await perform(request, Empty(lambda _: ""))
        assert reply == Reply(Failure("malformed", "the model returned no answer"), 3.5, 0.0, 1, 7)


async def test_a_bug_is_raised_and_not_taken_for_a_failure() -> None:
    def broken(call: ModelCall) -> str:
        raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        await perform(Draft(0), FunctionModel(broken))


async def test_a_hanging_model_is_cancelled_when_its_time_is_up() -> None:
    model = Hanging()
    start = time.monotonic()
    reply = await perform(Draft(0, timeout_s=0.05), model)
    assert time.monotonic() - start < 0.5
    assert reply == Reply(Failure("deadline", "no answer within 0.05 s"), calls=1)
    assert model.is_cancelled


async def test_a_time_limit_of_the_models_own_is_a_failure_too() -> None:
    def slow(call: ModelCall) -> str:
        raise TimeoutError("read timed out")

    for limit in (None, 5.0):
        reply = await perform(Draft(0, timeout_s=limit), FunctionModel(slow))
        assert reply.outcome == Failure("deadline", "it timed out: read timed out")


async def test_cancelling_the_caller_reaches_the_model_and_comes_back() -> None:
    model = Hanging()
    task = asyncio.ensure_future(perform(Draft(0, timeout_s=60.0), model))
    await model.started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.is_cancelled


# --- retriever ------------------------------------------------------------------------------------


async def test_passages_are_searched_for() -> None:
    retriever = FixedRetriever(FOUND)
    reply = await perform(Retrieve("capital", 1), retriever=retriever)
    assert reply == Reply(Retrieved(FOUND[:1]))
    assert retriever.queries == ["capital"]


async def test_a_retriever_that_fails_or_is_not_there() -> None:
    broken = FixedRetriever(error=UpstreamUnavailable("index gone"))
    assert (await perform(Retrieve("q", 1), retriever=broken)).outcome == Failure(
        "unavailable", "index gone"
    )
    assert (await perform(Retrieve("q", 1))).outcome == Failure(
        "unsupported", "no documents are configured"
    )


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Ask("judge", 0, "a"), "nothing is configured that can ask for judge"),
        (Critique("a"), "no critic is configured; set critic.model"),
    ],
    ids=lambda one: type(one).__name__,
)
async def test_what_nothing_is_configured_for_is_said(request_: Request, words: str) -> None:
    reply = await perform(request_)
    assert reply.outcome == Failure("unsupported", words)


class Judge:
    """A critic that keeps what it was asked."""

    version = "judge"

    def __init__(self) -> None:
        self.states: list[CriticState] = []
        self.closed = False

    async def judge(self, state: CriticState) -> CriticVerdict:
        """Always the same verdict."""
        self.states.append(state)
        return CriticVerdict(0.25, 0.75)

    async def aclose(self) -> None:
        """Note that it was closed."""
        self.closed = True


async def test_the_critic_sees_passages_in_the_order_in_which_they_were_found() -> None:
    judge = Judge()
    request = Critique(
        "a", FOUND, rationale="why", round=2, previous_answers=("b",), found_in=(2, 1)
    )
    reply = await perform(request, critic=judge)
    assert reply == Reply(Critiqued(CriticVerdict(0.25, 0.75)))
    assert judge.states == [
        CriticState(FRANCE, "a", "why", (FOUND[1], FOUND[0]), 2, ("b",), (), (1, 2))
    ]
    made = performer(critic=judge)
    await made.aclose()
    assert judge.closed


class RoundPrompts:
    """Prompts that name what they were made from."""

    def ask(self, tier: int, request: Ask, question: str, turns: Sequence[Turn]) -> Prompt | None:
        """A prompt for queries alone."""
        return Prompt(f"query for {question}") if request.kind == FOLLOW_UP_QUERY else None

    def retry(
        self,
        tier: int,
        refused: Refusal,
        question: str,
        passages: Sequence[Passage],
        turns: Sequence[Turn],
    ) -> Prompt:
        """A prompt that names the refused answer."""
        return Prompt(f"{question} not {refused.answer}")

    def go_on(
        self,
        tier: int,
        begun: str,
        question: str,
        passages: Sequence[Passage],
        turns: Sequence[Turn],
    ) -> Prompt:
        """A prompt that names the beginning."""
        return Prompt(f"{question} {begun}")


async def test_a_query_is_asked_of_the_tier_and_charged() -> None:
    model = FunctionModel(lambda call: "river of Paris")
    ask = Ask(FOLLOW_UP_QUERY, 0, "Lyon", FOUND)
    reply = await perform(ask, model, rounds=RoundPrompts())
    assert isinstance(reply.outcome, Asked)
    assert reply.outcome.generations[0].text == "river of Paris"
    assert (reply.calls, reply.cost is not None and reply.cost > 0) == (1, True)
    (call,) = model.calls
    assert (call.prompt.text, call.top_logprobs) == (f"query for {FRANCE}", 0)
    unknown = await perform(Ask("judge", 0, "a"), model, rounds=RoundPrompts())
    assert isinstance(unknown.outcome, Failure)


async def test_a_draft_after_a_refusal_is_told_of_it() -> None:
    model = FunctionModel(lambda call: "Paris")
    await perform(Draft(0, FOUND, refused=Refusal("Lyon")), model, rounds=RoundPrompts())
    assert model.calls[0].prompt.text == f"{FRANCE} not Lyon"


async def test_a_draft_that_was_begun_is_gone_on_from() -> None:
    model = FunctionModel(lambda call: "is Paris")
    await perform(Draft(0, FOUND, begun="The capital"), model, rounds=RoundPrompts())
    assert model.calls[0].prompt.text == f"{FRANCE} The capital"


# --- comparisons ----------------------------------------------------------------------------------


class Lengths:
    """Says of a pair how long its texts are; keeps what it was asked, and in which thread."""

    name = "lengths"

    def __init__(self, kind: CompareKind, value: tuple[float, ...] | RunError | None = None):
        self.kind: CompareKind = kind
        self.value = value
        self.calls: list[Sequence[tuple[str, str]]] = []
        self.threads: set[int] = set()
        self.wait = threading.Event()
        self.wait.set()

    def compare(self, pairs: Sequence[tuple[str, str]]) -> Sequence[tuple[float, ...]]:
        self.calls.append(pairs)
        self.threads.add(threading.get_ident())
        self.wait.wait(5.0)
        if isinstance(self.value, RunError):
            raise self.value
        if self.value is not None:
            return [self.value] * len(pairs)
        return [(len(a) / 100, 1.0 - len(a) / 100, 0.0) for a, _ in pairs]


async def test_nli_is_asked_of_question_and_answer_and_similarity_of_answers() -> None:
    nli, similarity = Lengths("nli"), Lengths("similarity", (0.5,))
    parts: dict[str, Any] = {"comparers": {"nli": nli, "similarity": similarity}}
    pairs = (("a", "b"), ("bb", "a"))
    reply = await perform(Compare(pairs, "nli"), **parts)
    assert [list(call) for call in nli.calls] == [
        [(f"{FRANCE} a", f"{FRANCE} b"), (f"{FRANCE} bb", f"{FRANCE} a")]
    ]
    n = (len(FRANCE) + 2) / 100
    assert isinstance(reply.outcome, Compared)
    assert [value[0] for value in reply.outcome.values] == pytest.approx([n, n + 0.01])
    assert (reply.cost, reply.calls, reply.tokens) == (0.0, 0, 0)

    assert (await perform(Compare(pairs, "similarity"), **parts)).outcome == Compared(((0.5,),) * 2)
    assert similarity.calls == [pairs]

    await perform(Compare(pairs, "nli"), question_in=False, **parts)
    assert nli.calls[1] == pairs
    assert threading.get_ident() not in nli.threads  # the event loop is left free


async def test_many_pairs_come_in_pieces_and_none_is_no_question() -> None:
    nli = Lengths("nli")
    pairs = tuple(("x" * i, "y") for i in range(100))
    reply = await perform(Compare(pairs, "nli"), comparers={"nli": nli}, question_in=False)
    assert len(nli.calls) > 1 and [pair for call in nli.calls for pair in call] == list(pairs)
    assert isinstance(reply.outcome, Compared)
    assert [round(value[0] * 100) for value in reply.outcome.values] == list(range(100))
    nli.calls.clear()
    assert (await perform(Compare((), "nli"), comparers={"nli": nli})).outcome == Compared(())
    assert nli.calls == []


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        (UpstreamUnavailable("no memory"), "unavailable", "no memory"),
        ((0.5, 0.5), "malformed", "expected three probabilities"),
        ((0.9, 0.9, 0.9), "malformed", "expected three probabilities"),
    ],
)
async def test_a_comparer_that_fails(
    value: tuple[float, ...] | RunError, kind: str, words: str
) -> None:
    reply = await perform(Compare((("a", "b"),), "nli"), comparers={"nli": Lengths("nli", value)})
    assert isinstance(reply.outcome, Failure)
    assert reply.outcome.kind == kind and words in reply.outcome.message


@pytest.mark.parametrize("kind", ["nli", "similarity"])
async def test_a_comparer_that_is_not_there(kind: CompareKind) -> None:
    other: CompareKind = "nli" if kind == "similarity" else "similarity"
    reply = await perform(Compare((), kind), comparers={other: Lengths(other)})
    assert isinstance(reply.outcome, Failure)
    assert reply.outcome.kind == "unsupported"
    assert f"set comparison.{kind} = " in reply.outcome.message


async def test_a_slow_comparison_is_given_up_when_its_time_is_up_and_ends_at_its_next_piece() -> (
    None
):
    nli = Lengths("nli")
    nli.wait.clear()
    pairs = tuple(("x" * i, "y") for i in range(100))
    start = time.monotonic()
    reply = await perform(Compare(pairs, "nli", timeout_s=0.05), comparers={"nli": nli})
    assert time.monotonic() - start < 0.5
    assert reply.outcome == Failure("deadline", "no answer within 0.05 s")
    nli.wait.set()
    await asyncio.to_thread(time.sleep, 0.05)
    assert len(nli.calls) == 1


# --- history --------------------------------------------------------------------------------------


async def test_a_history_is_asked_under_the_sessions_name() -> None:
    book = Notebook(recalled=Recalled((Turn("q", "a"),)))
    reply = await perform(Recall(FRANCE), history=book, fingerprint="f1")
    assert reply.outcome == book.recalled
    assert book.queries == [RecallQuery("acme", "t1", FRANCE, "f1")]


async def test_a_run_is_recorded_with_its_evidence() -> None:
    book, result = Notebook(), ended(Decision(Action.ABSTAIN, "unsure"))
    evidence = {"1": Evidence(FRANCE, Generation("Paris"), critique=CriticVerdict(None, 0.5))}
    view = RunView(FRANCE, (), evidence)
    reply = await perform(Record(result), view=view, history=book, fingerprint="f1", now=lambda: AT)
    assert reply.outcome == Recorded()
    assert book.kept == [RunRecord("acme", "t1", "f1", result, AT, evidence)]


async def test_an_answer_that_leaned_on_turns_is_kept_apart_from_one_that_stood_alone() -> None:
    book, result = Notebook(), ended(Decision(Action.ABSTAIN, "unsure"))
    leaning = RunView("And Italy?", (Turn(FRANCE, "Paris"),))
    await perform(Record(result), view=leaning, history=book, fingerprint="f1")
    assert [kept.fingerprint for kept in book.kept] == ["f1+turns"]


async def test_a_history_that_fails_or_is_not_there() -> None:
    broken = Notebook(StoreError("away"))
    assert (await perform(Recall("q"), history=broken)).outcome == Failure("store", "away")
    assert (await perform(Recall("q"))).outcome == Failure(
        "unsupported", "no history is configured"
    )


@pytest.mark.parametrize(
    ("store_s", "left_s", "expected"),
    [(0.05, None, "0.05"), (0.05, 9.0, "0.05"), (9.0, 0.08, "0.08"), (9.0, 0.0, "0.05")],
)
async def test_a_slow_store_holds_up_no_run(
    store_s: float, left_s: float | None, expected: str
) -> None:
    start = time.monotonic()
    reply = await perform(
        Recall("q", timeout_s=left_s),
        history=Hanging(),
        sampling=Sampling(store_timeout_s=store_s),
    )
    assert reply.outcome == Failure("deadline", f"no answer within {expected} s")
    assert time.monotonic() - start < 0.5


# --- the rest -------------------------------------------------------------------------------------


class Stubborn(Hanging):
    """Cannot be closed."""

    async def aclose(self) -> None:
        """Fail, but note it."""
        self.is_closed = True
        raise UpstreamUnavailable("stuck")


async def test_everything_is_closed_even_where_something_cannot_be() -> None:
    first, second, book = Stubborn(), Hanging(), Notebook()
    with pytest.raises(UpstreamUnavailable, match="stuck"):
        await performer(first, second, history=book).aclose()
    assert first.is_closed and second.is_closed and book.is_closed
    await performer(ScriptedModel("a")).aclose()


def test_the_time_of_a_record_has_a_zone() -> None:
    assert utc_now().endswith("+00:00")
