"""Recording: whole questions or nothing, resumable, and replayed as it would run online."""

from __future__ import annotations

import asyncio
import errno
import itertools
import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from surefoot.policies.fit import Prices, fit_uncertified
from surefoot.policies.outcomes import Outcome, read_outcomes
from surefoot.policies.profile import Profile
from surefoot.policies.questions import Question, is_right
from surefoot.policies.recorded import Replayer
from surefoot.policies.recording import Recorder, recorded_ids
from surefoot.policies.replay import replay_profile
from surefoot.policies.table_facts import fit_settings
from surefoot.policies.threshold import BuyBand, RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.budget import Budget, Price
from surefoot.router.decisions import Action, Result, Rung
from surefoot.router.drive import Router
from surefoot.router.errors import (
    BadInput,
    RunError,
    StoreError,
    UpstreamUnavailable,
    UsageError,
)
from surefoot.router.evidence import Evidence, Generation, Passage
from surefoot.router.perform import Performer
from surefoot.router.plan import Plan, RetrievalPlan, TierPlan
from surefoot.router.protocols import ModelCall, Needs, Policy
from surefoot.router.signals import Estimate, Reading, Signal, Unavailable
from surefoot.router.sizing import PromptSizer
from surefoot.router.testing import (
    FixedEstimator,
    FixedRetriever,
    FunctionModel,
    PlainPrompter,
    says,
)

HOW = "h" * 64
PRICE = Price(0.5, 1.0)
PASSAGES = (Passage("p1", "Title", "some passage", 2.0), Passage("p2", "Title", "another", 1.0))


def asked(n: int, start: int = 0) -> tuple[Question, ...]:
    return tuple(
        Question(f"q{i:02}", f"question {i} ?", ("right",), f"topic-{i % 3}", "fit")
        for i in range(start, start + n)
    )


def number_in(text: str) -> int:
    return int(text.split()[1])


def chance(*parts: object) -> float:
    """A number in [0, 1) that hangs on the parts alone."""
    mixed = 7
    for sign in " ".join(map(str, parts)):
        mixed = (mixed * 31 + ord(sign)) % 1_000_003
    return mixed * 7919 % 1_000_003 / 1_000_003


class World:
    """Two tiers before a folder of two passages; what they say hangs on the question alone."""

    def __init__(
        self,
        *,
        passages: Sequence[Passage] = PASSAGES,
        fails_at: int | None = None,
        buyable: bool = True,
        context: int = 2048,
        price: Price = PRICE,
    ) -> None:
        self.fails_at = fails_at
        self.models = (FunctionModel(self.small), FunctionModel(self.large))
        self.retriever = FixedRetriever(passages)
        prompter = PlainPrompter()
        self.plan = Plan(
            tiers=(
                TierPlan("small", "m-0", context=context, max_output=16, price=price),
                TierPlan("large", "m-1", max_output=16, price=Price(5 * price.input, price.output)),
            ),
            policy=ThresholdPolicy((RungRule(0, 1.0), RungRule(1, 1.0)), ("small", "large")),
            assessor=BareAssessor(("free",)),
            sizer=PromptSizer(prompter),
            free=(FixedEstimator("free", self.free, version=2),),
            buyable=(FixedEstimator("paid", self.paid, Needs(samples=3)),) if buyable else (),
            budget=Budget(max_rounds=1),
            retrieval=RetrievalPlan(k=2),
        )
        self.prompter = prompter
        ticks = itertools.count()
        self.recorder = Recorder(self.plan, self.performer(self.plan), HOW, lambda: next(ticks) / 4)

    def performer(self, plan: Plan) -> Performer:
        return Performer(plan, self.models, self.prompter, self.retriever)

    def small(self, call: ModelCall) -> Generation | RunError:
        return self.answer(0, call)

    def large(self, call: ModelCall) -> Generation | RunError:
        return self.answer(1, call)

    def answer(self, tier: int, call: ModelCall) -> Generation | RunError:
        *passages, question = call.prompt.text.split("\n")
        number = number_in(question)
        if number == self.fails_at:
            return UpstreamUnavailable("out of memory")
        if chance("cut", number, tier, call.temperature) < 0.1:
            return says("right but cut", finish_reason="length")
        # A sample says by its seed whether it agrees; a draft by its difficulty.
        ease = 0.45 + 0.25 * tier + 0.2 * bool(passages)
        draw = chance("answer", number, tier, bool(passages), call.temperature and call.seed)
        return says("it is right" if draw < ease else "it is wrong")

    def free(self, evidence: Evidence) -> Reading:
        number = number_in(evidence.question)
        if number % 7 == 3:
            return Unavailable("no logprobs")
        tilt = 0.3 * ("right" in evidence.greedy.text)
        value = min(1.0, tilt + 0.7 * chance("free", number, evidence.greedy.text))
        return Signal("free", value, value)

    def paid(self, evidence: Evidence) -> Reading:
        same = sum(sample.text == evidence.greedy.text for sample in evidence.samples)
        value = same / len(evidence.samples)
        return Signal("paid", value, value)

    def record(self, questions: Sequence[Question], out: Path) -> int:
        return asyncio.run(self.recorder.record(questions, out))

    def rows(self, question: Question) -> list[Outcome]:
        return asyncio.run(self.recorder.rows(question))


