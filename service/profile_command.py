"""`surefoot profile`: which profile decides, which is tried beside it, and the way back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..router.errors import UsageError
from .common import Choices
from .options import config_option, json_option

if TYPE_CHECKING:
    from ..policies.profile_shelf import ProfileShelf, ShelfState

__all__ = ["command", "named"]

_PATH = click.Path(path_type=Path)


@click.group("profile", short_help="which profile decides")
def command() -> None:
    """Profiles in operation, on the shelf that the configuration names (policy.shelf).

    The shelf lies in the Redis of history or cache, where there is one, and all replicas follow it
    within serve.follow_s; else in a file beside the histories. Profiles are named by the first
    letters of their fingerprint.
    """


@command.command("status")
@config_option
@json_option
def status(config: Path | None, as_json: bool) -> None:
    """What is active, what is tried beside it, what came before."""
    _done(_on_shelf(config, lambda shelf: shelf.state()), as_json)


@command.command("add")
@click.argument("file", type=_PATH)
@config_option
@json_option
def add(file: Path, config: Path | None, as_json: bool) -> None:
    """Put the profile FILE on the shelf. It decides nothing before it is promoted."""
    from ..policies.profile import load_profile

    profile = load_profile(file)
    _done(_on_shelf(config, lambda shelf: shelf.add(profile)), as_json)


@command.command("shadow")
@click.argument("name", required=False)
@click.option("--off", is_flag=True, help="Try none any longer.")
@config_option
@json_option
def shadow(name: str | None, off: bool, config: Path | None, as_json: bool) -> None:
    """Try the profile NAME beside the active one: it decides anew on the same drafts, calls
    nothing, changes nothing, and /metrics counts where it would have done the same."""
    if (name is None) != off:
        raise UsageError("name a profile of the shelf, or say --off")

    async def change(shelf: ProfileShelf) -> ShelfState:
        return await shelf.shadow(None if name is None else await named(shelf, name))

    _done(_on_shelf(config, change), as_json)


@command.command("promote")
@click.argument("name")
@click.option("--expect", help="Only if this one is active at the moment.")
@config_option
@json_option
def promote(name: str, expect: str | None, config: Path | None, as_json: bool) -> None:
    """Let the profile NAME decide, on every replica."""

    async def change(shelf: ProfileShelf) -> ShelfState:
        expected = None if expect is None else await named(shelf, expect)
        return await shelf.promote(await named(shelf, name), expected=expected)

    _done(_on_shelf(config, change), as_json)


@command.command("rollback")
@config_option
@json_option
def rollback(config: Path | None, as_json: bool) -> None:
    """Let the profile decide that did before."""
    _done(_on_shelf(config, lambda shelf: shelf.roll_back()), as_json)


@command.command("show")
@click.argument("name")
@click.option("--out", "target", type=_PATH, required=True)
@config_option
def show(name: str, target: Path, config: Path | None) -> None:
    """Write the profile NAME to a file."""
    from ..policies.profile import save_profile

    async def read(shelf: ProfileShelf) -> Any:
        return await shelf.profile(await named(shelf, name))

    save_profile(_on_shelf(config, read), target)


@command.command("compare")
@click.argument("name")
@click.option("--tenant", default="default", show_default=True, help="Whose traffic.")
@click.option("--last", type=click.IntRange(1), default=5000, show_default=True, help="Runs.")
@config_option
@json_option
def compare(name: str, tenant: str, last: int, config: Path | None, as_json: bool) -> None:
    """What the profile NAME would have done with the latest recorded runs, and what audited labels
    say of its risk beside that of the active one.

    \b
    --json prints {"schema", "n", "same", "other", "unknown", "candidate", "active"}; each of the
    last two is {"risk", "interval", "covered", "answered", "cost", "refused"}.
    """
    from .profile_compare_run import compared, show_comparison

    found = asyncio.run(compared(Choices(config), name, tenant, last))
    if as_json:
        from .streams import print_json

        print_json({"schema": 1, **found})
    else:
        show_comparison(found)


def _on_shelf(config: Path | None, work: Callable[[ProfileShelf], Awaitable[Any]]) -> Any:
    from ..graphs.config import Surroundings
    from .common import find_settings
    from .shelf_reading import open_shelf

    settings, folder, _ = find_settings(Choices(config))

    async def run() -> Any:
        async with open_shelf(settings, Surroundings(folder)) as shelf:
            return await work(shelf)

    return asyncio.run(run())


async def named(shelf: ProfileShelf, name: str) -> str:
    """The fingerprint that begins so."""
    known = (await shelf.state()).known
    found = [one for one in known if one.startswith(name.lower())]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(one[:12] for one in known) or "nothing; `surefoot profile add FILE`"
    why = "no profile begins" if not found else "several profiles begin"
    raise UsageError(f"{why} with '{name}'; the shelf holds {listed}")


def _done(state: ShelfState, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        from .streams import print_json

        print_json({"schema": 1, **asdict(state)})
        return
    from .console import out

    console = out()
    console.print(f"active     {_short(state.active)}")
    console.print(f"candidate  {_short(state.candidate)}")
    console.print(f"before     {', '.join(one[:12] for one in state.before) or 'none'}")
    console.print(f"on shelf   {', '.join(one[:12] for one in state.known) or 'none'}")


def _short(fingerprint: str | None) -> str:
    return "none" if fingerprint is None else fingerprint[:12]
