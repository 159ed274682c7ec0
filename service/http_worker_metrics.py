"""The numbers of all workers, whichever of them is asked.

Each worker writes what it has counted into a folder that they share, and adds the others' to its
own when somebody looks. Of a worker that has died the counters still count, as they stood at most
some seconds before, and its gauges do not.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector, CollectorRegistry

__all__ = ["WorkerNumbers", "is_alive", "publishing"]

_ADDED_OF_THE_DEAD = ("counter", "histogram")
_STATES = ("surefoot_breaker_state",)  # the worst of all, not their sum
_EVERY_S = 1.0


@asynccontextmanager
async def publishing(
    numbers: WorkerNumbers | None, text: Callable[[], bytes]
) -> AsyncIterator[None]:
    """Write this worker's numbers again and again while the block runs."""
    if numbers is None:
        yield
        return
    running = asyncio.create_task(_publish(numbers, text))
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait({running})


async def _publish(numbers: WorkerNumbers, text: Callable[[], bytes]) -> None:
    while True:
        with contextlib.suppress(OSError):  # a full disk is no reason not to serve
            numbers.write(text())
        await asyncio.sleep(_EVERY_S)


def is_alive(process: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


class WorkerNumbers:
    """The numbers of one worker beside those of the others.

    Args:
        folder: that the workers share, and nobody else.
        me: this process's id.
        is_alive: whether a process is.
    """

    def __init__(self, folder: Path, me: int, is_alive: Callable[[int], bool]) -> None:
        self._folder = folder
        self._me = me
        self._is_alive = is_alive

    def write(self, text: bytes) -> None:
        """Let the others know what this one has counted; raises OSError where it cannot."""
        made = self._folder / f"{self._me}.new"
        made.write_bytes(text)
        os.replace(made, self._folder / f"{self._me}.prom")

    def summed(self, text: bytes) -> bytes:
        """This one's numbers and the others', by name and labels."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Sum([(text.decode(), True), *self._others()]))
        return generate_latest(registry)

    def _others(self) -> Iterator[tuple[str, bool]]:
        for file in sorted(self._folder.glob("*.prom")):
            if file.stem != str(self._me):
                yield file.read_text(encoding="utf-8"), self._is_alive(int(file.stem))


class _Sum(Collector):
    def __init__(self, texts: list[tuple[str, bool]]) -> None:
        self._texts = texts

    def collect(self) -> Iterator[Metric]:
        """The families, each sample added up."""
        families: dict[str, Metric] = {}
        sums: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        for text, is_alive in self._texts:
            for family in text_string_to_metric_families(text):
                if family.name.endswith("_created"):
                    continue
                families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                counts = is_alive or family.type in _ADDED_OF_THE_DEAD
                into = sums.setdefault(family.name, {})
                for sample in family.samples:
                    if counts:
                        key = (sample.name, tuple(sample.labels.items()))
                        known = into.get(key, 0.0)
                        is_state = family.name in _STATES
                        into[key] = max(known, sample.value) if is_state else known + sample.value
        for name, family in families.items():
            for (sample_name, labels), value in sums[name].items():
                family.add_sample(sample_name, dict(labels), value)
            yield family
