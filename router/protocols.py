"""The seams: what the loop and its drivers need from models, stores, estimators and policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from .budget import Budget, Forecast, Spend
from .decisions import Alternative, Attempt, Choice, Entry, Result, Rung
from .errors import DeadlineExceeded
from .evidence import Evidence, Generation, Passage, Pooling, Refusal, Token, Turn
from .requests import Ask, CompareKind, PrefixVerdict, Recalled
from .signals import Estimate, Reading, Signal, Unavailable

__all__ = [
    "Assessor",
    "AttemptStore",
    "BuyOption",
    "Calibrator",
    "CallOptions",
    "Comparer",
    "Completion",
    "Degrading",
    "EntryPolicy",
    "Estimator",
    "HiddenWanted",
    "History",
    "Message",
    "Model",
    "ModelCall",
    "Needs",
    "OnTokens",
    "Opening",
    "Policy",
    "PrefixGate",
    "Prior",
    "Prompt",
    "Prompter",
    "RecallQuery",
    "Retriever",
    "RoundPrompter",
    "RunRecord",
    "Situation",
    "Sizer",
]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat prompt; `role` is system, user, assistant or tool.

    Attributes:
        content: its text; of content parts that of the text parts.
        raw: the whole message as a JSON object, for endpoints that take it as the caller wrote it
            (content parts, tool calls and their results); None where role and content are all.
    """

    role: str
    content: str
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is shown: `messages` for a chat template, else plain `text` to complete."""

    text: str = ""
    messages: tuple[Message, ...] = ()
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What a caller's own request asks for beside its messages. JSON texts, passed on as they came.

    Attributes:
        tools: an array of tools; None where there are none.
        tool_choice: a text or an object.
        response_format: an object: JSON mode, or a schema.
        others: an object of further fields for the endpoint (top_p, penalties, ...), which win over
            none that Surefoot sets itself.
    """

    tools: str | None = None
    tool_choice: str | None = None
    response_format: str | None = None
    parallel_tool_calls: bool | None = None
    others: str | None = None


@dataclass(frozen=True, slots=True)
class HiddenWanted:
    """A hidden state to be shown beside an answer, by models that can.

    Attributes:
        layer: 0 is what the tokens are embedded as, 1 comes out of the first layer, and so on;
            negative ones count from the end, -1 is what the output is made from.
    """

    layer: int = -1
    pooling: Pooling = "last"


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One call of a model.

    Attributes:
        n: how many answers; a model without parallel sampling repeats the call.
        top_logprobs: candidates wanted per token; 0 asks for no logprobs at all.
        seed: makes a draw repeatable where the model can; answer i of n uses seed + i.
        timeout_s: seconds this call may take, None for no limit.
        options: of a caller's own request; a model that cannot honor one raises UpstreamRefused.
        hidden: hidden states to show; a model that cannot leaves them out.
    """

    prompt: Prompt
    max_tokens: int = 64
    temperature: float = 0.0
    n: int = 1
    top_logprobs: int = 10
    seed: int = 0
    timeout_s: float | None = None
    options: CallOptions | None = None
    hidden: tuple[HiddenWanted, ...] = ()

    def within(self, used_s: float) -> ModelCall:
        """The same call after so many seconds of its time.

        Raises:
            DeadlineExceeded: none is left.
        """
        if self.timeout_s is None or used_s <= 0.0:
            return self
        left = self.timeout_s - used_s
        if left <= 0.0:
            raise DeadlineExceeded(f"no answer within {self.timeout_s:.2f} s")
        return replace(self, timeout_s=left)


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote, and what it used for it (tokens over all `n` answers).

    Attributes:
        calls: of the model that it took, those that failed included.
        degraded: what did not go as it should on the way, in words.
    """

    generations: tuple[Generation, ...]
    tokens_in: int
    tokens_out: int
    calls: int = 1
    degraded: tuple[str, ...] = ()


OnTokens = Callable[[Sequence[Token]], PrefixVerdict]
"""Called with all tokens so far whenever more have come; a `Stop` ends the generation."""


class Model(Protocol):
    """Writes text. Raises a `RunError` where it cannot; never returns an empty tuple."""

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        """Answer a prompt `call.n` times."""
        ...

    async def aclose(self) -> None:
        """Give back what the model holds."""
        ...


class Retriever(Protocol):
    """Finds passages. Raises a `RunError` where it cannot."""

    async def search(self, query: str, k: int) -> Sequence[Passage]:
        """The `k` best passages, best first, each id at most once."""
        ...


@runtime_checkable
class Degrading(Protocol):
    """A retriever or a critic that goes on where something is not as it should be."""

    @property
    def degraded(self) -> tuple[str, ...]:
        """What does not work as configured at present, in words; empty where all does."""
        ...


