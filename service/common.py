"""What commands share: finding the configuration, building the router, exit codes."""

from __future__ import annotations

import dataclasses
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..router.errors import ConfigurationError, SurefootError, UsageError
from .shelf_reading import active_profile

if TYPE_CHECKING:
    from ..graphs.config import Built, Surroundings
    from ..graphs.settings import Settings

__all__ = [
    "ABSTAINED",
    "BAD_USAGE",
    "FAILED",
    "Choices",
    "built",
    "exit_code",
    "find_settings",
    "opened",
    "show_license_notices",
]

FAILED, BAD_USAGE, ABSTAINED = 1, 2, 4

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)

_LOCAL = "surefoot.toml"


@dataclasses.dataclass(frozen=True, slots=True)
class Choices:
    """What the command line says about the deployment."""

    config: Path | None = None
    docs: Path | None = None
    history: str | None = None


def exit_code(error: SurefootError) -> int:
    """2 for what the caller or the operator can mend, 1 for what the world did.

    A full disk is the world's doing, whatever stumbled over it.
    """
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in _DISK:
        return FAILED
    return BAD_USAGE if isinstance(error, UsageError | ConfigurationError) else FAILED


def find_settings(choices: Choices) -> tuple[Settings, Path, str]:
    """The settings, the folder that their paths start from, and where they came from.

    `--config` wins; then `surefoot.toml` in the working directory; then the shipped demo.
    """
    from ..graphs.config import demo_settings
    from ..graphs.settings import load_settings

    path = choices.config
    if path is None and Path(_LOCAL).is_file():
        path = Path(_LOCAL)
    if path is not None:
        return (
            _overridden(load_settings(path, os.environ), choices),
            path.resolve().parent,
            str(path),
        )
    settings, folder = demo_settings()
    return _overridden(settings, choices), folder, "the shipped demo"


def _overridden(settings: Settings, choices: Choices) -> Settings:
    update: dict[str, object] = {}
    if choices.docs is not None:
        docs = str(choices.docs.absolute())
        searched = {"docs": docs, "langchain": None, "enabled": True}
        update["retrieval"] = settings.retrieval.model_copy(update=searched)
    if choices.history is not None:
        url = _from_here(choices.history)
        update["history"] = settings.history.model_copy(update={"url": url})
    return settings.model_copy(update=update)


def _from_here(url: str) -> str:
    """A database named on the command line lies where the command is given."""
    prefix = "sqlite:///"
    file = url.removeprefix(prefix)
    if file in (url, "", ":memory:"):
        return url
    return f"{prefix}{Path(file).expanduser().absolute()}"


@contextmanager
def built(choices: Choices, *, policy: bool = True) -> Iterator[Built]:
    """The built router; closed at the end, whatever happens. Errors tell which file it came from.

    Args:
        policy: False for work that decides nothing, and must not need a fitted profile.
    """
    found = opened(choices, policy=policy)
    try:
        yield found
    finally:
        found.router.close()


def opened(choices: Choices, *, policy: bool = True, running: Built | None = None) -> Built:
    """The built router, for a caller that closes it on the event loop that it was used on.

    Args:
        policy: as for `built`.
        running: a deployment that this one is to follow, as in `build`.
    """
    from ..graphs.config import Surroundings, build, without_policy
    from .console import progress_bar

    settings, folder, source = find_settings(choices)
    if not policy:
        settings = without_policy(settings)
    with progress_bar() as progress:
        around = Surroundings(folder, progress=progress)
        try:
            active = active_profile(settings, around) if policy else None
            found = build(settings, around, running=running, profile=active)
            show_license_notices(settings, around)
        except ConfigurationError as error:
            error.add_note(f"(configured by {source})")
            raise
    return found


def show_license_notices(settings: Settings, around: Surroundings) -> None:
    """What must be seen before a model's first use, on stderr; each comes once only."""
    from ..graphs.config import license_notices
    from .streams import say

    for notice in license_notices(settings, around):
        say(notice)
