"""Self-practice: the deployment's own models and retriever over questions with known answers.

The loop itself runs, with a policy that always searches on, so that what a critic is trained on is
what it will meet. All rounds are kept, also those behind a right answer: what they spoil is what
stopping is worth (Yang et al. 2025, "Knowing You Don't Know", SIM-RAG, arXiv 2505.02811).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from ..router.budget import NOTHING, Budget, Forecast
from ..router.critic.run_states import Gold, states_of_result
from ..router.critic.states import StateRecord
from ..router.decisions import Action, Choice, Decision, Entry, Result
from ..router.drive import Clock, drive
from ..router.errors import SurefootError
from ..router.forecasts import Fit, call_forecast, draft_fit
from ..router.loop import open_run
from ..router.perform import Performer, Session
from ..router.plan import Plan, RetrievalPlan
from ..router.protocols import Opening, Situation
from ..router.state import RunState
from ..router.text import question_key
from .questions import Question

__all__ = ["Practice", "PracticePolicy", "Practiced", "Task", "tasks_of"]

_STEPS_A_ROUND = 6  # a query, a search, a draft, a verdict, and two to spare


@dataclass(frozen=True, slots=True)
class Task:
    """One thread: a question put to one tier, round after round."""

    question: Question
    tier: int
    thread_id: str

    @property
    def gold(self) -> Gold:
        """What is known of the right answer."""
        return Gold(self.question.answers, self.question.gold_titles)


def tasks_of(
    questions: Sequence[Question], tiers: Sequence[tuple[int, str]]
) -> tuple[list[Task], int]:
    """A thread for each question and tier (number and name), and how many questions were left out
    because another asks the same."""
    seen: set[str] = set()
    tasks: list[Task] = []
    for question in questions:
        key = question_key(question.question)
        if key in seen:
            continue
        seen.add(key)
        tasks += [Task(question, tier, f"{question.id}/{name}") for tier, name in tiers]
    return tasks, len(questions) - len(seen)


class PracticePolicy:
    """Searches on for as long as it can, and never serves anything."""

    def decide(self, situation: Situation) -> Choice:
        """Retrieve while that is open; else end the run."""
        if situation.retrieve is not None:
            return Decision(Action.RETRIEVE, "practice goes through all rounds")
        closed = "; ".join(one.why_not for one in situation.closed if one.why_not)
        return Decision(Action.ABSTAIN, f"practice ends: {closed or 'there is no retriever'}")


@dataclass(frozen=True, slots=True)
class _OnlyTier:
    """Has one tier draft."""

    tier: int

    def enter(self, opening: Opening) -> Entry:
        return Entry(self.tier, "the tier that practices")


@dataclass(frozen=True, slots=True)
class Practiced:
    """What became of a task.

    Attributes:
        states: of all its rounds; () where it failed.
        problem: why it failed, None where it did not.
        calls: of models, the last query's included, after which nothing new was found.
        cost: of the same.
    """

    task: Task
    states: tuple[StateRecord, ...]
    problem: str | None = None
    calls: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Practice:
    """Runs tasks.

    Attributes:
        plan: of the deployment; its policy, entry, history and certificate are not used.
        rounds: searches of a thread at most.
        parallel: threads under way at once.
        clock: monotonic seconds.
    """

    plan: Plan
    performer: Performer
    rounds: int
    parallel: int = 1
    clock: Clock = time.monotonic

    def forecast(self, task: Task) -> Forecast:
        """What a task uses at most, by estimated prompts and the longest answers; nothing where the
        question does not fit the tier."""
        plan = self._plan(task.tier)
        state = RunState("", task.question.question, Budget(), tier=task.tier)
        fit = draft_fit(plan, state, task.tier)
        if not isinstance(fit, Fit):
            return NOTHING
        total, tier = fit.forecast, plan.tiers[task.tier]
        for round_ in range(1, (self.rounds if plan.retrieval else 0) + 1):
            assert plan.retrieval is not None
            shown = fit.tokens_in + round_ * plan.retrieval.k * plan.retrieval.passage_tokens
            ahead = call_forecast(tier, min(shown, tier.context - tier.max_output))
            asks = round_ > 1 and plan.retrieval.queries == "model"
            total = total + ahead + (ahead if asks else NOTHING)
        return total

    async def run(self, tasks: Sequence[Task]) -> AsyncIterator[Practiced]:
        """The tasks' outcomes in their order, `parallel` of them under way at once.

        Raises:
            SurefootError: only what no task can be run with (models that cannot be loaded).
        """
        free = asyncio.Semaphore(self.parallel)

        async def one(task: Task) -> Practiced:
            async with free:
                return await self.practiced(task)

        pending = [asyncio.create_task(one(task)) for task in tasks]
        try:
            for running in pending:
                yield await running
        finally:
            for running in pending:
                running.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def practiced(self, task: Task) -> Practiced:
        """One task, all its rounds; a model or retriever that fails makes it fail as a whole."""
        plan = self._plan(task.tier)
        run = open_run(plan, task.question.question, run_id=task.thread_id, budget=plan.budget)
        try:
            result = await drive(run, self.performer, Session(), clock=self.clock)
        except SurefootError as error:
            return Practiced(task, (), str(error))
        problem = _problem(result, task.tier)
        if problem is not None:
            return Practiced(task, (), problem, result.calls, result.cost)
        states = states_of_result(
            result,
            task.gold,
            thread=lambda _: task.thread_id,
            models=[tier.model for tier in plan.tiers],
        )
        return Practiced(task, tuple(states), None, result.calls, result.cost)

    def _plan(self, tier: int) -> Plan:
        steps = (self.rounds + 2) * _STEPS_A_ROUND
        retrieval = self.plan.retrieval
        return replace(
            self.plan,
            policy=PracticePolicy(),
            entry=_OnlyTier(tier),
            prior=None,
            prefix_gate=None,
            remember=False,
            certificate=None,
            budget=Budget(max_rounds=self.rounds, max_steps=steps),
            retrieval=None if retrieval is None else _through_all_rounds(retrieval),
        )


def _through_all_rounds(retrieval: RetrievalPlan) -> RetrievalPlan:
    """Without the stops and exchanges that rest on answers: a thread ends where searching does."""
    return replace(retrieval, stop_unchanged=False, least_gain=None, situated_margin=None)


def _problem(result: Result, tier: int) -> str | None:
    """Why the thread is not whole; a search that found nothing new is how threads end."""
    for step in result.trail:
        asked, _, _ = step.request.partition(" ")
        if asked in ("draft", "retrieve") and step.outcome.startswith("failed ("):
            return f"{asked} {step.outcome}"
    if any(attempt.tier != tier for attempt in result.attempts):
        return "the question is too long for the tier"
    return None if result.attempts else f"nothing was drafted: {result.reason}"
