"""Erasing from the history in memory."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from ..router.evidence import Evidence
from ..router.feedback import Feedback
from ..router.histories import Erased, KeptTurn, Scope
from ..router.protocols import RunRecord
from .history_memory_outcomes import Outcomes
from .history_memory_shelf import Shelf

__all__ = ["Shelves", "erase"]


@dataclass(frozen=True, slots=True)
class Shelves:
    """Where things are kept."""

    runs: Shelf[tuple[str, str], RunRecord]
    threads: Shelf[tuple[str, str], deque[tuple[int, KeptTurn]]]
    evidence: Shelf[tuple[str, str, str], Evidence]
    labels: Shelf[tuple[str, str], dict[str, Feedback]]
    outcomes: Outcomes


def erase(
    shelves: Shelves, scope: Scope, limit: int, forget: Callable[[str, str], Counter[str]]
) -> Erased:
    """Erase some `limit` runs of the scope, and after the last one what else there is.

    Args:
        forget: forgets everything of a run but its turn.
    """
    mine = [key for key, _, run in shelves.runs.items() if _is_in(scope, key[0], run)]
    counts: Counter[str] = Counter()
    for tenant, run_id in mine[:limit]:
        counts += forget(tenant, run_id)
    if len(mine) > limit:
        return Erased(dict(counts), is_done=False)
    counts["turns"] += _erase_turns(shelves, scope)
    # What is left without a run: all of the tenant's, or evidence that nobody is known to own.
    left = {
        key[:2]
        for key, _, _ in shelves.evidence.items()
        if key[0] == scope.tenant and shelves.runs.get(key[:2]) is None
    }
    if scope.user is None and scope.thread is None:
        left |= {key for key, _, _ in shelves.labels.items() if key[0] == scope.tenant}
        left |= {
            (scope.tenant, rows[0].query_id) for _, rows in shelves.outcomes.queries(scope.tenant)
        }
    for tenant, run_id in left:
        counts += forget(tenant, run_id)
    return Erased(dict(+counts))


def _is_in(scope: Scope, tenant: str, run: RunRecord) -> bool:
    return (
        tenant == scope.tenant
        and (scope.user is None or run.user == scope.user)
        and (scope.thread is None or run.thread == scope.thread)
    )


def _erase_turns(shelves: Shelves, scope: Scope) -> int:
    erased = 0
    for key, _, turns in list(shelves.threads.items()):
        if key[0] != scope.tenant or scope.thread not in (None, key[1]):
            continue
        left = [one for one in turns if scope.user is not None and one[1].user != scope.user]
        erased += len(turns) - len(left)
        turns.clear()
        turns.extend(left)
        if not left:
            shelves.threads.drop(key)
    return erased
