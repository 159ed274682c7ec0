"""States from runs that exist already: a file of another system, or the history."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..router.errors import UsageError
from .common import Choices, find_settings
from .practice_run import Asked, Done, questions_of, write_states

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..router.critic.states import StateRecord
    from ..router.protocols import RunRecord

__all__ = ["states_of_history", "states_of_runs"]

_MOST_RUNS = 1_000_000


def states_of_runs(asked: Asked, runs: Path) -> Done:
    """From a file of recorded runs.

    Raises:
        BadInput: a line is no such run.
        StoreError: the states cannot be written.
    """
    from ..router.critic.recorded_runs import read_recorded_runs
    from ..router.critic.run_states import Gold

    began = time.monotonic()
    known = () if asked.questions is None else questions_of(asked)
    gold = {one.id: Gold(one.answers, one.gold_titles) for one in known}
    return _written(list(read_recorded_runs(runs, gold)), asked, began)


def states_of_history(asked: Asked, choices: Choices, tenant: str) -> Done:
    """From the runs of a tenant that the configured history keeps, oldest first.

    Raises:
        UsageError: no history is configured, or it keeps no run of the tenant.
        StoreError: it cannot be read, or the states cannot be written.
    """
    from ..router.critic.run_states import Gold, states_of_result
    from ..router.text import question_key

    began = time.monotonic()
    known = () if asked.questions is None else questions_of(asked)
    gold = {question_key(one.question): Gold(one.answers, one.gold_titles) for one in known}
    settings, _, source = find_settings(choices)
    models = [tier.model for tier in settings.tiers]
    found: list[StateRecord] = []
    for run in reversed(_runs(choices, tenant)):
        result = run.result
        if not result.recognized:  # what was served again was drafted in another run
            right = gold.get(question_key(result.question), Gold())
            found += states_of_result(result, right, models=models)
    if not found:
        raise UsageError(f"the history of tenant '{tenant}' ({source}) keeps no draft")
    return _written(found, asked, began)


def _runs(choices: Choices, tenant: str) -> Sequence[RunRecord]:
    import asyncio

    from .history_run import opened_history

    async def read() -> Sequence[RunRecord]:
        async with opened_history(choices) as history:
            return await history.runs(tenant, _MOST_RUNS)

    return asyncio.run(read())


def _written(records: list[StateRecord], asked: Asked, began: float) -> Done:
    from ..router.critic.run_states import without_duplicates

    kept, left_out = without_duplicates(records)
    write_states(kept, asked.target)
    threads = len({record.thread_id for record in kept})
    seconds = time.monotonic() - began
    return Done(threads, len(kept), 0, left_out, 0, 0, 0.0, str(asked.target), None, seconds)
