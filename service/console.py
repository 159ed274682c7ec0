"""The two streams of a command: results on stdout, progress and errors on stderr."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from .streams import let_go, print_json

__all__ = ["ProgressLine", "err", "out", "print_json", "progress_bar"]

ProgressLine = Callable[[str, int, int], None]

_PATIENCE_S = 1.0


class _Results(Console):
    """Goes quiet when its reader has gone (`| head`): the command itself ends as it would."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        let_go()


def out() -> Console:
    """Results for people; colors only on a terminal. Texts are shown as they are: no markup."""
    return _Results(highlight=False, markup=False, emoji=False)


def err() -> Console:
    """Progress and errors."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


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
    with contextlib.ExitStack() as shown:

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)
            if time.monotonic() - began < _PATIENCE_S:
                return
            if not console.is_terminal:
                tenth = 10 * done // total if total else 0
                if tenth > written.get(what, 0):
                    written[what] = tenth
                    console.print(f"{what}: {done} of {total}")
            elif not bar.live.is_started:
                shown.enter_context(bar)

        yield report
