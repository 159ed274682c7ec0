"""What `surefoot score` says of its own work: a summary, and how well the signals tell right."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..router.signals import Unavailable

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ..policies.quality_records import BinnedError, Measured, SignalQuality
    from ..policies.score_tally import Labeled, Tally
    from .score_run import Run

__all__ = ["judged_rows", "metrics_of", "score_document", "show_summary", "write_report"]

_SCHEMA = 1

# Judging a record takes longer than scoring it, so that a summary judges a part of a large file.
_ROWS_OF_SUMMARY, _DRAWS_OF_SUMMARY = 2_500, 200
_ROWS_OF_REPORT = 20_000


def judged_rows(is_report: bool) -> int:
    """How many labeled records are judged at most."""
    return _ROWS_OF_REPORT if is_report else _ROWS_OF_SUMMARY


def metrics_of(labeled: Labeled, seed: int, *, thorough: bool) -> Sequence[SignalQuality]:
    """How well each estimator tells right answers from wrong ones, over the labeled records.

    Args:
        thorough: take as many draws for the intervals as a report is worth.
    """
    from ..policies.signal_quality import judge

    return judge(
        labeled.scores(),
        labeled.labels,
        labeled.groups,
        seed=seed,
        values=labeled.values(),
        reps=None if thorough else _DRAWS_OF_SUMMARY,
    )


def score_document(
    run: Run,
    facts: Mapping[str, Any],
    metrics: Sequence[SignalQuality] | None,
    seconds: float,
) -> dict[str, Any]:
    """The document of `score --json`. Speed is that of the records scored in this very run."""
    new = run.tally.records - run.went_on_after
    return {
        "schema": _SCHEMA,
        **facts,
        "records": run.tally.records + facts["skipped"],
        "scored": run.tally.records,
        "went_on_after": run.went_on_after,
        "labeled": run.labeled.count,
        "estimators": run.tally.document(),
        "metrics": None if metrics is None else _scalars(metrics),
        "seconds": round(seconds, 3),
        "records_per_s": round(new / seconds, 1) if seconds > 0 else None,
    }


def _scalars(metrics: Sequence[SignalQuality]) -> dict[str, Any]:
    """The numbers, without the points of curves and bins: those are for a report's file."""
    from ..policies.quality_records import quality_document

    signals: dict[str, dict[str, Any]] = quality_document(metrics)["signals"]
    for one in signals.values():
        del one["curve"]
        for kind in ("uncalibrated", "calibrated"):
            one[kind].pop("bins", None)
    return signals


def write_report(metrics: Sequence[SignalQuality], folder: Path) -> None:
    """Write `signals.json` and the plots into the folder.

    Raises:
        MissingExtra: matplotlib is not installed.
        StoreError: the folder cannot be written.
    """
    from ..policies.quality_records import quality_document
    from ..policies.signal_plots import plot_signals
    from ..router.tables import write_atomically

    text = json.dumps(quality_document(metrics), indent=1, allow_nan=False) + "\n"
    write_atomically(folder / "signals.json", text)
    plot_signals(metrics, folder)


def show_summary(
    run: Run,
    metrics: Sequence[SignalQuality] | None,
    target: Path | None,
    report: Path | None,
    seconds: float,
) -> None:
    """Tables for people: on stdout, or on stderr where the signals themselves went to stdout."""
    from .console import err, out

    if target is None and metrics is None:
        return
    console = err() if target is None else out()
    if target is not None:
        console.print(availability_table(run.tally))
    if metrics is not None:
        console.print(quality_table(metrics, len(run.labeled)))
    if target is not None:
        many = f"{run.tally.records:,} record{'s' * (run.tally.records != 1)}"
        console.print(f"{many} scored in {seconds:.1f} s: {target}")
    if report is not None:
        console.print(f"report: {report}")


def availability_table(tally: Tally) -> RenderableType:
    """How many records each estimator could be read on, and the usual reason why not."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from .streams import plain

    table = Table("estimator")
    table.add_column("records", justify="right")
    table.add_column("not available on others because of")
    nowhere: dict[str, list[str]] = {}
    for name in tally.names:
        reasons = tally.reasons.get(name)
        first = plain(reasons.most_common(1)[0][0]) if reasons else ""
        if tally.available[name]:
            table.add_row(Text(name), f"{tally.available[name]:,}", Text(first))
        else:
            nowhere.setdefault(first, []).append(name)
    lines = [
        Text(f"nowhere available ({why}): {', '.join(names)}", style="dim")
        for why, names in nowhere.items()
        if why
    ]
    return Group(table, *lines) if table.row_count else Group(*lines)


def quality_table(metrics: Sequence[SignalQuality], n: int) -> RenderableType:
    """How well each signal tells right from wrong, the best first."""
    from rich.table import Table
    from rich.text import Text

    words = "AUROC with its 95 % interval, ECE after cross-fitted calibration"
    table = Table(title=f"{n:,} labeled records: {words}", title_justify="left")
    table.add_column("estimator", no_wrap=True)
    for name in ("n", "AUROC", "PRR", "ECE"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in metrics:
        if not one.n:
            continue  # the table above says why
        fitted = one.calibrated
        error = fitted if isinstance(fitted, Unavailable) else fitted.ece
        numbers = (_number(one.auroc) + _interval(one.auroc), _number(one.prr), _number(error))
        table.add_row(Text(one.name), f"{one.n:,}", *numbers)
    return table


def _number(found: Measured | BinnedError | Unavailable) -> str:
    return "-" if isinstance(found, Unavailable) else f"{found.value:.3f}"


def _interval(found: Measured | Unavailable) -> str:
    if isinstance(found, Unavailable) or found.interval is None:
        return ""
    low, high = found.interval
    return f" [{low:.3f}, {high:.3f}]"
