"""Where Surefoot keeps what it makes: weights, indexes and histories of one user."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Places", "default_places"]


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
        return Places(Path(home) / "cache", Path(home) / "data")
    return Places(user_cache_path("surefoot"), user_data_path("surefoot"))
