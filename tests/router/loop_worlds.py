"""Random deployments and a random world around the loop, for its property tests.

Everything is drawn once, as plain numbers, and is then a pure function of what it is asked: the
same run can be played again, or resumed half way, and must come out the same.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from surefoot.router.assessing import BareAssessor
from surefoot.router.budget import Budget, Forecast, Price
from surefoot.router.critic.corrective import Corrective
from surefoot.router.decisions import Action, Attempt, Buy, Choice, Decision, Rung
from surefoot.router.evidence import CriticVerdict, Evidence, Generation, Passage, Token, Turn
from surefoot.router.plan import Plan, RetrievalPlan, TierPlan
from surefoot.router.protocols import Needs, Situation
from surefoot.router.requests import (
    Ask,
    Asked,
    Compare,
    Compared,
    Continue,
    Critique,
    Critiqued,
    Draft,
    Drafted,
    Failure,
    Outcome,
    PrefixVerdict,
    Recall,
    Recalled,
    Record,
    Recorded,
    Repeat,
    Reply,
    Request,
    Retrieve,
    Retrieved,
    Sample,
    Sampled,
    Stop,
)
from surefoot.router.signals import Estimate, Reading, Signal, Unavailable

TEXTS = ("Paris", "Lyon", "Paris.", "", "  ", "a\ud800b", "nul\x00", "ein längerer Satz " * 4)
FINISHES = ("stop", "stop", "stop", "length", "stopped", "tool_calls", "content_filter", None)
NAMES = ("a", "b", "c", "d")


@dataclass
class OddEstimator:
    """Says what its kind makes it say; notes where evidence does not fit together."""

    name: str
    kind: str
    needs: Needs
    misfits: list[str] = field(default_factory=list)
    version: int = 1

    def estimate(self, evidence: Evidence) -> Reading:
        """A value from the texts, or nonsense."""
        self._look(evidence)
        if self.kind == "raises":
            raise RuntimeError("estimator")
        if self.kind == "unavailable":
            return Unavailable("no luck")
        if self.kind == "no reading":
            return None  # type: ignore[return-value]  # what a careless estimator might do
        values = {"nan": float("nan"), "above": 1.5, "below": -0.1, "infinite": float("inf")}
        texts = [evidence.greedy.text, *(sample.text for sample in evidence.samples)]
        value = values.get(self.kind, random.Random(repr(texts)).random())
        return Signal(self.name, value, value, details={"texts": len(texts)})

    def _look(self, evidence: Evidence) -> None:
        needs, count = self.needs, len(evidence.samples)
        if count < needs.samples:
            self.misfits.append(f"{count} of {needs.samples} samples")
        if needs.asked is not None and not evidence.asked.get(needs.asked):
            self.misfits.append(f"nothing asked about {needs.asked}")
        if needs.critique and evidence.critique is None:
            self.misfits.append("no critique")
        matrix: Sequence[Sequence[object]] | None = None
        if needs.compare is not None:
            size = count + 1 if needs.compare == "nli" else count
            matrix = evidence.nli if needs.compare == "nli" else evidence.sample_similarity
            if matrix is None or [len(row) for row in matrix] != [size] * size:
                self.misfits.append(f"a {needs.compare} matrix that does not fit {count} samples")


@dataclass(frozen=True)
class OddAssessor:
    """Takes the mean of what is there, or does nonsense."""

    kind: str

    def assess(self, rung: object, signals: Any) -> Estimate | Unavailable:
        """An estimate from all signals."""
        if self.kind == "raises":
            raise ValueError("assessor")
        if self.kind == "bare":
            return BareAssessor(NAMES).assess(rung, signals)  # type: ignore[arg-type]  # unused
        found = [s.value for s in signals.values() if isinstance(s, Signal)]
        if not found:
            return Unavailable("nothing to go by")
        return Estimate(2.0 if self.kind == "above" else sum(found) / len(found), "mean")


@dataclass(frozen=True)
class OddPolicy:
    """Chooses anything, open or not; the same choice for the same situation."""

    seed: int
    sane: float
    seen: list[Situation] = field(default_factory=list, compare=False)

    def decide(self, situation: Situation) -> Choice:
        """An open action with probability `sane`, else whatever."""
        self.seen.append(situation)
        draw = random.Random(f"{self.seed}{situation!r}")
        return draw.choice(_open(situation) if draw.random() < self.sane else _ODD)()


def _open(situation: Situation) -> list[Callable[[], Choice]]:
    found: list[Callable[[], Choice]] = []
    if situation.retrieve is not None:
        found.append(lambda: Decision(Action.RETRIEVE, "more"))
    if situation.escalate:
        tier = situation.escalate[-1][0]
        found += [
            lambda: Decision(Action.ESCALATE, "up"),
            lambda: Decision(Action.ESCALATE, "up", tier=tier),
        ]
    for option in situation.buy:
        found.append(lambda name=option.signal: Buy(name, f"buy {name}"))  # type: ignore[misc]  # bound
    if found and random.Random(repr(situation)).random() < 0.85:
        return found
    if situation.can_answer:
        found.append(lambda: Decision(Action.ANSWER, "sure"))
    return found or [lambda: Decision(Action.ABSTAIN, "nothing left")]


def _raise() -> Choice:
    raise LookupError("policy")


_ODD: list[Callable[[], Choice]] = [
    _raise,
    lambda: None,  # type: ignore[list-item,return-value]  # no choice at all
    lambda: Decision("answer", "a bare word"),  # type: ignore[arg-type]  # no member
    lambda: Decision(Action.ABSTAIN, ""),
    lambda: Decision(Action.ANSWER, "sure"),
    lambda: Decision(Action.ANSWER, "an older one", attempt="1"),
    lambda: Decision(Action.ANSWER, "none such", attempt="99"),
    lambda: Decision(Action.RETRIEVE, "more"),
    lambda: Decision(Action.ESCALATE, "up"),
    lambda: Decision(Action.ESCALATE, "far up", tier=7),
    lambda: Decision(Action.ESCALATE, "down", tier=-1),
    lambda: Decision(Action.ABSTAIN, "enough"),
    lambda: Buy("unheard of", "buy unheard of"),
    lambda: Buy("a", "buy a"),
]


class LengthSizer:
    """A token for every three characters, and five a passage or turn."""

    def prompt_tokens(
        self, tier: int, question: str, passages: Sequence[Passage], turns: Sequence[Turn]
    ) -> int:
        """Tokens of the prompt."""
        shown = sum(5 + len(passage.text) // 3 for passage in passages)
        return 5 + len(question) // 3 + shown + 5 * len(turns)


@dataclass(frozen=True)
class OddGate:
    """Stops some drafts and keeps some of their tokens, or does nonsense."""

    kind: str
    seed: int

    def judge(self, rung: Rung, tokens: Sequence[Token], seen: int) -> PrefixVerdict:
        """By chance, the same for the same draft."""
        draw = random.Random(f"{self.seed}|{rung}|{len(tokens)}")
        if self.kind == "raises":
            raise RuntimeError("gate")
        if self.kind == "no verdict":
            return None  # type: ignore[return-value]  # what a careless gate might do
        if draw.random() < 0.5:
            return Continue(note=draw.choice(("", "half blind")))
        return Stop("weak", keep=draw.choice((-1, 0, 1, 2, 99)))


@dataclass(frozen=True)
class World:
    """A deployment and everything that will happen to it.

    Attributes:
        obedient: whether replies keep to their forecasts.
        trouble: how often a request fails or is answered badly.
    """

    tiers: tuple[TierPlan, ...]
    free: tuple[tuple[str, str, Needs], ...]
    buyable: tuple[tuple[str, str, Needs], ...]
    budget: Budget
    retrieval: RetrievalPlan | None
    remember: bool
    critiques: bool
    assessor: str
    sane: float
    obedient: bool
    trouble: float
    seed: int
    gate: str | None
    finish: bool
    question: str = "What is the capital of France?"

    def plan(self, budget: Budget | None = None) -> tuple[Plan, list[str]]:
        """The plan, and the list in which its estimators note misfits."""
        misfits: list[str] = []
        plan = Plan(
            self.tiers,
            OddPolicy(self.seed, self.sane),
            OddAssessor(self.assessor),
            LengthSizer(),
            free=tuple(OddEstimator(*spec, misfits) for spec in self.free),
            buyable=tuple(OddEstimator(*spec, misfits) for spec in self.buyable),
            budget=self.budget if budget is None else budget,
            retrieval=self.retrieval,
            remember=self.remember,
            compare_latency_s=0.1,
            critiques=self.critiques,
            prefix_gate=None if self.gate is None else OddGate(self.gate, self.seed),
            finish=self.finish,
        )
        return plan, misfits

    def reply(self, number: int, request: Request) -> Reply:
        """What comes back for the request with this number."""
        draw = random.Random(f"{self.seed}|{number}|{type(request).__name__}")
        return Reply(self._outcome(draw, request), **self._usage(draw, request.forecast))

    def _usage(self, draw: random.Random, ahead: Forecast) -> dict[str, Any]:
        factor = draw.choice((0.0, 0.5, 1.0)) if self.obedient else draw.choice((1.0, 2.0, 5.0))
        extra = 0 if self.obedient else draw.choice((0, 0, 1))
        return {
            "cost": None if ahead.cost is None else ahead.cost * factor + extra * 0.01,
            "elapsed_s": ahead.latency_s * factor + extra * 0.3,
            "calls": int(ahead.calls * factor),
            "tokens": int(ahead.tokens * factor),
        }

    def _outcome(self, draw: random.Random, request: Request) -> Outcome:
        if draw.random() < self.trouble:
            kind = draw.choice(("unavailable", "deadline", "malformed", "unsupported", "store"))
            return Failure(kind, "out of order")
        return _OUTCOMES[type(request)](draw, request)


def _generation(draw: random.Random) -> Generation:
    text, finish = draw.choice(TEXTS), draw.choice(FINISHES)
    tokens = tuple(Token(piece) for piece in re.findall(r"\s*\S+", text))
    return Generation(text, tokens, finish)  # type: ignore[arg-type]  # drawn


def _generations(draw: random.Random, wanted: int) -> tuple[Generation, ...]:
    n = draw.choice((wanted, wanted, wanted, wanted - 1, wanted + 1, 0))
    return tuple(_generation(draw) for _ in range(max(0, n)))


def _passages(draw: random.Random, request: Retrieve) -> Retrieved:
    found = []
    for _ in range(draw.choice((request.k, request.k, request.k, 1, 0))):
        name, words = draw.randrange(8), draw.choice((1, 3, 30))
        found.append(Passage(f"p{name}", f"title {name}", "word " * words, draw.random()))
    return Retrieved(tuple(found))


def _comparison(draw: random.Random, request: Compare) -> Compared:
    width = 3 if request.kind == "nli" else 1
    values = [tuple(draw.random() for _ in range(width)) for _ in request.pairs]
    if draw.random() < 0.2 and values:
        values = draw.choice((values[1:], [*values, (0.5,)], [(), *values[1:]]))
    return Compared(tuple(values))


def _recalled(draw: random.Random, request: Recall) -> Recalled:
    turns = tuple(Turn("Which country?", "France") for _ in range(draw.randrange(3)))
    if draw.random() < 0.6:
        return Recalled(turns)
    attempt = Attempt(
        "4",
        draw.randrange(5),
        2,
        True,
        draw.choice(TEXTS),
        draw.choice(FINISHES),  # type: ignore[arg-type]  # drawn from its literals
        0.1,
        2.0,
        {"a": Signal("a", 0.7, 0.7)},
        {"a": 0.3},
        draw.choice((Estimate(0.7, "a"), Unavailable("lost"))),
        ("p1",),
    )
    return Recalled(turns, Repeat("before", "2026-01-01", attempt))


_OUTCOMES: dict[type[Any], Callable[[random.Random, Any], Outcome]] = {
    Recall: _recalled,
    Draft: lambda draw, _: Drafted(_generation(draw)),
    Sample: lambda draw, request: Sampled(_generations(draw, request.n)),
    Ask: lambda draw, _: Asked(_generations(draw, 1)),
    Compare: _comparison,
    Retrieve: _passages,
    Critique: lambda draw, _: Critiqued(CriticVerdict(draw.random(), draw.random())),
    Record: lambda draw, _: Recorded(),
}


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


_needs = st.builds(
    Needs,
    samples=st.sampled_from((0, 0, 2, 3, 5)),
    compare=st.sampled_from((None, None, "nli", "similarity")),
    asked=st.sampled_from((None, None, "p_true", "judge")),
    critique=st.booleans(),
)
_kinds = st.sampled_from(
    ("good",) * 6 + ("raises", "unavailable", "no reading", "nan", "above", "below", "infinite")
)
_tiers = st.builds(
    TierPlan,
    name=st.sampled_from(("small", "medium", "large")),
    model=st.just("m"),
    context=st.sampled_from((30, 60, 120, 2000)),
    max_output=st.sampled_from((1, 8, 20)),
    price=_maybe(st.builds(Price, st.sampled_from((0.0, 1e-4)), st.sampled_from((0.0, 3e-4)))),
    latency_s=st.sampled_from((0.0, 0.5, 2.0)),
)
_budgets = st.builds(
    Budget,
    max_cost=_maybe(st.sampled_from((0.0, 0.01, 0.03, 0.2))),
    deadline_s=_maybe(st.sampled_from((0.0, 1.0, 4.0, 60.0))),
    max_calls=_maybe(st.integers(0, 20)),
    max_tokens=_maybe(st.sampled_from((0, 50, 300, 5000))),
    max_rounds=st.integers(0, 4),
    max_risk=st.sampled_from((None, None, None, 0.0, 0.3)),
    max_steps=st.one_of(st.integers(1, 6), st.integers(5, 40)),
)

worlds = st.builds(
    World,
    tiers=st.lists(_tiers, min_size=1, max_size=4).map(tuple),
    free=st.lists(st.tuples(st.sampled_from(NAMES), _kinds, st.just(Needs())), max_size=2).map(
        tuple
    ),
    buyable=st.lists(st.tuples(st.sampled_from(NAMES), _kinds, _needs), max_size=3).map(tuple),
    budget=_budgets,
    retrieval=_maybe(
        st.builds(
            RetrievalPlan,
            k=st.integers(1, 3),
            latency_s=st.sampled_from((0.0, 0.2)),
            passage_tokens=st.sampled_from((1, 20)),
            queries=st.sampled_from(("question", "rationale", "model", "model")),
            stop_unchanged=st.booleans(),
            situated_margin=_maybe(st.sampled_from([0.0, 0.1, 1.0])),
            least_gain=_maybe(st.sampled_from([-0.2, 0.0, 0.3])),
            corrective=_maybe(st.builds(Corrective, st.just(0.6), st.sampled_from((0.0, 0.3)))),
        )
    ),
    remember=st.booleans(),
    critiques=st.booleans(),
    assessor=st.sampled_from(("bare", "mean", "mean", "above", "raises")),
    sane=st.sampled_from((0.3, 0.9, 1.0, 1.0)),
    obedient=st.booleans(),
    trouble=st.sampled_from((0.0, 0.0, 0.1, 0.4)),
    seed=st.integers(0, 2**32),
    gate=st.sampled_from((None, None, "good", "good", "raises", "no verdict")),
    finish=st.booleans(),
    question=st.sampled_from(
        ("What is the capital of France?", "And its river?", "Why?", "word " * 50)
    ),
)
"""Deployments with what will happen to them."""
