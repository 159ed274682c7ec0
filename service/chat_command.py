"""`surefoot chat`: many gated answers in one conversation that is remembered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..router.errors import UsageError
from .common import Choices, built
from .options import config_option, docs_option, history_option

if TYPE_CHECKING:
    from rich.console import Console

    from ..graphs.config import Built
    from ..router.decisions import Result

__all__ = ["command"]

_HELP = "/trail shows how the last answer came about, /exit or Ctrl-D ends."
_COMMANDS = ("/trail", "/exit", "/help")


@click.command("chat", short_help="the same, many turns")
@config_option
@docs_option
@history_option
@click.option(
    "--thread", default="chat", show_default=True, help="Name of the conversation to go on with."
)
def command(config: Path | None, docs: Path | None, history: str | None, thread: str) -> None:
    """Talk; earlier turns of the thread are remembered, also from former sessions."""
    from .console import out

    with built(Choices(config, docs, history)) as deployment:
        console = out()
        if console.is_terminal:
            console.print(_HELP, style="dim")
        last: Result | None = None
        for line in _lines():
            if line == "/exit" or console.quiet:
                return
            if line == "/trail":
                _show_trail(console, deployment, last)
            elif line == "/help" or _is_no_command(line):
                console.print(_HELP, style="dim")
            elif line:
                last = _answer(console, deployment, thread, line) or last


def _is_no_command(line: str) -> bool:
    """One word after a slash: rather a command misspelled than a question."""
    return line.startswith("/") and line[1:].isalpha() and line not in _COMMANDS


def _lines() -> Iterator[str]:
    """Lines from the terminal with a prompt, or from a pipe without one."""
    import contextlib
    import io
    import sys

    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # whatever bytes are piped in
    if sys.stdin is None or not sys.stdin.isatty():
        for line in sys.stdin or ():
            yield line.strip()
        return
    with contextlib.suppress(ImportError):  # not on every platform
        import readline  # noqa: F401 - importing it lets `input` edit and recall lines
    while True:
        try:
            yield input("\n> ").strip()
        except EOFError:
            return


def _answer(console: Console, deployment: Built, thread: str, question: str) -> Result | None:
    from ..router.perform import Session
    from .screen import live_text, result_panel
    from .streams import plain

    # Without somebody who watches nothing is released: the policy decides on whole drafts.
    is_watched = console.is_terminal and deployment.router.plan.release_gate is not None
    try:
        with live_text(console) if is_watched else nullcontext() as show:
            session = Session(thread=thread)
            result = deployment.router.ask_sync(question, session=session, on_text=show)
    except UsageError as error:
        console.print(plain(str(error)), style="red")
        return None
    console.print(result_panel(result, deployment.names))
    return result


def _show_trail(console: Console, deployment: Built, last: Result | None) -> None:
    from .screen import show_step

    if last is None:
        console.print("nothing was asked yet", style="dim")
        return
    for step in last.trail:
        show_step(console, step, deployment.names)
