"""A practice: threads of rounds, several at once, written whole and gone on with after any end."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..adapters.public_url import public_url
from ..router.errors import StoreError, UsageError
from .common import Choices, built
from .practice_run import Asked, Done, questions_of
from .recorded_how import how_recorded

if TYPE_CHECKING:
    from ..graphs.config import Built
    from ..policies.practicing import Practice, Practiced, Task
    from ..router.budget import Forecast
    from .part_file import PartFile

__all__ = ["practice"]

_ROUNDS = 3
_SIZE = "rounds_of_thread"
_SHOWN_PROBLEMS = 3


def practice(asked: Asked, choices: Choices) -> Done:
    """Run the practice that the command line describes.

    Raises:
        UsageError: a tier is unknown, or it was not begun.
        BadInput: the questions cannot be read.
        ConfigurationError: the deployment cannot be built.
        StoreError: the states cannot be written; whole threads so far stay.
    """
    from ..policies.practice_outcomes import check_outcomes_hold
    from ..policies.practicing import Practice, tasks_of

    questions = questions_of(asked)
    rounds = _ROUNDS if asked.rounds is None else asked.rounds
    with built(choices, policy=False) as deployment:
        router, tiers = deployment.router, _tiers(deployment, asked.tiers)
        if rounds:
            _check_searches(deployment)
        if asked.outcomes is not None:
            check_outcomes_hold(router.plan, len(tiers))
        tasks, repeated = tasks_of(questions, tiers)
        work = Practice(router.plan, router.performer, rounds, asked.parallel)
        how = how_recorded(deployment, rounds)
        with _part(asked.target, deployment, how, rounds) as part:
            done = _whole_threads(part)
            missing = [task for task in tasks if task.thread_id not in done]
            if missing:
                _announce(work, missing, asked, len(done))
            session = _Session(work, missing, part, len(tasks))
            began = time.monotonic()
            router.run_sync(session.run())
            seconds = time.monotonic() - began
            if not session.failed:
                part.finish()
        states = asked.target if not session.failed else part.path
        if asked.outcomes is not None and not session.failed:
            _write_outcomes(asked.outcomes, states, tasks, deployment, how)
    return Done(
        len(done) + len(missing) - session.failed,
        sum(done.values()) + session.states,
        session.failed,
        repeated,
        len(done),
        session.calls,
        session.cost,
        str(states),
        None if asked.outcomes is None or session.failed else str(asked.outcomes),
        seconds,
    )


def _tiers(deployment: Built, wanted: Sequence[str]) -> list[tuple[int, str]]:
    names = deployment.names
    for name in wanted:
        if name not in names:
            raise UsageError(f"--tier: no tier is called '{name}'; there are {', '.join(names)}")
    return [(tier, name) for tier, name in enumerate(names) if not wanted or name in wanted]


def _check_searches(deployment: Built) -> None:
    """Before anything is paid for: every thread would fail at its first search."""
    if deployment.router.plan.retrieval is None:
        raise UsageError("there is nothing to search: configure documents, or give --rounds 0")
    if deployment.retriever is None:
        raise StoreError("; ".join(deployment.notes) or "the documents cannot be searched")


def _part(target: Path, deployment: Built, how: str, rounds: int) -> PartFile:
    from .part_file import PartFile

    found = deployment.retriever
    work = {
        "work": "practice",
        "how": how,
        "rounds": rounds,
        "queries": deployment.settings.retrieval.queries,
        "tiers": [
            [tier.name, tier.model, tier.base_url and public_url(tier.base_url)]
            for tier in deployment.settings.tiers
        ],
        "documents": None if found is None else found.fingerprint,
    }
    return PartFile(target, work)


def _whole_threads(part: PartFile) -> dict[str, int]:
    """Threads that an interrupted run has written whole, by id, with their number of states.

    Raises:
        UsageError: they were written with other models, documents or settings; they cost money,
            and are left as they are.
    """
    if part.is_of_other_work():
        raise UsageError(
            f"{part.path} was begun with other models, documents, rounds or settings; go on with "
            "those, name another --out, or remove it"
        )
    whole: dict[str, int] = {}
    kept, seen, thread = 0, 0, None
    for end, row in part.lines():
        try:
            name, size = str(row["thread_id"]), int(row[_SIZE])
        except (TypeError, KeyError, ValueError):
            break
        seen = seen + 1 if name == thread else 1
        thread = name
        if seen == size:
            whole[name], kept, thread = size, end, None
    part.keep(kept)
    return whole


@dataclass(slots=True)
class _Session:
    """One pass over the tasks that are missing."""

    work: Practice
    tasks: Sequence[Task]
    part: PartFile
    total: int
    states: int = 0
    failed: int = 0
    calls: int = 0
    cost: float = 0.0

    async def run(self) -> None:
        from .console import progress_bar

        before = self.total - len(self.tasks)
        with progress_bar() as report:
            report("practicing (threads)", before, self.total)
            number = before
            async for practiced in self.work.run(self.tasks):
                number += 1
                self._take(practiced)
                report("practicing (threads)", number, self.total)

    def _take(self, practiced: Practiced) -> None:
        from ..router.critic.states_file import state_row
        from ..router.tables import json_line
        from .streams import say

        self.calls += practiced.calls
        self.cost += practiced.cost
        if practiced.problem is not None:
            self.failed += 1
            if self.failed <= _SHOWN_PROBLEMS:
                say(f"{practiced.task.thread_id}: {practiced.problem}")
            return
        rows = [state_row(record) for record in practiced.states]
        self.part.write(b"".join(json_line({**row, _SIZE: len(rows)}) for row in rows))
        self.states += len(rows)


def _announce(work: Practice, tasks: Sequence[Task], asked: Asked, done: int) -> None:
    """Say what it takes at most; on a terminal, ask before money is spent."""
    from .streams import say

    total = sum((work.forecast(task) for task in tasks), start=_nothing())
    unpriced = any(work.plan.tiers[task.tier].price is None for task in tasks)
    money = "at an unknown price" if unpriced else f"for {total.cost or 0.0:.4g} at most"
    went_on = f"; {done} threads are there already" if done else ""
    patience = f", {total.latency_s / asked.parallel:.0f} s" if total.latency_s else ""
    say(
        f"{len(tasks)} threads: {total.calls:,} calls, {total.tokens:,} tokens{patience} at most, "
        f"{money}{went_on}"
    )
    costs = unpriced or bool(total.cost)
    if costs and not asked.yes and sys.stdin.isatty() and sys.stderr.isatty():
        click.confirm("Begin?", abort=True, err=True)


def _nothing() -> Forecast:
    from ..router.budget import NOTHING

    return NOTHING


def _write_outcomes(
    target: Path, states: Path, tasks: Sequence[Task], deployment: Built, how: str
) -> None:
    from ..policies.outcomes import outcome_row
    from ..policies.practice_outcomes import outcomes_of_states
    from ..router.critic.states_file import read_states
    from ..router.tables import json_line
    from .part_file import PartFile

    by_thread: dict[str, Any] = {task.thread_id: task for task in tasks}
    rows = outcomes_of_states(read_states(states), by_thread, deployment.router.plan, how)
    with PartFile(target, {"work": "outcomes of a practice"}) as part:
        part.keep(0)
        part.write(b"".join(json_line(outcome_row(row)) for row in rows))
        part.finish()
