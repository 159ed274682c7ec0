"""What the scripts for other libraries have in common: what an import costs, what a call costs.

Runs inside their environments, so that only the standard library is used.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

__all__ = ["Call", "Record", "Report", "arguments", "cpu_us", "one_call", "resident_mb"]

Record = dict[str, Any]
"""One line of an evidence file."""

Values = Mapping[str, Sequence[Any]]
"""Per measure one number a record."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call into a library, which may give several measures at once.

    Attributes:
        label: as the table of times calls it.
        prepare: from records to what the library's code takes; not part of the time.
        run: the library's code.
    """

    label: str
    prepare: Callable[[Sequence[Record]], Any]
    run: Callable[[Any], Values]


@dataclass(slots=True)
class Report:
    """What a script writes.

    Attributes:
        facts: library, versions, import costs.
        values: per measure one number a record; None where it is not finite or the call raised.
        errors: per measure and record what was raised.
        cpu_us: per label the microseconds of CPU a record in one batch of all records.
        one_call_ms: per label the milliseconds of CPU and of wall clock of a call with one record.
    """

    facts: dict[str, Any]
    values: dict[str, list[float | None]] = field(default_factory=dict)
    errors: dict[str, dict[str, str]] = field(default_factory=dict)
    cpu_us: dict[str, float] = field(default_factory=dict)
    one_call_ms: dict[str, tuple[float, float]] = field(default_factory=dict)

    def value(self, calls: Sequence[Call], records: Sequence[Record]) -> None:
        """Call record by record, so that one that fails does not take the others with it."""
        for number, record in enumerate(records):
            for call in calls:
                try:
                    made = call.run(call.prepare([record]))
                    found = {name: _finite(numbers[0]) for name, numbers in made.items()}
                except Exception as error:  # whatever a library does is what is recorded
                    shown = f"{type(error).__name__}: {error}"
                    self.errors.setdefault(call.label, {})[str(record["id"])] = shown
                    continue
                for name, one in found.items():
                    self.values.setdefault(name, [None] * len(records))[number] = one

    def time(self, calls: Iterable[Call], records: Sequence[Record], repeats: int) -> None:
        """Call with all records at once, several times."""
        for call in calls:
            every, single = call.prepare(records), call.prepare(records[:1])
            self.cpu_us[call.label] = cpu_us(partial(call.run, every), len(records), repeats)
            self.one_call_ms[call.label] = one_call(partial(call.run, single))

    def write(self, path: Path) -> None:
        """As JSON."""
        document = {
            **self.facts,
            "values": self.values,
            "errors": self.errors,
            "cpu_us": self.cpu_us,
            "one_call_ms": self.one_call_ms,
        }
        path.write_text(json.dumps(document), encoding="utf-8")


def _finite(number: Any) -> float | None:
    found = float(number)
    return found if math.isfinite(found) else None


def cpu_us(
    run: Callable[[], object],
    count: int,
    repeats: int,
    before: Callable[[], object] = lambda: None,
) -> float:
    """Microseconds of CPU a record, of the fastest of several calls with `count` records.

    Garbage is collected between the calls, not during them, as `timeit` has it.

    Args:
        before: called before each call; not part of the time.
    """
    run()
    least = math.inf
    for _ in range(repeats):
        before()
        gc.collect()
        gc.disable()
        start = time.process_time()
        run()
        least = min(least, time.process_time() - start)
        gc.enable()
    return least / count * 1e6


def one_call(run: Callable[[], object], repeats: int = 5) -> tuple[float, float]:
    """Milliseconds of CPU and of wall clock, each of the fastest of several calls."""
    run()
    cpu = wall = math.inf
    for _ in range(repeats):
        began, start = time.perf_counter(), time.process_time()
        run()
        cpu = min(cpu, time.process_time() - start)
        wall = min(wall, time.perf_counter() - began)
    return cpu * 1e3, wall * 1e3


def resident_mb() -> float:
    """Memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def arguments(description: str) -> tuple[list[Record], Path, int]:
    """Records, where to write, and how often to time (0: values only), from the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("evidence", type=Path, help="evidence file (JSON Lines)")
    parser.add_argument("out", type=Path, help="where the JSON goes")
    parser.add_argument("--repeats", type=int, default=0, help="time, best of so many; 0: values")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of what is not finite the report tells
    with options.evidence.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines], options.out, options.repeats


if __name__ == "__main__":
    sys.exit("this is a module of run_lmp.py and run_uqlm.py")