def timeless(path: Path) -> list[dict[str, Any]]:
    """The rows of a recording but for how long they took."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{**row, "latency_s": None} for row in rows]


# --- what is recorded ----------------------------------------------------------------------------


def test_every_rung_of_the_ladder_is_recorded_and_judged() -> None:
    rows = World().rows(asked(1)[0])

    assert [row.rung for row in rows] == [
        Rung(0, 0, False),
        Rung(1, 0, False),
        Rung(0, 1, True),
        Rung(1, 1, True),
    ]
    for row in rows:
        whole = row.extra["finish_reason"] == "stop"
        assert row.loss == float(not (whole and row.answer == "it is right"))
        assert (row.question, row.model) == ("question 0 ?", f"m-{row.tier}")
        assert row.latency_s == 0.25
    assert {row.loss for question in asked(9) for row in World().rows(question)} == {0.0, 1.0}


def test_a_row_says_how_it_came_about() -> None:
    small, large, *_ = World().rows(asked(1)[0])

    assert small.extra == {
        "tier_name": "small",
        "price": {"input": 0.5, "output": 1.0},
        "group": {"topic": "topic-0"},
        "split": "fit",
        "finish_reason": "stop",
        "bought": ["paid"],
        "estimators_fingerprint": HOW,
        "estimator_versions": {"free": 2, "paid": 1},
        "rows_of_query": 4,
    }
    assert large.extra["price"] == {"input": 2.5, "output": 1.0}


def test_drafts_and_signals_are_charged_apart() -> None:
    small, _, read, _ = World().rows(asked(1)[0])

    # Prompts of 3 words, or 6 with the passages; each answer has 3 words, each sample too.
    assert (small.cost, small.signal_costs) == (3 * 0.5 + 3, {"paid": 3 * (3 * 0.5 + 3)})
    assert read.cost == 6 * 0.5 + 3
    assert set(small.signals) == {"free", "paid"}


def test_a_cut_draft_is_wrong_and_has_no_signal() -> None:
    cut = [
        row
        for question in asked(30)
        for row in World().rows(question)
        if row.extra["finish_reason"] == "length"
    ]

    assert cut
    for row in cut:
        assert (row.answer, row.loss) == ("right but cut", 1.0)
        assert row.signals == {"free": None, "paid": None}


def test_an_unavailable_signal_is_null() -> None:
    assert {row.signals["free"] for row in World().rows(asked(1, 3)[0])} == {None}


def test_an_estimator_that_fails_is_null_and_harms_no_other() -> None:
    world = World()

    def broken(evidence: Evidence) -> Reading:
        raise ZeroDivisionError

    estimators = (FixedEstimator("broken", broken), *world.plan.free)
    plan = replace(world.plan, free=estimators)
    recorder = Recorder(plan, world.performer(plan), HOW, lambda: 0.0)
    (row, *_) = asyncio.run(recorder.rows(asked(1)[0]))

    assert row.signals["broken"] is None and row.signals["free"] is not None


def test_a_signal_whose_needs_cannot_be_met_is_null() -> None:
    world = World()
    short = replace(world.plan, buyable=(FixedEstimator("paid", 0.5, Needs(samples=3, asked="x")),))
    recorder = Recorder(short, world.performer(short), HOW, lambda: 0.0)
    (row, *_) = asyncio.run(recorder.rows(asked(1)[0]))

    assert row.signals["paid"] is None


class SharedWords:
    """Similarity by the words that two texts share, noted."""

    name, kind = "shared-words", "similarity"

    def __init__(self, error: RunError | None = None) -> None:
        self.sent: list[tuple[str, str]] = []
        self.error = error

    def compare(self, pairs: Sequence[tuple[str, str]]) -> Sequence[tuple[float, ...]]:
        if self.error is not None:
            raise self.error
        self.sent += pairs
        return [(len({*a.split()} & {*b.split()}) / 10,) for a, b in pairs]


def comparing(world: World, comparer: SharedWords | None) -> Recorder:
    """Records a signal that is the mean similarity of the samples to the answer."""

    def alike(evidence: Evidence) -> Reading:
        assert evidence.greedy_similarity is not None
        value = sum(evidence.greedy_similarity) / len(evidence.greedy_similarity)
        return Signal("alike", value, value)

    buyable = (FixedEstimator("alike", alike, Needs(samples=3, compare="similarity")),)
    plan = replace(world.plan, buyable=buyable)
    comparers: Any = {} if comparer is None else {"similarity": comparer}
    performer = Performer(plan, world.models, world.prompter, world.retriever, comparers=comparers)
    ticks = itertools.count()
    return Recorder(plan, performer, HOW, lambda: next(ticks) / 4)


def test_answers_are_compared_for_the_signals_that_need_it() -> None:
    seen = []
    for question in asked(12):
        comparer = SharedWords()
        for row in asyncio.run(comparing(World(), comparer).rows(question)):
            assert row.signal_costs == {"alike": pytest.approx(3 * row.cost)}
            if row.extra["finish_reason"] != "stop":
                assert row.signals["alike"] is None and "comparers" not in row.extra
                continue
            # "it is right" and "it is wrong" share two words, equal answers need no comparison.
            seen.append(row.signals["alike"])
            assert row.extra["comparers"] == {"similarity": "shared-words"}
            assert row.extra["compare_latency_s"] == {"similarity": 0.25}
        assert set(comparer.sent) <= {
            ("it is right", "it is wrong"),
            ("it is wrong", "it is right"),
            *((f"it is {how}", "right but cut") for how in ("right", "wrong")),
            *(("right but cut", f"it is {how}") for how in ("right", "wrong")),
        }
    # Per sample 1 where it is the answer, 0.2 or 0.1 for two or one of ten words, 0 for none.
    means = {round(sum(three) / 3, 6) for three in itertools.product((1, 0.2, 0.1, 0), repeat=3)}
    found = {round(value, 6) for value in seen if value is not None}
    assert len(seen) > 20 and len(found) > 2 and found <= means


def test_a_comparison_that_fails_ends_the_recording_as_a_model_does() -> None:
    broken = SharedWords(UpstreamUnavailable("no memory"))
    failing = [
        question
        for question in asked(8)
        if _fails(comparing(World(), broken), question, "no memory")
    ]
    assert failing
    assert _fails(comparing(World(), None), failing[0], r"set comparison\.similarity")


def _fails(recorder: Recorder, question: Question, words: str) -> bool:
    try:
        asyncio.run(recorder.rows(question))
    except UpstreamUnavailable as error:
        assert re.search(words, str(error))
        return True
    return False


def test_without_documents_or_hits_there_is_one_row_a_tier() -> None:
    world = World()
    closed = replace(world.plan, retrieval=None)
    recorder = Recorder(closed, world.performer(closed), HOW, lambda: 0.0)

    for rows in (asyncio.run(recorder.rows(asked(1)[0])), World(passages=()).rows(asked(1)[0])):
        assert [row.rung for row in rows] == [Rung(0, 0, False), Rung(1, 0, False)]
        assert {row.extra["rows_of_query"] for row in rows} == {2}
    assert world.retriever.queries == []


def test_models_see_the_passages_that_were_found() -> None:
    world = World(buyable=False)
    world.rows(asked(1)[0])

    prompts = [call.prompt.text for call in world.models[0].calls]
    assert prompts == ["question 0 ?", "some passage\nanother\nquestion 0 ?"]
    assert world.retriever.queries == ["question 0 ?"]


def test_a_tier_that_cannot_take_the_passages_is_an_error_and_no_odd_row() -> None:
    tight = World(context=16 + 14, passages=(Passage("p", "", "word " * 40, 1.0),))

    with pytest.raises(UsageError, match="'q00' cannot be put to tier 'small': no passage fits"):
        tight.rows(asked(1)[0])
    with pytest.raises(UsageError, match="'q00' cannot be put to tier 'small': its context takes"):
        World(context=18).rows(asked(1)[0])


def test_half_characters_of_a_model_are_written_as_a_reader_can_read_them(tmp_path: Path) -> None:
    world = World(buyable=False, passages=())
    world.models = (FunctionModel(lambda call: says("right \ud83d")), world.models[1])
    recorder = Recorder(world.plan, world.performer(world.plan), HOW, lambda: 0.0)
    asyncio.run(recorder.record(asked(1), tmp_path / "out.jsonl"))

    first = read_outcomes(tmp_path / "out.jsonl").row("q00", Rung(0, 0, False))
    assert first is not None and (first.answer, first.loss) == ("right \ufffd", 0.0)


# --- files ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of eight questions without any interruption."""
    path = tmp_path_factory.mktemp("whole") / "outcomes.jsonl"
    assert World().record(asked(8), path) == 8
    return path


