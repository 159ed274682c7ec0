"""The plain driver: performs what the loop asks for, one request after the other."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from .budget import Budget, Forecast
from .callers import CallerRequest, Conversing
from .decisions import Action, Result, TrailStep
from .errors import (
    ContextTooLong,
    DeadlineExceeded,
    UpstreamMalformed,
    UpstreamTruncated,
    UsageError,
)
from .evidence import Generation, Token
from .loop import Run, open_run
from .offers import Judgement, Offer, is_local, judgement_of, open_offer
from .perform import Performer, RunView, Session
from .plan import Plan
from .requests import Continue, Failure, Partial, PrefixVerdict, Reply
from .sizing import PromptSizer
from .text import clean_question

__all__ = [
    "Answered",
    "Clock",
    "OnLost",
    "OnStep",
    "OnText",
    "Router",
    "checked_question",
    "drive",
    "new_run_id",
]

Clock = Callable[[], float]
"""Monotonic seconds."""

OnStep = Callable[[TrailStep], None]
"""Called after each step of a run."""

OnLost = Callable[[Forecast], None]
"""Called with what was forecast of a call that was given up, or that broke off after it was sent:
it may be billed, and nobody knows how much."""

OnText = Callable[[str], None]
"""Called with each further piece of a draft that is shown while it is written."""

T = TypeVar("T")

_BILLED = {kind.kind for kind in (DeadlineExceeded, UpstreamMalformed, UpstreamTruncated)}


def new_run_id() -> str:
    """A fresh id for a run."""
    return uuid.uuid4().hex


async def drive(
    run: Run,
    performer: Performer,
    session: Session,
    *,
    clock: Clock = time.monotonic,
    on_step: OnStep | None = None,
    on_text: OnText | None = None,
    on_lost: OnLost | None = None,
    caller: CallerRequest | None = None,
    prompter: Conversing | None = None,
) -> Result:
    """Perform requests until the run ends.

    Args:
        caller, prompter: of a request that a caller wrote itself, as in `RunView`.
        clock: monotonic seconds; the loop itself reads no clock.
        on_step: called after each step with what it brought.
        on_text: called with what a live run (`open_run`) lets be shown, as soon as it does. The
            pieces are the beginning of the answer; the last of it is in the result alone.
        on_lost: called with the forecast of each call of which nothing came and that may be billed.
            The run itself is charged nothing for it.
    """
    mark = clock()
    is_watched = run.plan.prefix_gate is not None or run.state.live
    while run.request is not None:
        state = run.state
        view = RunView(state.question, state.turns, run.evidence, caller, prompter, state.run_id)
        feed = partial(_feed, run, on_text) if is_watched else None
        request = run.request
        try:
            reply = await performer.perform(request, session, run=view, on_tokens=feed)
        except asyncio.CancelledError:
            if on_lost is not None:
                on_lost(request.forecast)
            raise
        if on_lost is not None and _may_be_billed(reply):
            on_lost(request.forecast)
        now = clock()
        run.advance(replace(reply, elapsed_s=now - mark))
        mark = now
        if on_step is not None:
            on_step(run.state.trail[-1])
    assert run.result is not None
    return run.result


def _may_be_billed(reply: Reply) -> bool:
    return isinstance(reply.outcome, Failure) and reply.outcome.kind in _BILLED


def _feed(run: Run, on_text: OnText | None, tokens: Sequence[Token]) -> PrefixVerdict:
    verdict = run.feed(Partial(tuple(tokens)))
    if on_text is not None and isinstance(verdict, Continue) and verdict.show:
        on_text(verdict.show)
    return verdict


def checked_question(plan: Plan, question: str) -> str:
    """The question, cleaned.

    Raises:
        UsageError: it is empty.
        ContextTooLong: no tier can take it, even without any passage.
    """
    question = clean_question(question)
    if not question:
        raise UsageError("the question is empty; ask something")
    sizes = []
    for tier, spec in enumerate(plan.tiers):
        needed = plan.sizer.prompt_tokens(tier, question, (), ()) + spec.max_output
        if needed <= spec.context:
            return question
        sizes.append((spec.context, needed))
    largest, needed = max(sizes)
    raise ContextTooLong(needed, largest)


@dataclass(frozen=True, slots=True)
class Answered:
    """How a run ended, and what the served attempt's model wrote, with its tokens where known."""

    result: Result
    generation: Generation | None


def _served(run: Run, result: Result) -> Generation | None:
    served = result.best if result.action is Action.ANSWER else None
    known = None if served is None else run.evidence.get(served.id)
    return None if known is None else known.greedy


