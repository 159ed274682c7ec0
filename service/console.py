"""The two streams of a command: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

__all__ = ["ProgressLine", "err", "out", "print_json", "progress_bar"]

ProgressLine = Callable[[str, int, int], None]

_PATIENCE_S = 1.0


def out() -> Console:
    """Results for people; colors only on a terminal."""
    return Console(highlight=False)


def err() -> Console:
    """Progress and errors."""
    return Console(stderr=True, highlight=False)


def print_json(document: dict[str, Any]) -> None:
    """One JSON document on stdout and nothing else."""
    print(json.dumps(document, ensure_ascii=True, allow_nan=False))


@contextmanager
def progress_bar() -> Iterator[ProgressLine]:
    """A bar on stderr for work that takes longer than a second; nothing for shorter work.

    Off a terminal, a line is written every ten percent instead.
    """
    console = err()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    began = time.monotonic()
    tasks: dict[str, TaskID] = {}
    written: dict[str, int] = {}

    def report(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bar.add_task(what, total=total)
        bar.update(tasks[what], completed=done, total=total)
        if time.monotonic() - began < _PATIENCE_S:
            return
        if console.is_terminal:
            bar.start()
        elif total and (tenth := 10 * done // total) > written.get(what, 0):
            written[what] = tenth
            console.print(f"{what}: {done} of {total}")

    try:
        yield report
    finally:
        bar.stop()
