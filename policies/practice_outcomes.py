"""An outcome table from the states of a practice: what `fit` needs for thresholds by round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..router.critic.states import StateRecord
from ..router.errors import UsageError
from ..router.plan import Plan
from .outcomes import Outcome
from .practicing import Task
from .questions import is_right
from .recording import row_facts

__all__ = ["check_outcomes_hold", "outcomes_of_states"]


def check_outcomes_hold(plan: Plan, tiers: int) -> None:
    """Whether rows of these threads say what a gate would meet.

    Where the next query comes from the tier that drafted, a higher tier that takes over meets what
    a lower one has found, and not what it found itself in its own practice.

    Raises:
        UsageError: several tiers practiced with queries of their own; says what to do.
    """
    if tiers > 1 and plan.retrieval is not None and plan.retrieval.queries != "question":
        raise UsageError(
            "--outcomes: with several tiers, rows of later rounds hold only where all search for "
            'the same; set retrieval.queries = "question", or practice one tier with --tier'
        )


def outcomes_of_states(
    records: Iterable[StateRecord], tasks: Mapping[str, Task], plan: Plan, how: str
) -> Iterator[Outcome]:
    """One row a state: (query, tier, round), with the free signals that were read.

    The loss is 0 where the whole answer holds an accepted one, as `record` judges. The cost is that
    of the draft and of the query that led to it.

    Args:
        tasks: by thread id; states of other threads are left out.
        how: fingerprint of prompts and signal settings.
    """
    for record in records:
        task = tasks.get(record.thread_id)
        if task is None:
            continue
        state, extra = record.state, record.extra
        facts: dict[str, Any] = row_facts(
            plan, how, task.question, task.tier, extra.get("finish_reason")
        )
        facts["bought"] = []  # nothing is bought in a practice
        right = bool(state.answer) and is_right(state.answer, task.question.answers)
        yield Outcome(
            task.question.id,
            task.tier,
            state.round,
            state.round > 0,
            state.answer,
            0.0 if right else 1.0,
            float(extra.get("cost", 0.0)),
            extra.get("latency_s"),
            dict(extra.get("signals", {})),
            {},
            state.question,
            plan.tiers[task.tier].model,
            facts,
        )