class Comparer(Protocol):
    """Compares texts pair by pair. Raises a `RunError` where it cannot.

    Blocks, so drivers call it from a worker thread; several threads may call it at once.
    """

    @property
    def name(self) -> str:
        """What compares, with a version or hash: calibration depends on it."""
        ...

    @property
    def kind(self) -> CompareKind:
        """What it says of a pair."""
        ...

    def compare(self, pairs: Sequence[tuple[str, str]]) -> Sequence[tuple[float, ...]]:
        """One tuple a pair, in order, whatever else is compared with it.

        Of kind `similarity` one number in [0, 1], the same both ways and 1 for equal texts; of
        kind `nli` the probabilities of contradiction, neutrality and entailment, premise first.
        """
        ...


@dataclass(frozen=True, slots=True)
class Needs:
    """What an estimator must be given before it can say anything.

    Tokens with logprobs and passages are at hand after a draft; the rest has to be bought.

    Attributes:
        logprobs: tokens with logprobs.
        top_logprobs: at least this many candidates per token.
        passages: at least one passage.
        samples: this many samples of the same prompt.
        compare: a comparison of answer and samples.
        asked: a kind of question put to the model.
        critique: the local critic's judgement.
        given: a field of the evidence that can only come with it (`peers`, `without_context`,
            `previous_answers`, `greedy_token_similarity`, ...): nothing buys it.
        hidden: hidden states of the answer, and of each sample where there are any; they come with
            both, from models that show them.
    """

    logprobs: bool = False
    top_logprobs: int = 0
    passages: bool = False
    samples: int = 0
    compare: CompareKind | None = None
    asked: str | None = None
    critique: bool = False
    given: str | None = None
    hidden: tuple[HiddenWanted, ...] = ()

    @property
    def is_free(self) -> bool:
        """Whether nothing has to be bought."""
        return not (self.samples or self.compare or self.asked or self.critique)


class Estimator(Protocol):
    """Turns evidence into one confidence. Pure; never raises for bad evidence."""

    @property
    def name(self) -> str:
        """The canonical name."""
        ...

    @property
    def version(self) -> int:
        """Raised whenever the same evidence would give another number."""
        ...

    @property
    def needs(self) -> Needs:
        """What it must be given."""
        ...

    def estimate(self, evidence: Evidence) -> Reading:
        """The signal, or why there is none."""
        ...


class Calibrator(Protocol):
    """Maps one signal to a probability that the answer is right. Pure and non-decreasing."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever any fitted number changes."""
        ...

    def probability(self, signal: Signal) -> float:
        """P(correct), in [0, 1]."""
        ...


class Assessor(Protocol):
    """Turns the signals of an attempt into one estimate. Pure."""

    def assess(self, rung: Rung, signals: Mapping[str, Reading]) -> Estimate | Unavailable:
        """The estimate for an attempt on this rung."""
        ...


