"""Drafts that are shown while they are written: what is shown, and that the word is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.router.budget import Budget, Forecast
from surefoot.router.decisions import Action, Decision, Result, Rung
from surefoot.router.drive import drive
from surefoot.router.errors import RunError, UpstreamRateLimited, UpstreamTruncated
from surefoot.router.evidence import Generation, Token
from surefoot.router.loop import Run, open_run
from surefoot.router.perform import Performer, Session
from surefoot.router.plan import Plan
from surefoot.router.protocols import Situation
from surefoot.router.releasing import Showing
from surefoot.router.requests import (
    Continue,
    Draft,
    Drafted,
    Failure,
    Partial,
    PrefixVerdict,
    Reply,
    Stop,
)
from surefoot.router.testing import FixedEstimator, PlainPrompter, ScriptedModel, says

from .plans import FRANCE, drafted, plan_of

TEXT = "It is Paris, the city on the Seine."


@dataclass(frozen=True)
class ReleasesAt:
    """Lets a draft be shown once it has so many tokens, or stops it at a word."""

    tokens: int
    stops_at: str = ""

    def judge(self, rung: Rung, tokens: Sequence[Token], seen: int) -> PrefixVerdict:
        """By numbers alone."""
        if self.stops_at and any(token.token.strip() == self.stops_at for token in tokens[seen:]):
            return Stop(f"says {self.stops_at}")
        if len(tokens) >= self.tokens:
            return Continue(release=True, reason=f"{self.tokens} tokens")
        return Continue(note="" if self.tokens < 100 else "not to be had")


def live_run(p: float = 0.9, at: int = 3, **changes: Any) -> Run:
    plan = plan_of(p, release_gate=ReleasesAt(at), retrieval=None, **changes)
    return open_run(plan, FRANCE, run_id="r", live=True)


def shown_of(run: Run, generation: Generation) -> list[str]:
    """What each further token lets be shown."""
    tokens, pieces = generation.tokens, []
    for end in range(1, len(tokens) + 1):
        verdict = run.feed(Partial(tokens[:end]))
        assert isinstance(verdict, Continue)
        assert verdict.release == bool(run.state.shown)
        pieces.append(verdict.show)
    return pieces


def ends(run: Run, reply: Reply) -> Result:
    result = run.advance(reply)
    assert isinstance(result, Result)
    return result


def test_nothing_is_shown_before_the_gate_has_released_it() -> None:
    run = live_run(at=3)
    pieces = shown_of(run, says(TEXT))
    assert pieces[:3] == ["", "", "It is Paris,"]
    assert "".join(pieces) == TEXT
    result = ends(run, Reply(Drafted(says(TEXT)), 3.0, 1.0, 1, 12))
    assert (result.action, result.answer, result.gated) == (Action.ANSWER, TEXT, True)
    assert result.overruled == "" and result.certificate is None
    assert result.best is not None and result.best.released == "3 tokens"
    assert result.reason == "shown while it was written: 3 tokens"


def test_what_was_shown_is_the_answer_even_if_the_policy_would_escalate() -> None:
    run = live_run(0.2, at=1)
    shown_of(run, says(TEXT))
    result = ends(run, Reply(Drafted(says(TEXT)), 3.0, 1.0, 1, 12))
    assert (result.action, result.answer, result.tier) == (Action.ANSWER, TEXT, 0)
    assert result.overruled.startswith("escalate: ")
    assert not result.gated  # the whole draft would not have been let through
    assert result.confidence == 0.2
    assert "the policy would rather escalate" in result.reason
    [step] = result.trail
    assert step.action == "answer"


@pytest.mark.parametrize("live", [False, True])
def test_a_draft_that_was_not_released_is_decided_on_as_ever(live: bool) -> None:
    plan = plan_of(0.2, release_gate=ReleasesAt(3 if not live else 100), retrieval=None)
    run = open_run(plan, FRANCE, run_id="r", live=live)
    assert set(shown_of(run, says(TEXT))) == {""}
    request = run.advance(Reply(Drafted(says(TEXT)), 3.0, 1.0, 1, 12))
    assert isinstance(request, Draft) and request.tier == 1
    assert run.state.degraded == (["not to be had"] if live else [])


def test_a_further_draft_is_released_anew() -> None:
    run = live_run(0.2, at=3)
    request = run.advance(Reply(Drafted(says("Lyon")), 3.0, 1.0, 1, 12))
    assert isinstance(request, Draft) and request.tier == 1
    assert "".join(shown_of(run, says(TEXT))) == TEXT
    result = ends(run, Reply(Drafted(says(TEXT)), 3.0, 1.0, 1, 12))
    assert (result.answer, result.tier) == (TEXT, 1)
    assert [one.released for one in result.attempts] == ["", "3 tokens"]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(Failure("truncated", "it broke off")), "broke off: the tier failed (truncated)"),
        (drafted("It is Paris, the", "length"), "cut at the token limit"),
        (drafted("It is Paris, the", "content_filter"), "content_filter"),
        (drafted("It is Lyon."), "ended in other words"),
    ],
)
def test_one_that_ends_badly_is_followed_by_nothing_else(reply: Reply, words: str) -> None:
    run = live_run(0.9, at=1)
    shown_of(run, says("It is Paris, the"))
    result = ends(run, reply)
    assert (result.action, result.answer) == (Action.ABSTAIN, None)
    assert words in result.reason and result.overruled == ""


def test_where_no_word_was_shown_yet_nothing_was_promised() -> None:
    run = live_run(0.2, at=1)
    verdict = run.feed(Partial((Token("\n\n"),)))
    assert verdict == Continue(reason="1 tokens")
    request = run.advance(Reply(Failure("truncated", "it broke off")))
    assert isinstance(request, Draft) and request.tier == 1
    assert "".join(shown_of(run, says(TEXT))) == TEXT
    result = ends(run, Reply(Drafted(says(TEXT)), 3.0, 1.0, 1, 12))
    assert (result.answer, result.released) == (TEXT, "1 tokens")


def test_a_risk_of_the_requests_own_is_not_the_release_gates() -> None:
    plan = plan_of(0.9, release_gate=ReleasesAt(1))
    run = open_run(plan, FRANCE, run_id="r", live=True, budget=Budget(max_risk=0.2))
    assert set(shown_of(run, says(TEXT))) == {""}


def test_a_released_draft_is_not_stopped_anymore() -> None:
    plan = plan_of(0.9, prefix_gate=ReleasesAt(99, "Seine."), release_gate=ReleasesAt(2))
    run = open_run(plan, FRANCE, run_id="r", live=True)
    assert "".join(shown_of(run, says(TEXT))) == TEXT
    assert ends(run, Reply(Drafted(says(TEXT)), 3.0, 1.0, 1, 12)).answer == TEXT

    run = open_run(plan, FRANCE, run_id="r")
    stop = [run.feed(Partial(says(TEXT).tokens[:end])) for end in range(1, 9)][-1]
    assert stop == Stop("says Seine.")


def test_one_gate_may_stop_and_release() -> None:
    plan = plan_of(0.9, prefix_gate=ReleasesAt(2, "um"))
    run = open_run(plan, FRANCE, run_id="r", live=True)
    assert run.feed(Partial(says("um").tokens)) == Stop("says um")
    run = open_run(plan, FRANCE, run_id="r", live=True)
    assert "".join(shown_of(run, says(TEXT))) == TEXT


def test_labeled_reasons_stay_in_an_answer_that_was_shown() -> None:
    text = "Answer: Paris\nRationale: It says so."
    run = live_run(at=1)
    assert "".join(shown_of(run, says(text))) == text
    assert ends(run, Reply(Drafted(says(text)), 3.0, 1.0, 1, 12)).answer == text


class Wants:
    """A policy that wants the same whatever comes."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision

    def decide(self, situation: Situation) -> Decision:
        """That."""
        return self.decision


