"""A recorded world answers the loop's requests as the rows say, and charges what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from surefoot.policies.outcomes import Outcome
from surefoot.policies.recorded import RecordedSignal, Replayer, Tape
from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.router.budget import Budget
from surefoot.router.decisions import Action, Choice, Decision, Entry, Result
from surefoot.router.errors import UsageError
from surefoot.router.evidence import Evidence, Generation
from surefoot.router.protocols import Opening, Situation
from surefoot.router.signals import Signal, Unavailable

from .worlds import outcome, six_questions, six_replayer, six_rules, table_of

NOTHING = Evidence("?", Generation(""))


def path_of(result: Result) -> list[str]:
    """What was asked, step by step."""
    return [step.request for step in result.trail]


def visited(result: Result) -> list[tuple[int, int, bool]]:
    return [attempt.rung for attempt in result.attempts]


class Always:
    """Wants one action, whatever the situation."""

    def __init__(self, action: Action) -> None:
        self.action = action
        self.seen: list[Situation] = []

    def decide(self, situation: Situation) -> Choice:
        self.seen.append(situation)
        return Decision(self.action, "always")


def one_tier(*rows: Outcome, threshold: float = 0.5) -> Replayer:
    policy = ThresholdPolicy((RungRule(0, threshold),), ("only",))
    return Replayer(table_of(rows), ("only",), policy)


def test_a_sure_draft_is_answered_at_the_price_of_the_draft() -> None:
    result = six_replayer(six_questions()).replay("q1")

    assert (result.action, result.tier, result.cost, result.latency_s) == (
        Action.ANSWER,
        0,
        1.0,
        1.0,
    )
    assert path_of(result) == ["draft"]


def test_a_bought_signal_is_charged_once_and_believed() -> None:
    result = six_replayer(six_questions()).replay("q2")

    assert (result.action, result.confidence, result.cost) == (Action.ANSWER, 0.85, 1.5)
    assert result.attempts[0].signals["paid"] == Signal("paid", 0.85, 0.85)


def test_a_bought_signal_that_is_null_costs_its_price_all_the_same() -> None:
    result = six_replayer(six_questions()).replay("q3")

    assert visited(result) == [(0, 0, False), (0, 1, True)]
    assert result.cost == 1.0 + 0.5 + 2.0
    assert result.attempts[0].signals["paid"] == Unavailable("null in the outcome table")


def test_escalating_keeps_the_passages() -> None:
    result = six_replayer(six_questions()).replay("q4")

    assert visited(result) == [(0, 0, False), (0, 1, True), (1, 1, True)]
    assert (result.tier, result.cost, result.latency_s) == (1, 13.0, 7.0)


def test_after_a_search_in_vain_the_large_tier_drafts_closed_book() -> None:
    result = six_replayer(six_questions()).replay("q5")

    assert visited(result) == [(0, 0, False), (1, 0, False)]
    assert (result.action, result.cost, result.rounds) == (Action.ANSWER, 9.0, 1)


def test_below_every_threshold_it_abstains_and_a_floor_serves_the_best_attempt() -> None:
    without = six_replayer(six_questions()).replay("q6")
    above = six_replayer(six_questions(), floor=0.5).replay("q6")
    below = six_replayer(six_questions(), floor=0.51).replay("q6")

    assert [result.action for result in (without, above, below)] == [
        Action.ABSTAIN,
        Action.ANSWER,
        Action.ABSTAIN,
    ]
    assert above.best is not None and above.best.rung == (1, 1, True)
    assert without.cost == above.cost == 1.0 + 0.5 + 2.0 + 10.0


def test_a_second_search_in_vain_leaves_the_rows_of_the_first() -> None:
    rows = [
        outcome("q", signals={"s": 0.1}),
        outcome("q", 0, 1, signals={"s": 0.2}, cost=3.0),
        outcome("q", 1, 1, signals={"s": 0.9}, cost=7.0),
        # Another question has a second round, so it may be tried here too.
        *(outcome("other", 0, round) for round in range(3)),
    ]
    rules = (RungRule(0, 0.8), RungRule(1, 0.8))
    policy = ThresholdPolicy(rules, ("a", "b"))
    result = Replayer(table_of(rows), ("a", "b"), policy).replay("q")

    assert sum(asked.startswith("retrieve") for asked in path_of(result)) == 2
    assert (result.action, result.tier, result.cost) == (Action.ANSWER, 1, 1.0 + 3.0 + 7.0)


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        (("q1", 0, 0), "'q1' has no row for tier 0, round 0, retrieved false"),
        (("q4", 1, 1), "'q4' has no row for tier 1, round 1, retrieved true"),
        (("q5", 1, 0), "'q5' has no row for tier 1, round 0, retrieved false"),
    ],
)
def test_a_reached_state_without_a_row_is_an_error_that_names_it(
    gone: tuple[str, int, int], words: str
) -> None:
    rows = [row for row in six_questions() if (row.query_id, row.tier, row.round) != gone]

    with pytest.raises(UsageError, match=words):
        six_replayer(rows).replay(gone[0])


def test_a_missing_row_that_is_not_reached_does_no_harm() -> None:
    rows = [row for row in six_questions() if row.query_id != "q1" or row.rung == (0, 0, False)]

    assert six_replayer(rows).replay("q1").cost == 1.0


def test_a_table_of_more_tiers_than_names_is_refused() -> None:
    policy = ThresholdPolicy((RungRule(0, 0.5),), ("small",))

    with pytest.raises(UsageError, match="has 2 tiers, the profile 1"):
        Replayer(table_of(six_questions()), ("small",), policy)


def test_the_policy_is_asked_by_the_loop_and_held_to_what_is_open() -> None:
    policy = Always(Action.ESCALATE)
    replayer = Replayer(table_of(six_questions()), ("small", "large"), policy)
    result = replayer.replay("q1")

    assert [situation.rung for situation in policy.seen] == [(0, 0, False), (1, 0, False)]
    assert [situation.spend.cost for situation in policy.seen][-1] == 9.0
    assert policy.seen[1].escalate == ()
    assert result.action is Action.ABSTAIN
    assert "escalating to tier None is closed" in result.reason


def test_a_policy_that_fails_abstains_as_it_does_online() -> None:
    class Broken:
        def decide(self, situation: Situation) -> Choice:
            raise ZeroDivisionError("oops")

    replayer = Replayer(table_of(six_questions()), ("small", "large"), Broken())

    assert "the policy failed: ZeroDivisionError: oops" in replayer.replay("q1").reason


def test_another_policy_can_stand_in_for_one_question() -> None:
    replayer = six_replayer(six_questions())

    assert replayer.replay("q4", Always(Action.ANSWER)).cost == 1.0
    assert replayer.replay("q4").cost == 13.0


def test_the_budget_of_the_replay_holds() -> None:
    policy = ThresholdPolicy(six_rules(), ("small", "large"))
    replayer = Replayer(
        table_of(six_questions()), ("small", "large"), policy, budget=Budget(max_calls=1)
    )

    result = replayer.replay("q4")
    assert (result.action, result.cost, result.calls) == (Action.ABSTAIN, 1.0, 1)


def test_the_same_question_gives_the_same_run_twice() -> None:
    replayer = six_replayer(six_questions())

    first = replayer.replay("q4")
    replayer.replay("q2")
    assert replayer.replay("q4") == first


# --- answers that are not whole ------------------------------------------------------------------


def test_an_unknown_answer_text_can_be_answered_with_and_an_empty_one_cannot() -> None:
    told = outcome("told", answer="Paris", signals={"s": 0.9})
    untold = outcome("untold", answer=None, signals={"s": 0.9})
    empty = outcome("empty", answer=" \n", signals={"s": 0.9})
    replayer = one_tier(told, untold, empty)

    assert replayer.replay("told").answer == "Paris"
    assert replayer.replay("untold").action is Action.ANSWER
    assert replayer.replay("empty").action is Action.ABSTAIN


@pytest.mark.parametrize("finish", [None, "length", "content_filter", "tool_calls", "stopped"])
def test_a_draft_that_was_cut_is_no_answer(finish: str | None) -> None:
    cut = outcome("q", answer="half an ans", signals={"s": 0.9}, finish_reason=finish)

    assert one_tier(cut).replay("q").action is Action.ABSTAIN


@pytest.mark.parametrize("finish", ["stop", "eos", 7, ["stop"]])
def test_other_words_in_a_field_of_that_name_say_nothing(finish: object) -> None:
    row = outcome("q", answer="whole", signals={"s": 0.9}, finish_reason=finish)

    assert one_tier(row).replay("q").action is Action.ANSWER


def test_nothing_is_bought_for_a_draft_that_was_cut() -> None:
    rows = [
        replace(row, answer="half", extra={"finish_reason": "length"})
        if row.rung == (0, 0, False)
        else row
        for row in six_questions()
    ]

    assert six_replayer(rows).replay("q2").attempts[0].signal_costs == {}


# --- signals -------------------------------------------------------------------------------------


def test_a_recorded_signal_reads_the_row_on_the_tape() -> None:
    tape = Tape()
    signal = RecordedSignal("s", tape)

    assert signal.estimate(NOTHING) == Unavailable("null in the outcome table")
    tape.row = outcome("q", signals={"s": 0.25, "t": None})
    assert signal.estimate(NOTHING) == Signal("s", 0.25, 0.25)
    assert RecordedSignal("t", tape).estimate(NOTHING) == Unavailable("null in the outcome table")
    assert RecordedSignal("u", tape).estimate(NOTHING) == Unavailable("null in the outcome table")


def test_a_signal_that_is_listed_as_bought_is_read_only_where_it_is_bought() -> None:
    row = outcome("q", signals={"s": 0.9}, signal_costs={"s": 0.0}, bought=["s"])

    result = one_tier(row).replay("q")
    assert result.action is Action.ABSTAIN
    assert result.attempts[0].signals == {}


# --- before the first draft ----------------------------------------------------------------------


@dataclass
class AskedBefore:
    """A prior that notes the questions it is asked about."""

    found: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def probabilities(self, question: str) -> Sequence[float]:
        self.found[question] = (0.25, 0.75)
        return self.found[question]


@dataclass
class EnterAt:
    """Enters at one tier, and notes what it was shown."""

    tier: int
    seen: list[Opening] = field(default_factory=list)

    def enter(self, opening: Opening) -> Entry:
        self.seen.append(opening)
        return Entry(self.tier, "told to")


def two_tiers(**changes: object) -> list[Outcome]:
    rows = [outcome("q", tier, cost=10.0**tier, signals={"s": 0.9}) for tier in range(2)]
    return [replace(row, **changes) for row in rows]  # type: ignore[arg-type]  # any field


def entering(rows: Sequence[Outcome], **more: object) -> Replayer:
    policy = ThresholdPolicy((RungRule(0, 0.5), RungRule(1, 0.5)), ("a", "b"))
    return Replayer(table_of(rows), ("a", "b"), policy, **more)  # type: ignore[arg-type]  # as given


def test_the_entry_policy_chooses_the_first_tier_by_the_prior_of_the_question() -> None:
    prior, entry = AskedBefore(), EnterAt(1)
    replayer = entering(two_tiers(question="Who?"), prior=prior, entry=entry)
    result = replayer.replay("q")

    assert (result.action, result.tier, result.cost) == (Action.ANSWER, 1, 10.0)
    assert path_of(result) == ["enter", "draft"]
    assert prior.found == {"Who?": (0.25, 0.75)}
    (opening,) = entry.seen
    assert (opening.run_id, opening.question, opening.prior) == ("q", "Who?", (0.25, 0.75))
    assert [tier for tier, _ in opening.tiers] == [0, 1]


def test_policies_see_the_prior() -> None:
    policy = Always(Action.ANSWER)
    Replayer(table_of(two_tiers()), ("a", "b"), policy, prior=AskedBefore()).replay("q")

    assert [situation.prior for situation in policy.seen] == [(0.25, 0.75)]


def test_an_entry_at_a_tier_without_a_row_is_an_error_that_names_it() -> None:
    with pytest.raises(UsageError, match="'q' has no row for tier 1"):
        entering(two_tiers()[:1], entry=EnterAt(1)).replay("q")


def test_the_question_is_the_rows_own_else_the_one_given_else_its_id() -> None:
    told, given = two_tiers(question="Who?"), {"q": "What?"}
    mixed = [two_tiers()[0], replace(two_tiers()[1], question="Who else?")]

    assert entering(told, questions=given).replay("q").question == "Who?"
    assert entering(two_tiers(), questions=given).replay("q").question == "What?"
    assert entering(two_tiers(), questions={"other": "?"}).replay("q").question == "q"
    assert entering(mixed, questions=given).replay("q").question == "Who else?"


def test_rows_that_differ_about_their_question_take_the_lowest_rungs() -> None:
    rows = [replace(row, question=f"tier {row.tier}?") for row in two_tiers()]

    assert entering(rows).question("q") == "tier 0?"
    assert entering(rows[::-1]).question("q") == "tier 0?"
    assert entering(rows).replay("q").run_id == "q"


# --- answers that nothing vouches for, and rows that nobody has judged ---------------------------


def test_an_answer_that_no_gate_let_through_says_so() -> None:
    rules = (RungRule(0, 0.95), RungRule(1, 0.0, gated=False))
    rows = two_tiers()
    handed = Replayer(table_of(rows), ("a", "b"), ThresholdPolicy(rules, ("a", "b"))).replay("q")
    gated = entering(rows).replay("q")

    assert (handed.action, handed.tier, handed.gated) == (Action.ANSWER, 1, False)
    assert (gated.action, gated.tier, gated.gated) == (Action.ANSWER, 0, True)


def test_a_replay_asks_no_row_for_its_loss() -> None:
    judged, unjudged = (entering(two_tiers(loss=loss)).replay("q") for loss in (1.0, None))

    assert judged == unjudged
