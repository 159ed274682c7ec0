"""The command line: `surefoot COMMAND`. Each command lives in a module of its own.

Exit codes: 0 done, 1 failed, 2 bad usage or bad input, 3 not certifiable (`fit`, `evaluate`) or
revoked (`monitor`), 4 abstained (`ask` only), 130 interrupted.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence

import click

from ..router.errors import SurefootError
from .common import FAILED, exit_code
from .streams import give_up, say, show_any_text

__all__ = ["cli", "main"]

_COMMANDS = {
    "ask": "one gated answer, with the decision trail",
    "chat": "the same, many turns, with history",
    "serve": "an OpenAI-compatible service with gated answers",
    "decide": "what the policy would do with drafts that you already have",
    "score": "signals for recorded answers: one line of numbers for each",
    "estimators": "what can be read from an answer, what it needs and costs",
    "record": "draft every rung for a question set: the outcome table that `fit` reads",
    "fit": "calibrate, choose and certify a policy from recorded outcomes",
    "fit-steps": "when to stop a long draft at its first weak step",
    "fit-live": "when a draft may be shown while it is written",
    "replay": "a policy over recorded outcomes, beside simple rules",
    "profile": "which profile decides: add, shadow, compare, promote, roll back",
    "monitor": "whether a certificate still holds, from logged traffic",
    "evaluate": "a candidate profile, judged from logged traffic",
    "next-labels": "which drafts to label next",
    "practice": "states for the critic, made by your own models and retriever",
    "critic": "train, recalibrate or evaluate the local critic",
    "history": "export, import, label or erase what is remembered",
    "model-server": "a local model behind OpenAI's HTTP interface",
    "observe": "what a gate that only watches would have done",
    "doctor": "what is configured, reachable and fitted",
}
_INTERRUPTED = 130


class _Commands(click.Group):
    """Imports a command when it is used, so that `--help` and errors come at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module = f".{name.replace('-', '_')}_command"
        command = importlib.import_module(module, __package__).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
        if near and args[0] not in _COMMANDS:
            raise click.UsageError(f"No such command '{args[0]}'; did you mean '{near[0]}'?", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(
    cls=_Commands,
    help="Answer, retrieve, escalate or abstain: confidence-gated routing for LLM applications.",
)
@click.version_option(package_name="surefoot", message="surefoot %(version)s")
def cli() -> None:
    """Set by the decorator above."""


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with the right code."""
    show_any_text()
    sys.exit(_run(args))


def _run(args: Sequence[str] | None) -> int:
    try:
        code = cli.main(args, prog_name="surefoot", standalone_mode=False)
    except SurefootError as error:
        say(" ".join([str(error), *getattr(error, "__notes__", ())]))
        return exit_code(error)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        say("interrupted; what was finished is kept")
        return _INTERRUPTED
    except OSError as error:
        # Files and networks raise errors of ours: this one comes from writing the results.
        give_up(error)
        return FAILED
    return code if isinstance(code, int) else 0