@given(
    st.sampled_from(list(Action)),
    st.integers(1, 9),
    st.sampled_from(["stop", "length", "content_filter", None]),
    st.integers(0, 9),
)
@settings(max_examples=150, deadline=None)
def test_whatever_the_policy_wants_a_released_run_ends_with_what_was_shown(
    wanted: Action, at: int, finish: Any, fed: int
) -> None:
    plan = plan_of(
        0.5,
        policy=Wants(Decision(wanted, "so")),
        free=(FixedEstimator("sure", 0.5),),
        release_gate=ReleasesAt(at),
    )
    run = open_run(plan, FRANCE, run_id="r", live=True)
    shown = "".join(shown_of(run, says(" ".join(TEXT.split()[:fed])))) if fed else ""
    assert bool(shown) == (min(fed, len(TEXT.split())) >= at)
    run.advance(Reply(Drafted(says(TEXT, finish_reason=finish)), 3.0, 1.0, 1, 12))
    if shown:
        result = run.result
        assert result is not None and len(result.attempts) == 1
        if finish == "stop":
            assert result.answer is not None and result.answer.startswith(shown)
            assert bool(result.overruled) == (wanted is not Action.ANSWER)
        else:
            assert result.action is Action.ABSTAIN


# --- the text that is shown ----------------------------------------------------------------------