def test_a_recording_is_an_outcome_table(whole: Path) -> None:
    table = read_outcomes(whole)

    assert list(table.queries) == [question.id for question in asked(8)]
    assert (table.tiers, table.rounds, table.bought) == (2, 1, frozenset({"paid"}))
    again = [row for question in asked(8) for row in World().rows(question)]
    assert [replace(row, latency_s=0) for row in table.rows()] == [
        replace(row, latency_s=0) for row in again
    ]


def test_after_a_model_that_fails_the_same_call_goes_on(tmp_path: Path, whole: Path) -> None:
    path = tmp_path / "deep" / "outcomes.jsonl"
    with pytest.raises(RunError, match="question 'q03': unavailable: out of memory; the rows so"):
        World(fails_at=3).record(asked(8), path)
    assert len(read_outcomes(path).queries) == 3

    calls: list[tuple[int, int]] = []
    world = World()
    recorded = asyncio.run(
        world.recorder.record(asked(8), path, lambda done, total: calls.append((done, total)))
    )

    assert recorded == 5
    assert calls == [(done, 8) for done in range(3, 9)]
    assert timeless(path) == timeless(whole)
    assert World().record(asked(8), path) == 0


@pytest.mark.parametrize("kept", [0, 1, 30, 400, 700, 1200, 1700, 2300, -1, -2, -700])
def test_a_file_that_was_broken_off_anywhere_is_mended(
    tmp_path: Path, whole: Path, kept: int
) -> None:
    path = tmp_path / "outcomes.jsonl"
    path.write_bytes(whole.read_bytes()[:kept])
    World().record(asked(8), path)

    assert timeless(path) == timeless(whole)


