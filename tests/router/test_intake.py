"""What each kind of reply changes in the state, and what it leaves alone."""

from __future__ import annotations

import math

import pytest

from surefoot.router.budget import Budget, Spend
from surefoot.router.decisions import NOT_ASSESSED, Action, Decision
from surefoot.router.evidence import CriticVerdict, Evidence, Generation, Passage, Turn
from surefoot.router.intake import belongs, charge, evidence_of, take
from surefoot.router.requests import (
    Ask,
    Asked,
    Compare,
    Compared,
    Critique,
    Critiqued,
    Draft,
    Drafted,
    Failure,
    Outcome,
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
)
from surefoot.router.results import make_result
from surefoot.router.signals import Estimate, Signal, Unavailable
from surefoot.router.state import RunState

from .plans import FOUND, FRANCE, attempt_with, drafted, failed, found, plan_of

PLAN = plan_of()


def begun(**changes: object) -> RunState:
    state = RunState("r", FRANCE, Budget())
    for name, value in changes.items():
        setattr(state, name, value)
    return state


def test_every_kind_of_request_has_one_kind_of_outcome_and_failures() -> None:
    pairs: list[tuple[Request, Outcome]] = [
        (Recall("q"), Recalled()),
        (Draft(0), Drafted(Generation("a"))),
        (Sample(0, 1), Sampled(())),
        (Ask("judge", 0, "a"), Asked(())),
        (Compare((), "nli"), Compared(())),
        (Retrieve("q", 1), Retrieved(())),
        (Critique("a"), Critiqued(CriticVerdict(None, 0.5))),
    ]
    for request, outcome in pairs:
        assert belongs(request, outcome) and belongs(request, Failure("k", "m"))
        assert not any(belongs(request, other) for _, other in pairs if other is not outcome)


def test_only_what_was_really_used_is_charged() -> None:
    spend = Spend()
    charge(spend, Reply(Recorded(), 0.5, 1.0, 2, 3))
    charge(spend, Reply(Recorded(), None, 1.0, 2, 3))
    assert spend == Spend(0.5, 2.0, 4, 6, 0)
    charge(spend, Reply(Recorded(), -1.0, -1.0, -1, -1))
    charge(spend, Reply(Recorded(), math.nan, math.nan))
    assert spend == Spend(0.5, 2.0, 4, 6, 0)


def test_a_draft_becomes_an_attempt_with_its_evidence() -> None:
    state = begun(passages=FOUND, round=1, buying="x", settled=["x"])
    kept: dict[str, Evidence] = {}
    take(PLAN, state, kept, Draft(1, FOUND), drafted(" Par\x00is "))
    (attempt,) = state.attempts
    assert (attempt.id, attempt.rung, attempt.text) == ("1", (1, 1, True), "Paris")
    assert (attempt.cost, attempt.latency_s) == (3.0, 1.0)
    assert (attempt.passage_ids, attempt.estimate) == (("p1", "p2"), NOT_ASSESSED)
    assert (state.tier, state.current, state.phase) == (1, 0, "assess")
    assert (state.buying, state.settled) == (None, [])
    assert kept["1"] == Evidence(FRANCE, Generation(" Paris "), passages=FOUND)


def test_a_text_that_needs_no_cleaning_keeps_its_generation() -> None:
    kept: dict[str, Evidence] = {}
    reply = drafted("Zürich")
    take(PLAN, begun(), kept, Draft(0), reply)
    assert isinstance(reply.outcome, Drafted)
    assert kept["1"].greedy is reply.outcome.generation


def test_a_failed_draft_closes_its_tier() -> None:
    state = begun(attempts=[attempt_with()], current=0)
    take(PLAN, state, {}, Draft(1), failed("refused"))
    assert (state.current, state.tier) == (None, 1)
    assert state.failed == {1: "the tier failed (refused): out of order"}
    assert state.degraded == ["tier large: refused: out of order"]
    assert len(state.attempts) == 1


def test_passages_are_merged_the_new_ones_first() -> None:
    state = begun(passages=FOUND)
    new, better = Passage("p3", "n", "new", 9.0), Passage("p2", "Lyon", "longer", 8.0)
    take(PLAN, state, {}, Retrieve("q", 2), found(new, better))
    assert state.passages == (new, better, FOUND[0])
    assert (state.round, state.spend.rounds, state.phase) == (1, 1, "draft")


