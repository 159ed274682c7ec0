"""The history that a configuration names."""

from __future__ import annotations

from ..adapters.histories import HistoryStore, Retention, open_history
from .places import Surroundings
from .settings import Settings

__all__ = ["configured_history", "history_url"]

_SQLITE = "sqlite:///"


def configured_history(settings: Settings, around: Surroundings) -> HistoryStore | None:
    """The history, not reached for yet; None where nothing is remembered.

    Raises:
        ConfigurationError: the URL names no history.
    """
    url, wanted = history_url(settings, around), settings.history
    if url is None:
        return None
    return open_history(url, Retention(wanted.ttl_s, wanted.max_turns, wanted.max_runs))


def history_url(settings: Settings, around: Surroundings) -> str | None:
    """The URL of the history with its path made absolute; None where nothing is remembered.

    A relative database lies beside the configuration, whatever the working directory.
    """
    url = settings.history.url
    if url == "none":
        return None
    if url is None:
        return f"{_SQLITE}{around.places.data / 'history.db'}"
    file = url.removeprefix(_SQLITE)
    if file in (url, "", ":memory:"):  # no file, or a mistake that `open_history` explains
        return url
    return f"{_SQLITE}{around.path(file)}"
