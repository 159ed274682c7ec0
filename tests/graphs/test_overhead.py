"""The graph's price in CPU time, measured by the benchmark that the documents name."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "graph_overhead.py"
TRIES = 5


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("graph_overhead", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module


async def test_the_graph_adds_at_most_a_millisecond_of_cpu() -> None:
    """A busy machine may disturb a try, never all of them; what is too slow fails each.

    The median run is held against the idle graph's own slowdown in the same try.
    """
    benchmark = load()
    tries = []
    for _ in range(TRIES):
        found = await benchmark.measure(200)
        tries.append((found.least, found.median / found.slowdown))
        if max(tries[-1]) <= benchmark.LIMIT_MS:
            return
    raise AssertionError(f"ms over the idle graph (least, median): {tries}")