def test_a_file_that_was_broken_off_between_two_rows_of_a_question_is_mended(
    tmp_path: Path, whole: Path
) -> None:
    lines = whole.read_bytes().splitlines(keepends=True)
    path = tmp_path / "outcomes.jsonl"
    for rows in range(1, 9):
        path.write_bytes(b"".join(lines[:rows]))
        assert recorded_ids(path, HOW) == {"q00", "q01"} - ({"q01"} if rows < 8 else set()) - (
            {"q00"} if rows < 4 else set()
        )
        assert path.read_bytes() == b"".join(lines[: rows // 4 * 4])


def test_further_questions_are_appended(tmp_path: Path, whole: Path) -> None:
    path = tmp_path / "outcomes.jsonl"
    assert World().record(asked(3), path) == 3
    before = path.read_bytes()
    assert World().record(asked(8), path) == 5

    assert path.read_bytes().startswith(before)
    assert timeless(path) == timeless(whole)


def test_a_recording_under_other_settings_is_refused_and_left_as_it_was(
    tmp_path: Path, whole: Path
) -> None:
    path = tmp_path / "outcomes.jsonl"
    path.write_bytes(whole.read_bytes()[:-5])
    before = path.read_bytes()
    other = replace(World().recorder, how="other")

    with pytest.raises(BadInput, match="other prompts or signal settings") as caught:
        asyncio.run(other.record(asked(9), path))

    assert (caught.value.line, caught.value.field) == (1, "estimators_fingerprint")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [
        b"a text without an end",
        b"a text\n",
        b'{"id": "a", "question": "?", "answers": ["x"]}',
        b'{"id": "a", "question": "?", "answers": ["x"]}\n{"id": "b"',
        b'{"query_id": "q", "tier": 0}\n',
        b"[1]\n",
        b"\xff\xfe\n",
        b"\x1f\x8b\x08 packed",
    ],
)
def test_another_file_is_refused_and_left_as_it_was(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_bytes(content)

    with pytest.raises(BadInput, match="is no row of a recording; record into another file"):
        World().record(asked(2), path)
    assert path.read_bytes() == content


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        World().record(asked(1), tmp_path)


def test_a_full_disk_leaves_whole_questions_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Path
) -> None:
    path = tmp_path / "outcomes.jsonl"
    room = iter([True, True, False])

    def synced(handle: int) -> None:
        if not next(room):
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", synced)
        with pytest.raises(StoreError, match="No space left on device; whole questions so far"):
            World().record(asked(8), path)

    assert timeless(path) == timeless(whole)[:8]
    assert os.listdir(tmp_path) == ["outcomes.jsonl"]
    assert World().record(asked(8), path) == 6
    assert timeless(path) == timeless(whole)


def test_a_file_in_the_place_of_the_folder_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")

    with pytest.raises((StoreError, BadInput)):
        World().record(asked(1), tmp_path / "file" / "out.jsonl")
    assert (tmp_path / "file").read_text() == "kept"


# --- recorded, fitted, replayed, and run ---------------------------------------------------------

EVERY_STEP = (Action.RETRIEVE, Action.ESCALATE)
BUSY = ThresholdPolicy(
    (
        RungRule(0, 0.75, False, EVERY_STEP, (BuyBand("paid", 0.4, 0.75),)),
        RungRule(0, 0.7, True, EVERY_STEP[1:], (BuyBand("paid", 0.0, 1.0),)),
        RungRule(1, 0.7, None, EVERY_STEP),
    ),
    ("small", "large"),
)
"""Buys, retrieves and escalates a lot, and abstains where all was in vain."""


def path_of(result: Result) -> tuple[object, ...]:
    """What was done: action, tier, costs, estimates, all attempts, and every choice.

    Why a signal was not there is said online; a table only knows that it was not.
    """
    choices = [step.action for step in result.trail if step.action is not None]
    attempts = [
        (
            attempt.rung,
            (replace(attempt.estimate, fallback=None), attempt.estimate.fallback is not None)
            if isinstance(attempt.estimate, Estimate)
            else None,
        )
        for attempt in result.attempts
    ]
    return result.action, result.tier, round(result.cost, 9), attempts, choices


def online(
    world: World, profile: Profile, policy: Policy, asked: Sequence[Question]
) -> list[Result]:
    plan = replace(world.plan, policy=policy, assessor=profile.assessor())

    async def all_of_them() -> list[Result]:
        async with Router(plan, world.performer(plan)) as router:
            return [await router.ask(question.question) for question in asked]

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("price", [PRICE, Price(0.0, 0.0)], ids=["priced", "free"])
@pytest.mark.parametrize("busy", [False, True], ids=["fitted", "busy"])
def test_a_policy_does_online_what_its_replay_does(
    tmp_path: Path, price: Price, busy: bool
) -> None:
    questions, path = asked(90), tmp_path / "outcomes.jsonl"
    world = World(price=price)
    world.record(questions, path)
    table = read_outcomes(path)
    settings = fit_settings(table, Prices(600.0, 200.0), 0)
    profile = fit_uncertified(table, settings, {})
    profile.check(("m-0", "m-1"), (*world.plan.free, *world.plan.buyable), HOW)
    policy = BUSY if busy else profile.policy()
    replayer = Replayer(table, profile.names, policy, profile.assessor())

    results = online(world, profile, policy, questions[:30])
    replayed = [replayer.replay(question.id) for question in questions[:30]]

    assert list(map(path_of, results)) == list(map(path_of, replayed))
    taken = {step.action for result in results for step in result.trail}
    if busy:
        assert taken >= {"answer", "abstain", "retrieve", "escalate", "buy"}
    else:
        assert taken >= {"answer", "escalate"}


def test_a_profile_served_online_costs_what_its_report_says(tmp_path: Path) -> None:
    questions, path = asked(60), tmp_path / "outcomes.jsonl"
    world = World()
    world.record(questions, path)
    table = read_outcomes(path)
    profile = fit_uncertified(table, fit_settings(table, Prices(600.0, 200.0), 0), {})
    report = replay_profile(table, profile)
    results = online(world, profile, profile.policy(), questions)

    answered = [result for result in results if result.answer is not None]
    right = sum(is_right(result.answer or "", ("right",)) for result in answered)
    assert report.cost == pytest.approx(sum(result.cost for result in results) / 60)
    assert report.gated_share == pytest.approx(len(answered) / 60)
    assert report.quality == pytest.approx(right / 60)
    assert report.deferred_share == pytest.approx(
        sum(any(attempt.tier for attempt in result.attempts) for result in results) / 60
    )
