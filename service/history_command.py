"""`surefoot history`: what is remembered, taken out, put in, labeled and erased."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..router.errors import UsageError
from ..router.histories import Scope
from .common import Choices
from .options import config_option, history_option, json_option

if TYPE_CHECKING:
    from ..router.feedback import BinCount, Correctness

__all__ = ["command"]

_PATH = click.Path(path_type=Path)

_tenant = click.option("--tenant", default="default", show_default=True, help="Whose history.")
_user = click.option("--user", help="Only what belongs to this user of the tenant.")
_thread = click.option("--thread", help="Only what belongs to this conversation.")


@click.group("history", short_help="export, import, label or erase what is remembered")
def command() -> None:
    """The history of runs: what is remembered, taken out, put in, labeled and erased."""


@command.command("export")
@click.option("--out", "target", type=_PATH, required=True, help="File of lines.")
@_tenant
@_user
@_thread
@config_option
@history_option
@json_option
def export(
    target: Path,
    tenant: str,
    user: str | None,
    thread: str | None,
    config: Path | None,
    history: str | None,
    as_json: bool,
) -> None:
    """Write a tenant's runs, turns, labels and outcomes as JSON Lines, or those of one user or
    conversation. `history import` reads them into any history.

    --json prints {"schema", "out", "lines": {kind: count}}.
    """
    from .history_run import export_scope

    scope = Scope(tenant, user, thread)
    counts = asyncio.run(export_scope(Choices(config, None, history), scope, target))
    _tell(as_json, {"out": str(target), "lines": counts}, f"{_words(counts)} in {target}")


@command.command("import")
@click.argument("file", type=_PATH)
@_tenant
@click.option("--signal", help="Of an outcome table, whose value the confidence is.")
@config_option
@history_option
@json_option
def import_(
    file: Path,
    tenant: str,
    signal: str | None,
    config: Path | None,
    history: str | None,
    as_json: bool,
) -> None:
    """Read FILE into the history: an export, or an outcome table whose rows then count for
    `history correctness`. What is known already stays as it is.

    --json prints {"schema", "file", "lines": {kind: count}}.
    """
    from .history_run import import_file

    counts = asyncio.run(import_file(Choices(config, None, history), file, tenant, signal))
    _tell(as_json, {"file": str(file), "lines": counts}, f"{_words(counts)} from {file}")


@command.command("erase")
@_tenant
@_user
@_thread
@click.option("--all", "everything", is_flag=True, help="Everything of the tenant.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@history_option
@json_option
def erase(
    tenant: str,
    user: str | None,
    thread: str | None,
    everything: bool,
    yes: bool,
    config: Path | None,
    history: str | None,
    as_json: bool,
) -> None:
    """Erase a user's data, a conversation, or all of a tenant, for good.

    --json prints {"schema", "erased": {kind: count}}.
    """
    from .history_run import erase_scope

    scope = Scope(tenant, user, thread)
    if everything == (user is not None or thread is not None):
        raise UsageError("name what goes: one of --user, --thread and --all")
    whose = f"tenant '{tenant}'"
    if not everything:
        kind, name = ("user", user) if user is not None else ("thread", thread)
        whose = f"{kind} '{name}' of {whose}"
    if not yes:
        click.confirm(f"Erase everything of {whose}?", abort=True, err=True)
    counts = asyncio.run(erase_scope(Choices(config, None, history), scope))
    _tell(as_json, {"erased": counts}, f"erased of {whose}: {_words(counts)}")


@command.command("label")
@click.argument("run_id")
@click.argument("verdict", type=click.Choice(["right", "wrong", "corrected"]))
@click.option("--correction", help="The right answer; with `corrected`.")
@click.option("--by", default="", help="Who says so: a pseudonym.")
@_tenant
@config_option
@history_option
def label(
    run_id: str,
    verdict: str,
    correction: str | None,
    by: str,
    tenant: str,
    config: Path | None,
    history: str | None,
) -> None:
    """Say whether the answer of a run was right. The latest verdict holds."""
    import uuid
    from datetime import UTC, datetime
    from typing import cast

    from ..router.feedback import Feedback, Verdict
    from .history_run import keep_label
    from .streams import say

    said = cast(Verdict, verdict)
    at = datetime.now(UTC).isoformat()
    feedback = Feedback(uuid.uuid4().hex, run_id, said, correction, by, at)
    asyncio.run(keep_label(Choices(config, None, history), tenant, feedback))
    say(f"run {run_id}: {verdict}")


@command.command("correctness")
@_tenant
@config_option
@history_option
@json_option
def correctness(tenant: str, config: Path | None, history: str | None, as_json: bool) -> None:
    """How often each model was right on each rung, by the confidence that it was said with.

    --json prints {"schema", "tenant", "models": [{"model", "tier", "round", "retrieved", "n",
    "right", "bins": [[n, right] ten times, from [0, .1) to [.9, 1]], "unsure": [n, right]}]}.
    """
    from .history_run import correctness_of
    from .streams import print_json

    found = asyncio.run(correctness_of(Choices(config, None, history), tenant))
    if as_json:
        models = [_correctness_document(one) for one in found]
        print_json({"schema": 1, "tenant": tenant, "models": models})
        return
    from .console import out

    out().print(_correctness_table(found) if found else "no outcome is kept; `history import` one")


def _correctness_document(one: Correctness) -> dict[str, Any]:
    total, rung = _total(one), one.rung
    return {
        "model": one.model,
        "tier": rung.tier,
        "round": rung.round,
        "retrieved": rung.retrieved,
        "n": total[0],
        "right": total[1],
        "bins": [_pair(each) for each in one.bins],
        "unsure": _pair(one.unsure),
    }


def _correctness_table(found: Any) -> Any:
    from rich.table import Table

    table = Table("model", "tier", "round", "passages", "n", "right", "share by confidence, 0 to 1")
    for one in found:
        n, right = _total(one)
        shares = " ".join(f"{each.ok / each.n:.2f}" if each.n else "-" for each in one.bins)
        rung = one.rung
        shown = "yes" if rung.retrieved else "no"
        cells = (one.model, rung.tier, rung.round, shown, n, f"{right / n:.3f}", shares)
        table.add_row(*(str(cell) for cell in cells))
    return table


def _total(one: Correctness) -> tuple[int, int]:
    every = (*one.bins, one.unsure)
    return sum(each.n for each in every), sum(each.ok for each in every)


def _pair(count: BinCount) -> list[int]:
    return [count.n, count.ok]


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "nothing"


def _tell(as_json: bool, document: Mapping[str, Any], words: str) -> None:
    from .streams import print_json, say

    if as_json:
        plain = {
            name: dict(value) if isinstance(value, Counter) else value
            for name, value in document.items()
        }
        print_json({"schema": 1, **plain})
    else:
        say(words)
