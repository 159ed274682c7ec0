"""What the history commands do."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..router.errors import UsageError
from ..router.histories import Scope
from .common import Choices, find_settings
from .part_file import PartFile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..adapters.histories import HistoryStore
    from ..router.feedback import Correctness, Feedback

__all__ = [
    "correctness_of",
    "erase_scope",
    "export_scope",
    "import_file",
    "keep_label",
    "opened_history",
]


@asynccontextmanager
async def opened_history(choices: Choices) -> AsyncIterator[HistoryStore]:
    """The configured history; closed at the end.

    Raises:
        UsageError: none is configured.
    """
    from ..graphs.places import Surroundings
    from ..graphs.remembering import configured_history

    settings, folder, source = find_settings(choices)
    history = configured_history(settings, Surroundings(folder))
    if history is None:
        raise UsageError(f"{source} configures no history; set history.url")
    try:
        yield history
    finally:
        await history.aclose()


async def export_scope(choices: Choices, scope: Scope, target: Path) -> Counter[str]:
    """Write all that the scope names; how many lines of each kind.

    Raises:
        StoreError: the history cannot be read, or the file not be written.
    """
    from ..adapters.history_export import export_history
    from ..router.tables import json_line

    counts: Counter[str] = Counter()
    async with opened_history(choices) as history:
        with PartFile(target, {"work": "history export"}) as part:
            part.keep(0)
            async for line in export_history(history, scope):
                part.write(json_line(line))
                counts[line["kind"]] += 1
            part.finish()
    return counts


async def import_file(
    choices: Choices, file: Path, tenant: str, signal: str | None
) -> Counter[str]:
    """Put the lines of a file into the history; how many of each kind.

    Raises:
        BadInput: names file, line and field; what came before is kept.
        StoreError: the history cannot be written.
    """
    from ..adapters.history_export import Importer
    from ..router.tables import read_lines

    async with opened_history(choices) as history:
        return await Importer(history, tenant, signal).take(read_lines(file), str(file))


async def erase_scope(choices: Choices, scope: Scope) -> Counter[str]:
    """Erase all that the scope names; how much of what.

    Raises:
        StoreError: the history cannot be written; what was erased stays erased.
    """
    counts: Counter[str] = Counter()
    async with opened_history(choices) as history:
        while True:
            erased = await history.erase(scope)
            counts.update(erased.counts)
            if erased.is_done:
                return counts


async def keep_label(choices: Choices, tenant: str, feedback: Feedback) -> bool:
    """Keep what is said of a run; False where the same was said before.

    Raises:
        StoreError: the history cannot be written.
    """
    async with opened_history(choices) as history:
        return await history.label(tenant, feedback)


async def correctness_of(choices: Choices, tenant: str) -> Sequence[Correctness]:
    """How often each model was right on each rung.

    Raises:
        StoreError: the history cannot be read.
    """
    async with opened_history(choices) as history:
        return await history.correctness(tenant)
