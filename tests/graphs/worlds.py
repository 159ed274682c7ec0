"""Small deployments of doubles with a clock that only they move, for tests of the graph."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from surefoot.graphs.prompter import TemplatePrompter
from surefoot.policies.threshold import BuyBand, RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.budget import Budget, Price
from surefoot.router.decisions import Action, Result
from surefoot.router.drive import drive
from surefoot.router.errors import RunError
from surefoot.router.estimators.min_token_prob import MinTokenProb
from surefoot.router.evidence import Evidence, Generation, Passage
from surefoot.router.loop import open_run
from surefoot.router.perform import Performer, Session
from surefoot.router.plan import Plan, RetrievalPlan, TierPlan
from surefoot.router.protocols import (
    Comparer,
    Completion,
    Estimator,
    History,
    ModelCall,
    Needs,
    OnTokens,
    Policy,
    PrefixGate,
)
from surefoot.router.requests import CompareKind
from surefoot.router.signals import Reading, Signal
from surefoot.router.sizing import PromptSizer
from surefoot.router.testing import FixedEstimator, FixedRetriever, FunctionModel, PlainPrompter

QUESTION = "What is the capital of France?"
RUN = "run-1"
NAMES = ("small", "large")
AT = "2026-11-01T12:00:00+00:00"

Answer = str | Generation | RunError


class Clock:
    """Seconds that pass only when somebody says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class TimedModel(FunctionModel):
    """Gives its answers in order, the last one again and again; each call takes its time.

    An exception that is no `RunError` is a bug of the model, and raised as it is.
    """

    def __init__(self, clock: Clock, answers: Sequence[Answer | Exception], takes_s: float) -> None:
        script = list(answers)

        def answer(call: ModelCall) -> Answer:
            given = script.pop(0) if len(script) > 1 else script[0]
            if isinstance(given, Exception) and not isinstance(given, RunError):
                raise given
            return given

        super().__init__(answer)
        self._clock = clock
        self._takes_s = takes_s

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        self._clock.now += self._takes_s
        return await super().generate(call, on_tokens)


def passages(*texts: str) -> tuple[Passage, ...]:
    """Passages with these texts, best first."""
    return tuple(
        Passage(f"p{i}", f"title {i}", text, 1.0 / (i + 1)) for i, text in enumerate(texts)
    )


def agreement(n: int = 2, name: str = "agreement") -> FixedEstimator:
    """The share of `n` samples that say what the answer says; has to be bought."""

    def share(evidence: Evidence) -> Reading:
        same = [sample.text == evidence.greedy.text for sample in evidence.samples]
        return Signal(name, sum(same) / len(same), sum(same) / len(same))

    return FixedEstimator(name, share, Needs(samples=n))


@dataclass
class Setup:
    """What a world is made of; every world gets doubles of its own."""

    small: Sequence[Answer | Exception] = ("Paris",)
    large: Sequence[Answer | Exception] = ("Paris, France",)
    found: Sequence[Passage] | RunError = ()
    retrieval: RetrievalPlan | None = field(default_factory=RetrievalPlan)
    threshold: float = 0.7
    buy: tuple[BuyBand, ...] = ()
    buyable: tuple[Estimator, ...] = ()
    order: tuple[str, ...] = ("min_token_prob",)
    then: tuple[Action, ...] = (Action.RETRIEVE, Action.ESCALATE)
    budget: Budget = field(default_factory=Budget)
    prices: tuple[Price | None, Price | None] = (Price(1e-6, 2e-6), Price(1e-5, 2e-5))
    context: int = 2048
    takes_s: float = 0.5
    latency_s: float = 0.0
    policy: Policy | None = None
    free: tuple[Estimator, ...] = field(default_factory=lambda: (MinTokenProb(),))
    prefix_gate: PrefixGate | None = None
    finish: bool = False
    history: Callable[[], Awaitable[History]] | None = None
    comparers: Mapping[CompareKind, Comparer] = field(default_factory=dict)
    session: Session = field(default_factory=Session)
    question: str = QUESTION


@dataclass
class World:
    """One deployment, its doubles in sight."""

    plan: Plan
    performer: Performer
    clock: Clock
    models: tuple[TimedModel, TimedModel]
    retriever: FixedRetriever
    history: History | None


async def build_world(setup: Setup) -> World:
    """Fresh doubles for a setup."""
    clock, prompter = Clock(), PlainPrompter()
    rules = tuple(RungRule(i, setup.threshold, None, setup.then, setup.buy) for i in (0, 1))
    plan = Plan(
        tuple(
            TierPlan(name, f"{name}-model", setup.context, 64, price, setup.latency_s)
            for name, price in zip(NAMES, setup.prices, strict=True)
        ),
        setup.policy or ThresholdPolicy(rules, NAMES),
        BareAssessor(setup.order),
        PromptSizer(prompter),
        free=setup.free,
        buyable=setup.buyable,
        budget=setup.budget,
        retrieval=setup.retrieval,
        prefix_gate=setup.prefix_gate,
        finish=setup.finish,
        remember=setup.history is not None,
    )
    models = (
        TimedModel(clock, setup.small, setup.takes_s),
        TimedModel(clock, setup.large, 2 * setup.takes_s),
    )
    is_error = isinstance(setup.found, RunError)
    retriever = FixedRetriever(error=setup.found) if is_error else FixedRetriever(setup.found)  # type: ignore[arg-type]  # told apart by is_error
    history = None if setup.history is None else await setup.history()
    performer = Performer(
        plan,
        models,
        prompter,
        retriever,
        history,
        comparers=setup.comparers,
        rounds=TemplatePrompter(("few_shot", "chat")),
        now=lambda: AT,
    )
    return World(plan, performer, clock, models, retriever, history)


async def driven(setup: Setup, world: World | None = None) -> Result:
    """How the plain driver ends."""
    world = world or await build_world(setup)
    run = open_run(world.plan, setup.question, run_id=RUN)
    return await drive(run, world.performer, setup.session, clock=world.clock)
