"""`surefoot observe`: what a gate that only watches would have done with recorded traffic."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..router.errors import UsageError
from .common import Choices
from .options import config_option, history_option, json_option

if TYPE_CHECKING:
    from ..adapters.histories import HistoryStore
    from ..policies.observe_report import Observed, ObserveReport, Share
    from ..router.histories import RunFilter

__all__ = ["command"]

_PAGE = 200
_WHEN = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


@click.command("observe", short_help="what a gate that only watches would have done")
@click.option("--tenant", default="default", show_default=True, help="Whose traffic.")
@click.option("--since", type=click.DateTime(_WHEN), help="From this moment on, UTC.")
@click.option("--until", type=click.DateTime(_WHEN), help="Before this moment, UTC.")
@config_option
@history_option
@json_option
def command(
    tenant: str,
    since: datetime | None,
    until: datetime | None,
    config: Path | None,
    history: str | None,
    as_json: bool,
) -> None:
    """Report on runs that `ConfidenceMiddleware(mode="observe", history=...)` has recorded: how
    many answers the gate would have let through, and, where somebody has judged them (`history
    label`, POST /v1/feedback), how many wrong ones it would have caught, and right ones held back.

    \b
    --json prints {"schema", "n", "would", "judged", "wrong_served", "wrong_gated", "wrong_caught",
    "right_held_back", "larger_calls_saved", "cost"}; each share is {"k", "n", "share", "interval"}.
    """
    from datetime import UTC

    from ..router.histories import RunFilter

    where = RunFilter(
        since=None if since is None else since.replace(tzinfo=UTC),
        until=None if until is None else until.replace(tzinfo=UTC),
    )
    report = asyncio.run(_report(Choices(config, None, history), tenant, where))
    if not report.n:
        raise UsageError(
            f"the history holds no observed run of tenant '{tenant}' then; record some with "
            'ConfidenceMiddleware(mode="observe", history=URL)'
        )
    if as_json:
        from .streams import print_json

        print_json({"schema": 1, **asdict(report)})
    else:
        _show(report)


async def _report(choices: Choices, tenant: str, where: RunFilter) -> ObserveReport:
    from ..policies.observe_report import observe_report
    from .history_run import opened_history

    async with opened_history(choices) as history:
        return observe_report([one async for one in _observed(history, tenant, where)])


async def _observed(
    history: HistoryStore, tenant: str, where: RunFilter
) -> AsyncIterator[Observed]:
    from ..policies.observe_report import Observed, observed_run
    from ..router.feedback import settled

    cursor: str | None = None
    while True:
        page = await history.page_of_runs(tenant, where, limit=_PAGE, cursor=cursor)
        for run in page.items:
            would = observed_run(run.result)
            if would is not None:
                label = settled(await history.labels(tenant, run.result.run_id))
                verdict = None if label is None else label.verdict
                yield Observed(would, verdict, run.result.cost)
        cursor = page.cursor
        if cursor is None:
            return


def _show(report: ObserveReport) -> None:
    from rich.table import Table

    from .console import out

    table = Table(title=f"{report.n:,} observed answers", title_justify="left")
    for name in ("the gate would", "answers", "judged"):
        table.add_column(name, justify="left" if name.startswith("the") else "right")
    for action, count in report.would.items():
        table.add_row(action, f"{count:,}", f"{report.judged.get(action, 0):,}")
    console = out()
    console.print(table)
    told: list[tuple[str, Any]] = [
        ("wrong answers that were served", report.wrong_served),
        ("wrong ones among those that the gate would have let through", report.wrong_gated),
        ("wrong answers that it would have held back", report.wrong_caught),
        ("right answers that it would have held back", report.right_held_back),
        ("answers for which no larger model would have been asked", report.larger_calls_saved),
    ]
    for words, share in told:
        console.print(f"{words}: {_words(share)}")
    if not report.judged:
        console.print("nobody has judged any of them: label some with `surefoot history label`")


def _words(share: Share) -> str:
    if share.share is None or share.interval is None:
        return "unknown, nobody has judged any"
    low, high = share.interval
    return f"{share.k:,} of {share.n:,}, {share.share:.1%} [{low:.1%}, {high:.1%}]"