@dataclass(frozen=True, slots=True)
class BuyOption:
    """A signal that can be bought now, and what it would cost."""

    signal: str
    forecast: Forecast


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that a policy may look at.

    Attributes:
        rung: where the current attempt stands.
        attempt: the current attempt; None where the tier failed.
        estimate: of the current attempt.
        best: the best complete attempt so far (the current one included).
        can_answer: whether the current attempt is whole and may be served.
        retrieve: forecast of retrieving and drafting again; None where that is not open.
        escalate: the tiers above that are open, cheapest first, with their forecasts.
        buy: the signals that can be bought now.
        closed: what is not open, and why.
        run_id: what ties are broken by, where scores are equal.
        prior: P(right) of each tier before anything was generated; None without a prior.
    """

    rung: Rung
    attempt: Attempt | None
    estimate: Estimate | Unavailable
    best: Attempt | None
    can_answer: bool
    retrieve: Forecast | None
    escalate: tuple[tuple[int, Forecast], ...]
    buy: tuple[BuyOption, ...]
    closed: tuple[Alternative, ...]
    spend: Spend
    budget: Budget
    run_id: str = ""
    prior: tuple[float, ...] | None = None


class Policy(Protocol):
    """Decides. Pure: the same situation gives the same choice."""

    def decide(self, situation: Situation) -> Choice:
        """One of the open actions, or a signal to buy first."""
        ...


class Prior(Protocol):
    """Judges a question before anything is generated. Pure."""

    def probabilities(self, question: str) -> Sequence[float]:
        """P(right) of each tier, cheapest first."""
        ...


@dataclass(frozen=True, slots=True)
class Opening:
    """What may be looked at before the first draft.

    Attributes:
        prior: P(right) of each tier; None without a prior.
        tiers: those that can draft, cheapest first, with their forecasts; at least one.
    """

    run_id: str
    question: str
    prior: tuple[float, ...] | None
    tiers: tuple[tuple[int, Forecast], ...]


class EntryPolicy(Protocol):
    """Chooses the tier that drafts first. Pure."""

    def enter(self, opening: Opening) -> Entry:
        """One of the tiers that can draft."""
        ...


class PrefixGate(Protocol):
    """Judges a draft while it is being written. Pure."""

    def judge(self, rung: Rung, tokens: Sequence[Token], seen: int) -> PrefixVerdict:
        """Go on, release, or stop.

        Args:
            tokens: all of the draft so far.
            seen: how many of them it was shown before; 0 at a draft's beginning.
        """
        ...


class Prompter(Protocol):
    """Builds the prompt of a tier. Pure."""

    def prompt(
        self, tier: int, question: str, passages: Sequence[Passage], turns: Sequence[Turn]
    ) -> Prompt:
        """What tier `tier` is shown for this question."""
        ...


class RoundPrompter(Protocol):
    """Builds the prompts that several rounds of retrieval need beside the draft's. Pure."""

    def ask(self, tier: int, request: Ask, question: str, turns: Sequence[Turn]) -> Prompt | None:
        """What a tier is asked; None for a kind that this prompter does not know."""
        ...

    def retry(
        self,
        tier: int,
        refused: Refusal,
        question: str,
        passages: Sequence[Passage],
        turns: Sequence[Turn],
    ) -> Prompt:
        """What a tier is shown for a further draft, the one before it having been refused."""
        ...

    def go_on(
        self,
        tier: int,
        begun: str,
        question: str,
        passages: Sequence[Passage],
        turns: Sequence[Turn],
    ) -> Prompt:
        """What a tier is shown to write the rest of an answer that begins with `begun`."""
        ...


class Sizer(Protocol):
    """Estimates how long a prompt is. Pure, fast, and rather too high than too low."""

    def prompt_tokens(
        self, tier: int, question: str, passages: Sequence[Passage], turns: Sequence[Turn]
    ) -> int:
        """Tokens of the prompt that tier `tier` would be shown."""
        ...


@dataclass(frozen=True, slots=True)
class RecallQuery:
    """Whose history, which thread, and which question.

    Attributes:
        tenant: whose data; nothing crosses tenants.
        thread: the conversation; None asks for no turns.
        question: as asked; stores compare its normalized form (`router.text.question_key`).
        fingerprint: of models, prompts, policy and documents; a repeat must agree on it.
        limit: at most this many of the latest turns.
    """

    tenant: str
    thread: str | None
    question: str
    fingerprint: str
    limit: int = 4


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A finished run, as a history keeps it.

    Recording the same `result.run_id` again changes nothing.

    Attributes:
        turn: appended to the thread where a thread is given and the run was answered.
        evidence: per attempt id, with tokens; what a graph or a review looks up later.
        at: when the run ended, ISO 8601, UTC.
        user: who asked, a pseudonym; None where unknown. What is kept of one can be erased.
        policy_id: of the profile that decided; None where none did.
    """

    tenant: str
    thread: str | None
    fingerprint: str
    result: Result
    at: str
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    user: str | None = None
    policy_id: str | None = None

    @property
    def turn(self) -> Turn | None:
        """What the conversation gains by this run."""
        if self.result.answer is None:
            return None
        return Turn(self.result.question, self.result.answer)


class History(Protocol):
    """Remembers runs. Raises a `StoreError` where it cannot."""

    async def recall(self, query: RecallQuery) -> Recalled:
        """Earlier turns of the thread (oldest first) and the latest answered equal question.

        Only runs that were answered (not abstained) and not themselves repeats are repeats.
        """
        ...

    async def record(self, run: RunRecord) -> None:
        """Keep a run; idempotent by run id."""
        ...

    async def runs(self, tenant: str, limit: int = 20) -> Sequence[RunRecord]:
        """The latest runs of a tenant, newest first, without their evidence."""
        ...

    async def aclose(self) -> None:
        """Give back what the store holds."""
        ...


class AttemptStore(Protocol):
    """Keeps the evidence of attempts while a run is under way, outside of any checkpoint."""

    async def put(self, tenant: str, run_id: str, attempt_id: str, evidence: Evidence) -> None:
        """Keep or replace the evidence of one attempt."""
        ...

    async def get(self, tenant: str, run_id: str, attempt_id: str) -> Evidence | None:
        """The evidence, or None where it is unknown."""
        ...