@pytest.mark.parametrize("passages", [(), FOUND[:1], FOUND])
def test_nothing_new_is_no_new_round(passages: tuple[Passage, ...]) -> None:
    state = begun(passages=FOUND)
    take(PLAN, state, {}, Retrieve("q", 2), found(*passages))
    assert (state.passages, state.round, state.spend.rounds) == (FOUND, 0, 1)
    assert (state.phase, state.no_retrieval) == (
        "assess",
        "the last search found no new passage",
    )


def test_turns_are_taken_only_where_the_question_leans_on_them() -> None:
    turns = (Turn("q", "a"),)
    for question, expected in ((FRANCE, ()), ("And Italy?", turns)):
        state = begun(question=question)
        take(PLAN, state, {}, Recall(question), Reply(Recalled(turns)))
        assert (state.turns, state.phase) == (expected, "entry")


def test_a_record_that_fails_is_noted() -> None:
    answer = Decision(Action.ANSWER, "sure", attempt="1")
    state = begun(attempts=[attempt_with()], decision=answer)
    request = Record(make_result(PLAN, state))
    take(PLAN, state, {}, request, Reply(Recorded()))
    assert (state.phase, state.degraded) == ("done", [])
    take(PLAN, state, {}, request, failed("store"))
    assert state.degraded == ["history: out of order"]


def bought(request: Request, reply: Reply) -> tuple[RunState, Evidence]:
    state = begun(attempts=[attempt_with()], current=0, buying="x")
    kept = {"1": Evidence(FRANCE, Generation("Paris"))}
    take(PLAN, state, kept, request, reply)
    return state, kept["1"]


def test_what_was_bought_goes_into_the_evidence_and_its_price_to_the_attempt() -> None:
    one = (Generation("Lyon"),)
    state, evidence = bought(Sample(0, 1), Reply(Sampled(one), 2.0))
    assert evidence.samples == one
    assert state.attempts[0].signal_costs == {"x": 2.0}
    assert (state.buying, state.settled, state.phase) == ("x", [], "assess")
    verdict = CriticVerdict(0.5, 0.75)
    state, evidence = bought(Critique("Paris"), Reply(Critiqued(verdict)))
    assert (evidence.critique, state.attempts[0].signal_costs) == (verdict, {})


def test_prices_of_the_parts_add_up() -> None:
    state = begun(attempts=[attempt_with(signal_costs={"x": 1.0, "y": 5.0})], current=0)
    state.buying = "x"
    take(PLAN, state, {}, Ask("judge", 0, "Paris"), Reply(Asked((Generation("no"),)), 0.5))
    assert state.attempts[0].signal_costs == {"x": 1.5, "y": 5.0}


def test_a_purchase_that_failed_is_settled_and_judged_anew() -> None:
    judged = attempt_with(signals={"y": Signal("y", 0.5, 0.5)}, estimate=Estimate(0.5, "y"))
    state = begun(attempts=[judged], current=0, buying="x")
    take(PLAN, state, {}, Sample(0, 2), failed("malformed"))
    assert state.attempts[0].signals == {
        "y": Signal("y", 0.5, 0.5),
        "x": Unavailable("could not be bought: malformed: out of order"),
    }
    assert (state.attempts[0].estimate, state.settled, state.buying) == (
        NOT_ASSESSED,
        ["x"],
        None,
    )


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("nli", ((0.1, 0.2, 0.7),)),
        ("nli", ((0.1, 0.2, 0.7), (0.5,))),
        ("similarity", ((0.1,), ())),
        ("similarity", ((0.1,), (0.2,), (0.3,))),
    ],
)
def test_a_comparison_that_is_not_whole_is_none(
    kind: str, values: tuple[tuple[float, ...], ...]
) -> None:
    request = Compare((("a", "b"), ("b", "a")), kind)  # type: ignore[arg-type]  # one of its literals
    state, evidence = bought(request, Reply(Compared(values)))
    assert (evidence.nli, evidence.sample_similarity) == (None, None)
    assert state.settled == ["x"]


def test_lost_evidence_is_made_from_what_the_state_knows() -> None:
    first = attempt_with(text="Lyon")
    second = attempt_with(id="2", finish_reason="length", passage_ids=("p2", "gone"))
    state = begun(attempts=[first, second], current=1, passages=FOUND)
    kept: dict[str, Evidence] = {}
    evidence = evidence_of(state, kept, second)
    assert evidence == Evidence(
        FRANCE,
        Generation("Paris", (), "length"),
        passages=(FOUND[1],),
        previous_answers=("Lyon",),
    )
    assert evidence_of(state, kept, second) is evidence