class Router:
    """A built deployment: ask it questions.

    Use it in a `with` or `async with` block, or close it yourself.

    Args:
        clock: monotonic seconds.
        callers: makes the prompter of a request that a caller wrote itself; without it `respond`
            cannot be used.
    """

    def __init__(
        self,
        plan: Plan,
        performer: Performer,
        *,
        clock: Clock = time.monotonic,
        callers: Callable[[CallerRequest], Conversing] | None = None,
    ) -> None:
        self.plan = plan
        self.performer = performer
        self._clock = clock
        self._callers = callers
        self._runner: asyncio.Runner | None = None
        self._one_at_a_time = threading.Lock()

    def beside(self, plan: Plan, performer: Performer) -> Router:
        """A router of another policy over the same tiers, for the same callers."""
        return Router(plan, performer, clock=self._clock, callers=self._callers)

    async def ask(
        self,
        question: str,
        *,
        session: Session | None = None,
        budget: Budget | None = None,
        on_step: OnStep | None = None,
        on_text: OnText | None = None,
    ) -> Result:
        """One gated answer.

        Args:
            on_text: as for `respond`.

        Raises:
            UsageError: the question is empty or longer than any tier's context.
        """
        question = checked_question(self.plan, question)
        live = on_text is not None
        run = open_run(self.plan, question, run_id=new_run_id(), budget=budget, live=live)
        return await drive(
            run,
            self.performer,
            session or Session(),
            clock=self._clock,
            on_step=on_step,
            on_text=on_text,
        )

    async def respond(
        self,
        request: CallerRequest,
        *,
        session: Session | None = None,
        budget: Budget | None = None,
        run_id: str | None = None,
        on_step: OnStep | None = None,
        on_text: OnText | None = None,
        on_lost: OnLost | None = None,
    ) -> Answered:
        """One gated answer to a conversation that a caller wrote itself.

        Tiers that talk are shown the caller's messages. Drafts are greedy all the same, since
        calibrators are fitted on greedy drafts.

        Args:
            on_text: called with each piece of a draft that the plan's release gate lets be shown
                while it is written; such a draft is the answer. The pieces are how the result's
                answer begins, or the run abstains since it broke off (`Attempt.released`).
            on_lost: as for `drive`.

        Raises:
            UsageError: no user said anything, the conversation is longer than any tier's context,
                or this router was built without a prompter for callers.
        """
        if self._callers is None:
            raise UsageError("this router takes questions only: it was built without `callers`")
        prompter = self._callers(request)
        plan = replace(self.plan, sizer=PromptSizer(prompter))
        question = checked_question(plan, request.question)
        run = open_run(
            plan,
            question,
            run_id=run_id or new_run_id(),
            budget=budget,
            turns=request.turns,
            live=on_text is not None,
        )
        result = await drive(
            run,
            self.performer,
            session or Session(),
            clock=self._clock,
            on_step=on_step,
            on_text=on_text,
            on_lost=on_lost,
            caller=request,
            prompter=prompter,
        )
        return Answered(result, _served(run, result))

    async def judge(self, offer: Offer, *, budget: Budget | None = None) -> Judgement:
        """What would be done with a draft that somebody else made; nothing is generated, searched
        for or recorded. The critic and comparisons run where they are configured.

        Args:
            budget: what is left for this request; the configured one where None.

        Raises:
            UsageError: the question is empty, or tier or round are impossible.
        """
        question = checked_question(self.plan, offer.evidence.question)
        offer = replace(offer, evidence=replace(offer.evidence, question=question))
        run = open_offer(self.plan, offer, run_id=new_run_id(), budget=budget)
        mark = self._clock()
        while is_local(run):
            assert run.request is not None
            view = RunView(question, run.state.turns, run.evidence, run_id=run.state.run_id)
            reply = await self.performer.perform(run.request, Session(), run=view)
            now = self._clock()
            run.advance(replace(reply, elapsed_s=now - mark))
            mark = now
        return judgement_of(run)

    def ask_sync(
        self,
        question: str,
        *,
        session: Session | None = None,
        budget: Budget | None = None,
        on_step: OnStep | None = None,
        on_text: OnText | None = None,
    ) -> Result:
        """`ask` for callers without an event loop: the one sync door.

        Raises:
            UsageError: as `ask`, and when called from inside an event loop.
        """
        return self.run_sync(
            self.ask(question, session=session, budget=budget, on_step=on_step, on_text=on_text)
        )

    async def aclose(self) -> None:
        """Close models, retriever and history."""
        await self.performer.aclose()

    def close(self) -> None:
        """`aclose` for callers without an event loop."""
        try:
            self.run_sync(self.aclose())
        finally:
            if self._runner is not None:
                self._runner.close()
                self._runner = None

    def judge_sync(self, offer: Offer, *, budget: Budget | None = None) -> Judgement:
        """`judge` for callers without an event loop.

        Raises:
            UsageError: as `judge`, and when called from inside an event loop.
        """
        return self.run_sync(self.judge(offer, budget=budget))

    def run_sync(self, coroutine: Coroutine[object, object, T]) -> T:
        """Run a coroutine of this router's to its end, one at a time, on a loop kept for that.

        Raises:
            UsageError: an event loop is running in this thread.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            # One loop for all sync calls: HTTP clients and pools are bound to the loop they met.
            # It runs one call at a time, so callers in other threads wait for their turn.
            with self._one_at_a_time:
                if self._runner is None:
                    self._runner = asyncio.Runner()
                return self._runner.run(coroutine)
        coroutine.close()
        raise UsageError("an event loop is running here: use `await router.ask(...)` instead")

    def __enter__(self) -> Router:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Router:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()
