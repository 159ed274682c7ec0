"""Where Surefoot keeps what it makes, and what else a build takes from its surroundings."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Places", "Surroundings", "default_places"]


@dataclass(frozen=True, slots=True)
class Places:
    """Folders; none is created before something is written.

    Attributes:
        cache: joined weights and search indexes; safe to delete.
        data: histories.
    """

    cache: Path
    data: Path


def default_places(environment: Mapping[str, str] | None = None) -> Places:
    """Below SUREFOOT_HOME where that is set, else where the platform keeps such files."""
    from platformdirs import user_cache_path, user_data_path

    home = (os.environ if environment is None else environment).get("SUREFOOT_HOME")
    if home:
        # Absolute, or a relative one would mean another folder in every working directory.
        root = Path(home).expanduser().absolute()
        return Places(root / "cache", root / "data")
    return Places(user_cache_path("surefoot"), user_data_path("surefoot"))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a build takes from its surroundings.

    Attributes:
        folder: relative paths of the configuration start here.
        environment: where API keys are looked up.
        progress: called with what is being done, units done and units in all.
    """

    folder: Path = field(default_factory=Path.cwd)
    places: Places = field(default_factory=default_places)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    progress: Callable[[str, int, int], None] | None = None

    def path(self, name: str) -> Path:
        """The file or folder that the configuration calls so; `~` is the user's home."""
        return self.folder / Path(name).expanduser()
