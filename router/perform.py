"""Carrying out requests: models, retriever and history behind one call. Decides nothing.

Used by every driver, so that a request means the same whoever drives. Failures become typed
`Failure` outcomes; anything that is not a `RunError` is a bug and is raised.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from .callers import CallerRequest, Conversing
from .capabilities import hidden_wanted
from .comparisons import checked_values, posed
from .critic.critics import CriticService
from .critic.states import CriticState
from .errors import DeadlineExceeded, RunError, UpstreamMalformed
from .evidence import Evidence, Turn
from .plan import Plan
from .protocols import (
    Comparer,
    Completion,
    Degrading,
    History,
    Model,
    ModelCall,
    OnTokens,
    Prompt,
    Prompter,
    RecallQuery,
    Retriever,
    RoundPrompter,
    RunRecord,
)
from .requests import (
    Ask,
    Asked,
    Compare,
    Compared,
    CompareKind,
    Critique,
    Critiqued,
    Draft,
    Drafted,
    Failure,
    Outcome,
    Recall,
    Record,
    Recorded,
    Reply,
    Request,
    Retrieve,
    Retrieved,
    Sample,
    Sampled,
)
from .tenancy import acting_for

__all__ = ["Closing", "Performer", "RunView", "Sampling", "Session", "utc_now"]

_LOG = logging.getLogger(__name__)

# A run that has used all its time is still recorded, if that is quick.
_GRACE_S = 0.05

# A comparison blocks a thread that cannot be stopped, but between pieces. So many pairs of short
# texts take a base-sized NLI model 3 to 5 s on two busy cores; smaller batches cost more a pair.
_PAIRS_AT_ONCE = 32

_QUERY_TOKENS = 64  # a query that is longer is none

_HOW_TO_COMPARE: Mapping[CompareKind, str] = {
    "nli": 'set comparison.nli = "transformers:NAME_OR_PATH"',
    "similarity": 'set comparison.similarity = "lexical"',
}


def utc_now() -> str:
    """The time in ISO 8601, UTC, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Session:
    """Whose run it is.

    Attributes:
        tenant: nothing crosses tenants.
        thread: the conversation; None for a single question.
        user: who asks, a pseudonym; None where unknown.
    """

    tenant: str = "default"
    thread: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How models are called.

    Attributes:
        top_logprobs: candidates per token asked of every model.
        temperature: of samples; drafts are always greedy.
        seed: of samples.
        store_timeout_s: seconds that a history call may take; a slow store must not hold a run,
            nor one without a deadline.
    """

    top_logprobs: int = 10
    temperature: float = 1.0
    seed: int = 1
    store_timeout_s: float = 2.0


@dataclass(frozen=True, slots=True)
class RunView:
    """What carrying out a request needs to know of its run.

    Attributes:
        caller: the request that a caller wrote itself; None where the deployment's own prompts are
            used.
        prompter: made for that request; the deployment's where None.
        run_id: "" for a request outside of any run.
    """

    question: str
    turns: tuple[Turn, ...] = ()
    evidence: Mapping[str, Evidence] | None = None
    caller: CallerRequest | None = None
    prompter: Conversing | None = None
    run_id: str = ""


class Closing(Protocol):
    """Something that holds connections or memory."""

    async def aclose(self) -> None:
        """Give it back. Idempotent."""
        ...


class Performer:
    """Carries out requests.

    Args:
        models: one a tier, in the plan's order.
        comparers: by the kind of comparison that each answers.
        question_in: whether NLI is asked of question and answer, or of the answers alone.
        critic: judges drafts; without one a `Critique` fails.
        rounds: prompts of the questions that are put to a model beside its drafts.
        fingerprint: of models, prompts, policy and documents; a repeat must agree on it.
        policy_id: of the profile that decides, for records only.
        may_repeat: whether an equal question may be answered from the history at the moment.
        now: the wall clock, for records only.
    """

    def __init__(
        self,
        plan: Plan,
        models: tuple[Model, ...],
        prompter: Prompter,
        retriever: Retriever | None = None,
        history: History | None = None,
        *,
        sampling: Sampling | None = None,
        comparers: Mapping[CompareKind, Comparer] | None = None,
        question_in: bool = True,
        critic: CriticService | None = None,
        rounds: RoundPrompter | None = None,
        fingerprint: str = "",
        policy_id: str | None = None,
        may_repeat: Callable[[], bool] = lambda: True,
        now: Callable[[], str] = utc_now,
    ) -> None:
        self.plan = plan
        self.models = models
        self.history = history
        self.comparers: Mapping[CompareKind, Comparer] = dict(comparers or {})
        self.question_in = question_in
        self.critic = critic
        self.fingerprint = fingerprint
        self.policy_id = policy_id
        self._prompter = prompter
        self._rounds = rounds
        self._retriever = retriever
        self._sampling = sampling or Sampling()
        self._hidden = hidden_wanted((*plan.free, *plan.buyable))
        self._may_repeat = may_repeat
        self._now = now
        self._resources: list[Closing] = []
        self._closes_history = True

    async def perform(
        self,
        request: Request,
        session: Session,
        *,
        run: RunView,
        on_tokens: OnTokens | None = None,
    ) -> Reply:
        """Carry out one request; the reply's `elapsed_s` is left to the driver."""
        limit = self._limit(request)
        timer = asyncio.timeout(limit)
        try:
            with acting_for(session.tenant, run.run_id):
                async with timer:
                    return await self._perform(request, session, run, on_tokens)
        except TimeoutError as error:
            ours = limit is not None and timer.expired()
            words = f"no answer within {limit:.2f} s" if ours else f"it timed out: {error}"
            return _failed(request, run, DeadlineExceeded(words))
        except RunError as error:
            return _failed(request, run, error)

    def also_close(self, resource: Closing) -> None:
        """Have something closed after models, history and critic, which use it."""
        self._resources.append(resource)

    def under(self, plan: Plan, *, fingerprint: str, policy_id: str | None) -> Performer:
        """The same models, retriever and history for another policy over the same tiers.

        It is closed with this one: closing it is not needed, and does no harm.
        """
        other = copy(self)
        other.plan, other.fingerprint, other.policy_id = plan, fingerprint, policy_id
        other._may_repeat = lambda: True
        return other

    def leave_history_open(self) -> None:
        """Do not close the history at the end: somebody else goes on with it."""
        self._closes_history = False

    async def aclose(self) -> None:
        """Close models and history; each is closed even where another cannot be."""
        history = self.history if self._closes_history else None
        async with AsyncExitStack() as stack:
            for closing in (*self._resources, *self.models, history, self.critic):
                if closing is not None:
                    stack.push_async_callback(closing.aclose)

    def _limit(self, request: Request) -> float | None:
        """Seconds that a request may take. A store has its own limit, within the deadline."""
        limit = request.timeout_s
        if not isinstance(request, Recall | Record):
            return limit
        store = self._sampling.store_timeout_s
        return store if limit is None else min(store, max(limit, _GRACE_S))

    async def _perform(
        self, request: Request, session: Session, run: RunView, on_tokens: OnTokens | None
    ) -> Reply:
        if isinstance(request, Draft | Sample):
            return await self._generate(request, run, on_tokens)
        if isinstance(request, Ask):
            return await self._ask(request, run)
        if isinstance(request, Critique):
            return Reply(await self._critique(request, run))
        if isinstance(request, Compare):
            return Reply(await self._compare(request, run))
        if isinstance(request, Retrieve):
            return Reply(await self._search(request))
        if isinstance(request, Recall):
            return Reply(await self._recall(request, session, run))
        return Reply(await self._record(request, session, run))

    async def _generate(
        self, request: Draft | Sample, run: RunView, on_tokens: OnTokens | None
    ) -> Reply:
        tier = self.plan.tiers[request.tier]
        is_draft = isinstance(request, Draft)
        how = self._sampling
        caller = run.caller
        wanted = tier.max_output if caller is None else caller.max_tokens or tier.max_output
        call = ModelCall(
            self._prompt(request, run),
            max_tokens=min(wanted, tier.max_output),
            temperature=0.0 if is_draft else how.temperature,
            n=1 if isinstance(request, Draft) else request.n,
            top_logprobs=how.top_logprobs,
            seed=how.seed,
            timeout_s=request.timeout_s,
            options=None if caller is None else caller.options,
            hidden=self._hidden,
        )
        completion = await self.models[request.tier].generate(call, on_tokens if is_draft else None)
        outcome: Outcome
        if not completion.generations:
            outcome = Failure(UpstreamMalformed.kind, "the model returned no answer")
        elif is_draft:
            outcome = Drafted(completion.generations[0])
        else:
            outcome = Sampled(completion.generations)
        return self._priced(outcome, request.tier, completion)

    def _prompt(self, request: Draft | Sample, run: RunView) -> Prompt:
        tier, passages = request.tier, request.passages
        refused = request.refused if isinstance(request, Draft) else None
        prompter, rounds = run.prompter or self._prompter, run.prompter or self._rounds
        if isinstance(request, Draft) and request.begun and rounds is not None:
            return rounds.go_on(tier, request.begun, run.question, passages, run.turns)
        if refused is not None and rounds is not None:
            return rounds.retry(tier, refused, run.question, passages, run.turns)
        return prompter.prompt(tier, run.question, passages, run.turns)

    def _priced(self, outcome: Outcome, tier: int, completion: Completion) -> Reply:
        plan = self.plan.tiers[tier]
        cost = None
        if plan.price is not None:
            cost = plan.price.of(completion.tokens_in, completion.tokens_out)
        degraded = tuple([f"tier {plan.name}: {words}" for words in completion.degraded])
        written = completion.tokens_out
        return Reply(
            outcome,
            cost,
            calls=completion.calls,
            tokens=completion.tokens_in + written,
            degraded=degraded,
            tokens_out=written,
        )

    async def _ask(self, request: Ask, run: RunView) -> Reply:
        tier, prompt = request.tier, None
        if self._rounds is not None:
            prompt = self._rounds.ask(tier, request, run.question, run.turns)
        if prompt is None:
            words = f"nothing is configured that can ask for {request.kind}"
            return Reply(Failure("unsupported", words))
        call = ModelCall(
            prompt,
            max_tokens=min(_QUERY_TOKENS, self.plan.tiers[tier].context // 2),
            top_logprobs=0,
            timeout_s=request.timeout_s,
        )
        completion = await self.models[tier].generate(call)
        return self._priced(Asked(completion.generations), tier, completion)

    async def _critique(self, request: Critique, run: RunView) -> Outcome:
        if self.critic is None:
            return Failure("unsupported", "no critic is configured; set critic.model")
        verdict = await self.critic.judge(_state(request, run.question))
        degraded = self.critic.degraded if isinstance(self.critic, Degrading) else ()
        return Critiqued(verdict, degraded)

    async def _compare(self, request: Compare, run: RunView) -> Outcome:
        comparer = self.comparers.get(request.kind)
        if comparer is None:
            how = _HOW_TO_COMPARE[request.kind]
            return Failure("unsupported", f"nothing is configured that can compare; {how}")
        pairs = request.pairs
        if request.kind == "nli" and self.question_in:
            pairs = posed(run.question, pairs)
        values: list[tuple[float, ...]] = []
        for start in range(0, len(pairs), _PAIRS_AT_ONCE):
            piece = pairs[start : start + _PAIRS_AT_ONCE]
            found = await asyncio.to_thread(comparer.compare, piece)
            values += checked_values(request.kind, piece, found)
        return Compared(tuple(values))

    async def _search(self, request: Retrieve) -> Outcome:
        if self._retriever is None:
            return Failure("unsupported", "no documents are configured")
        passages = tuple(await self._retriever.search(request.query, request.k))
        degraded = self._retriever.degraded if isinstance(self._retriever, Degrading) else ()
        return Retrieved(passages, degraded)

    async def _recall(self, request: Recall, session: Session, run: RunView) -> Outcome:
        if self.history is None:
            return Failure("unsupported", "no history is configured")
        fingerprint = self._asked_under(run)
        found = await self.history.recall(
            RecallQuery(session.tenant, session.thread, request.question, fingerprint)
        )
        return found if self._may_repeat() else replace(found, repeat=None)

    def _asked_under(self, run: RunView) -> str:
        """What an earlier answer must agree on; a caller's own messages are a part of it."""
        if run.caller is None:
            return self.fingerprint
        return f"{self.fingerprint}+{run.caller.fingerprint}"

    def _fingerprint_of(self, run: RunView) -> str:
        """An answer that leaned on earlier turns must not be taken for one that stood alone."""
        if run.caller is None and run.turns:
            return f"{self.fingerprint}+turns"
        return self._asked_under(run)

    async def _record(self, request: Record, session: Session, run: RunView) -> Outcome:
        if self.history is None:
            return Failure("unsupported", "no history is configured")
        record = RunRecord(
            session.tenant,
            session.thread,
            self._fingerprint_of(run),
            request.result,
            self._now(),
            dict(run.evidence or {}),
            session.user,
            self.policy_id,
        )
        await self.history.record(record)
        return Recorded()


def _state(request: Critique, question: str) -> CriticState:
    """As a states file has it: the passages in the order in which they were found."""
    found_in = request.found_in
    if len(found_in) != len(request.passages):
        found_in = (request.round,) * len(request.passages)
    order = sorted(range(len(request.passages)), key=found_in.__getitem__)
    return CriticState(
        question,
        request.answer,
        request.rationale,
        tuple([request.passages[i] for i in order]),
        request.round,
        request.previous_answers,
        request.queries,
        tuple([found_in[i] for i in order]),
    )


def _failed(request: Request, run: RunView, error: RunError) -> Reply:
    """The failure, with its line in the log: without the words, which may quote a prompt."""
    name = type(request).__name__.lower()
    _LOG.warning("run %s: %s failed: %s", run.run_id, name, error.kind)
    calls = error.calls if isinstance(request, Draft | Sample | Ask) else 0
    return Reply(Failure(error.kind, str(error)), calls=calls)