@given(
    st.text(alphabet="ab \n\té\u4e2d", max_size=30),
    st.lists(st.integers(0, 30), max_size=8),
    st.lists(st.integers(0, 30), max_size=8),
)
@settings(max_examples=400, deadline=None)
def test_pieces_join_to_a_beginning_of_the_text_wherever_it_is_cut(
    text: str, cuts: list[int], looks: list[int]
) -> None:
    places = sorted({0, len(text), *[cut for cut in cuts if cut <= len(text)]})
    tokens = [Token(text[a:b]) for a, b in pairwise(places)]
    showing = Showing()
    ends_ = sorted({len(tokens), *[look for look in looks if look <= len(tokens)]})
    pieces = [showing.more(tokens[:end]) for end in ends_]
    assert "".join(pieces) == text.strip()
    for end in range(1, len(pieces)):
        assert text.strip().startswith("".join(pieces[:end]))


def test_a_character_is_shown_when_all_of_it_is_there() -> None:
    showing = Showing()
    assert showing.more([Token("caf"), Token("\ufffd")]) == "caf"
    assert showing.more([Token("caf"), Token("\ufffd"), Token("x")]) == "\ufffdx"


def test_nothing_is_shown_behind_what_may_end_the_answer() -> None:
    showing = Showing()
    tokens = [Token("<s"), Token("> yes"), Token("</s>"), Token(" and")]
    assert showing.more(tokens) == "<s> yes"
    assert showing.more([*tokens, Token(" so")]) == ""


def test_nothing_more_is_shown_of_one_that_begins_anew() -> None:
    showing = Showing()
    assert showing.more([Token("a"), Token("b")]) == "ab"
    assert showing.more([Token("a")]) == ""
    assert showing.more([Token("a"), Token("b"), Token("c")]) == ""


# --- by the driver -------------------------------------------------------------------------------


def deployment(*answers: Generation | RunError, at: int = 3) -> tuple[Plan, Performer]:
    tiers = plan_of().tiers[:1]
    plan = plan_of(0.9, tiers=tiers, release_gate=ReleasesAt(at), retrieval=None)
    return plan, Performer(plan, (ScriptedModel(*answers),), PlainPrompter())


async def test_the_driver_passes_on_what_may_be_shown_and_nothing_else() -> None:
    plan, performer = deployment(says(TEXT))
    run, pieces = open_run(plan, FRANCE, run_id="r", live=True), list[str]()
    result = await drive(run, performer, Session(), on_text=pieces.append)
    assert pieces == ["It is Paris,", " the", " city", " on", " the", " Seine."]
    assert result.answer == TEXT

    run, pieces = open_run(plan, FRANCE, run_id="r"), []
    assert (await drive(run, performer, Session(), on_text=pieces.append)).answer == TEXT
    assert pieces == []  # not a live run


async def test_what_may_be_billed_although_nothing_came_is_told() -> None:
    lost: list[Forecast] = []
    for error in (UpstreamTruncated("broke off"), UpstreamRateLimited("slow down")):
        plan, performer = deployment(error)
        run = open_run(plan, FRANCE, run_id="r")
        result = await drive(run, performer, Session(), on_lost=lost.append)
        assert result.cost == 0.0
    (one,) = lost
    assert one.cost == 10 * 1.0 + 20 * 2.0  # ten tokens to read, twenty to write


async def test_a_draft_that_fails_before_it_was_shown_is_an_ordinary_failure() -> None:
    plan, performer = deployment(UpstreamTruncated("broke off"))
    run, pieces = open_run(plan, FRANCE, run_id="r", live=True), list[str]()
    result = await drive(run, performer, Session(), on_text=pieces.append)
    assert result.action is Action.ABSTAIN and pieces == []
    assert "shown" not in result.reason
