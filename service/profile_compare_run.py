"""What `surefoot profile compare` does: a candidate beside the active profile, on recorded runs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ..router.errors import UsageError
from .common import Choices, find_settings

if TYPE_CHECKING:
    from ..adapters.histories import HistoryStore
    from ..policies.outcomes import OutcomeTable
    from ..policies.profile import Profile
    from ..router.protocols import RunRecord

__all__ = ["compared", "show_comparison"]

_PAGE = 200


async def compared(choices: Choices, name: str, tenant: str, last: int) -> dict[str, Any]:
    """The comparison as plain values.

    Raises:
        UsageError: there is no such profile, or no run that was decided and not repeated.
    """
    from ..graphs.config import Surroundings
    from ..policies.outcomes import OutcomeTable
    from ..policies.run_rows import outcome_of_row, rows_of_run
    from ..policies.shadow import Shadow
    from ..router.budget import Budget
    from .history_run import opened_history
    from .profile_command import named
    from .shelf_reading import open_shelf

    settings, folder, _ = find_settings(choices)
    async with open_shelf(settings, Surroundings(folder)) as shelf:
        state = await shelf.state()
        candidate = await shelf.profile(await named(shelf, name))
        active = None if state.active is None else await shelf.profile(state.active)
    names = tuple(tier.name for tier in settings.tiers)
    shadow = Shadow(candidate, names, Budget(max_rounds=settings.budget.rounds))
    counts, queries = Counter[str](), {}
    async with opened_history(choices) as history:
        for run in await _runs(history, tenant, last):
            verdict = shadow.verdict(run.result)
            if verdict is None:
                continue
            counts[verdict.in_a_word] += 1
            labels = await history.labels(tenant, run.result.run_id)
            rows = [outcome_of_row(row) for row in rows_of_run(run, labels, names)]
            queries[run.result.run_id] = {row.rung: row for row in rows}
    if not queries:
        raise UsageError(f"the history holds no run of tenant '{tenant}' with a draft; serve some")
    table = OutcomeTable(queries)
    rounds = settings.budget.rounds
    return {
        "n": len(queries),
        **{word: counts[word] for word in ("same", "other", "unknown")},
        "candidate": _judged(table, candidate, rounds),
        "active": None if active is None else _judged(table, active, rounds),
    }


async def _runs(history: HistoryStore, tenant: str, last: int) -> list[RunRecord]:
    found: list[RunRecord] = []
    cursor: str | None = None
    while len(found) < last:
        page = await history.page_of_runs(tenant, limit=min(_PAGE, last), cursor=cursor)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            break
    return found[:last]


def _judged(table: OutcomeTable, profile: Profile, rounds: int) -> dict[str, Any]:
    """Risk of the gated answers by the audited labels, weighed by their propensities.

    Questions that the runs do not cover count as answered wrongly: no choice of questions flatters.
    """
    from ..policies.off_policy_report import off_policy_report
    from ..router.risk.targets import RiskTarget

    target = RiskTarget("selective", 0.1, 0.1)
    try:
        report = off_policy_report(
            table, profile, target, prior=profile.prior, rounds=rounds, tolerance=1.0
        )
    except UsageError as error:
        return _values(None, str(error))
    return _values(report, report.refused)


def _values(report: Any, refused: str | None) -> dict[str, Any]:
    estimate = None if report is None else report.estimate
    return {
        "risk": None if estimate is None else estimate.risk,
        "interval": None if estimate is None else list(estimate.interval),
        "covered": None if report is None else report.covered,
        "answered": None if report is None else report.answered,
        "cost": None if report is None else report.cost,
        "refused": refused,
    }


def show_comparison(found: dict[str, Any]) -> None:
    """For people."""
    from .console import out

    console = out()
    console.print(
        f"{found['n']:,} runs: the candidate would have done the same on {found['same']:,}, "
        f"otherwise on {found['other']:,}; of {found['unknown']:,} nobody knows, since it would "
        "have gone another way",
        soft_wrap=True,
    )
    for who in ("candidate", "active"):
        one = found[who]
        if one is None:
            console.print(f"{who}: none")
        elif one["risk"] is None:
            console.print(f"{who}: no estimate: {one['refused'] or 'no audited label'}")
        else:
            low, high = one["interval"]
            console.print(
                f"{who}: risk of gated answers {one['risk']:.3f} [{low:.3f}, {high:.3f}], covers "
                f"{one['covered']:.1%} of the runs",
                soft_wrap=True,
            )
