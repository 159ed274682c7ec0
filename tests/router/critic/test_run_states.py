"""States from finished runs, by hand."""

from __future__ import annotations

from dataclasses import replace

from surefoot.router.critic.labels import label_answer
from surefoot.router.critic.run_states import Gold, states_of_result, without_duplicates
from surefoot.router.critic.states import CriticState, Labels, StateRecord
from surefoot.router.decisions import Action, Attempt, Result, TrailStep
from surefoot.router.evidence import Passage
from surefoot.router.signals import Signal, Unavailable

ONE = Passage("p1", "Jaws (film)", "by Spielberg", 3.0)
TWO = Passage("p2", "Steven  Spielberg", "born in Cincinnati", 2.0)


def attempt(id: str, round_: int, text: str, *ids: str, tier: int = 0) -> Attempt:
    return Attempt(
        *(id, tier, round_, bool(ids), text, "stop", 1.0, 1.0),
        signals={"sure": Signal("sure", 0.5, 0.5), "none": Unavailable("no")},
        passage_ids=ids,
        rationale=f"because {text}",
    )


def step(number: int, request: str, cost: float = 0.0, outcome: str = "x") -> TrailStep:
    return TrailStep(number, request, 0, outcome, cost=cost, elapsed_s=0.5)


RUN = Result(
    run_id="r1",
    question="Where was the director of Jaws born?",
    action=Action.ABSTAIN,
    answer=None,
    confidence=None,
    reason="practice",
    tier=None,
    model=None,
    rounds=2,
    cost=9.0,
    latency_s=1.0,
    calls=4,
    tokens=10,
    best=None,
    attempts=(
        attempt("1", 0, "Los Angeles"),
        attempt("2", 1, "New York", "p1"),
        attempt("3", 2, "Cincinnati, Ohio", "p2", "p1"),
    ),
    passages=(TWO, ONE),
    degraded=(),
    trail=(
        step(1, "draft", 1.0),
        step(2, "retrieve 2 for: jaws"),
        step(3, "draft from 1 passage", 2.0),
        step(4, "ask follow_up_query", 0.25),
        step(5, "retrieve 2 for: Spielberg"),
        step(6, "draft from 2 passages", 4.0, "failed (unavailable): x"),
        step(7, "draft from 2 passages", 3.0),
    ),
    queries=("jaws", "Spielberg"),
    found_in=(2, 1),
)
GOLD = Gold(("Cincinnati",), ("steven spielberg", "JAWS (film)"))


def test_every_round_is_a_state_with_what_led_to_it() -> None:
    closed, first, second = states_of_result(RUN, GOLD, thread=lambda tier: "t", models=["m"])
    assert (closed.state.round, closed.state.passages, closed.state.queries) == (0, (), ())
    assert first.state == CriticState(
        RUN.question,
        "New York",
        "because New York",
        (ONE,),
        1,
        ("Los Angeles",),
        ("jaws",),
        (1,),
    )
    # In the order in which they were found, whatever the retriever's.
    assert (second.state.passages, second.state.found_in) == ((ONE, TWO), (1, 2))
    assert second.state.previous_answers == ("Los Angeles", "New York")
    assert second.state.queries == ("jaws", "Spielberg")
    assert {one.thread_id for one in (closed, first, second)} == {"t"}


def test_labels_are_those_of_the_answers_and_titles() -> None:
    closed, first, second = states_of_result(RUN, GOLD)
    assert [one.labels.sufficient for one in (closed, first, second)] == [False, False, True]
    assert [one.labels.accept for one in (closed, first, second)] == [False, False, True]
    assert second.labels == label_answer("Cincinnati, Ohio", ("Cincinnati",), True)
    assert second.labels.em is False and second.labels.contains is True
    assert second.gold == ("Cincinnati",)


def test_without_an_answer_or_titles_nothing_is_claimed() -> None:
    for record in states_of_result(RUN, Gold()):
        assert record.labels == Labels()


def test_what_a_round_took_is_counted_with_the_query_and_the_failures_before_it() -> None:
    found = [record.extra for record in states_of_result(RUN, GOLD)]
    assert [one["calls"] for one in found] == [1, 1, 3]
    assert [one["cost"] for one in found] == [1.0, 2.0, 7.25]
    assert [one["latency_s"] for one in found] == [0.5, 1.0, 2.0]
    assert found[0]["signals"] == {"sure": 0.5, "none": None}


def test_an_answer_that_is_not_whole_is_none() -> None:
    cut = replace(RUN.attempts[1], finish_reason="length")
    run = replace(RUN, attempts=(RUN.attempts[0], cut, RUN.attempts[2]))
    _, state, _ = states_of_result(run, GOLD)
    assert (state.state.answer, state.labels.em) == ("", None)
    assert (state.labels.sufficient, state.extra["finish_reason"]) == (False, "length")


def test_each_tier_is_a_thread_that_knows_all_earlier_answers() -> None:
    large = attempt("4", 1, "Ohio", "p1", tier=1)
    run = replace(RUN, attempts=(*RUN.attempts, large))
    *_, last = states_of_result(run, GOLD)
    assert last.thread_id == "r1/1"
    assert last.state.previous_answers == ("Los Angeles", "New York", "Cincinnati, Ohio")


def test_a_run_that_did_not_keep_who_found_what_takes_the_attempts_round() -> None:
    run = replace(RUN, found_in=(), queries=())
    *_, last = states_of_result(run, GOLD)
    assert last.state.found_in == (2, 2)


def test_a_thread_that_repeats_another_is_left_out_whole() -> None:
    def thread(name: str, *answers: str) -> list[StateRecord]:
        states = [CriticState("Q?", answer, round=n) for n, answer in enumerate(answers)]
        return [StateRecord(name, state) for state in states]

    same = [*thread("a", "x", "y"), *thread("b", "The X.", "y"), *thread("c", "x", "z")]
    kept, left_out = without_duplicates(same)
    assert [one.thread_id for one in kept] == ["a", "a", "c", "c"]
    assert left_out == 1
