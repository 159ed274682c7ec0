"""The pure loop takes at most 30 microseconds of CPU an attempt.

A bought signal has its attempt judged once more, so the bound is on what is judged. The least of
many repeats counts: a busy machine makes some of them slow, not all. Where all of them are slow,
since the machine is, so is a yardstick that runs in between; the bound is in its terms.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

LIMIT_US = 30.0
YARDSTICK_US = 47.0
"""What the yardstick takes on the machine of benchmarks/RESULTS.md while nothing else runs."""


@dataclass(frozen=True)
class Mark:
    """A record like those that the loop makes."""

    name: str
    value: float
    rest: tuple[int, ...] = ()


def yardstick_us() -> float:
    """Microseconds of CPU of a fixed piece of Python: records, dicts, tuples and calls."""
    start = time.process_time()
    for _ in range(20):
        known: dict[str, Mark] = {}
        for number in range(100):
            mark = Mark(str(number), number / 2, (number, number + 1))
            known[mark.name] = mark
        assert sum(len(mark.rest) for mark in known.values() if mark.value >= 0.0) == 200
    return (time.process_time() - start) / 20 * 1e6


def benchmark() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "loop_speed.py"
    spec = spec_from_file_location("loop_speed", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SPEED = benchmark()


def is_traced() -> bool:
    """Whether a debugger or a coverage measurement watches every line."""
    coverage = sys.modules.get("coverage")
    measuring = coverage is not None and coverage.Coverage.current() is not None
    return measuring or sys.gettrace() is not None


@pytest.mark.skipif(is_traced(), reason="every line is watched: this would measure the watcher")
@pytest.mark.parametrize("name", list(SPEED.SCENARIOS))
def test_an_attempt_costs_at_most_30_microseconds(name: str) -> None:
    plan = SPEED.SCENARIOS[name]
    judged = SPEED.assessments(SPEED.run_once(plan))
    times: list[float] = []
    yardsticks: list[float] = []
    for _ in range(30):
        times += SPEED.measure(plan, runs=100, repeats=2)
        yardsticks.append(yardstick_us())
    slowness = max(1.0, min(yardsticks) / YARDSTICK_US)
    assert min(times) / judged <= LIMIT_US * slowness


@pytest.mark.parametrize(
    ("name", "requests", "attempts", "judged"),
    [
        ("answer at once", ["draft"], 1, 1),
        ("retrieve, then answer", ["draft", "retrieve", "draft"], 2, 2),
        ("two escalations", ["draft", "draft", "draft"], 3, 3),
        ("buy samples", ["draft", "sample"], 1, 2),
    ],
)
def test_the_scenarios_are_what_they_say(
    name: str, requests: list[str], attempts: int, judged: int
) -> None:
    result = SPEED.run_once(SPEED.SCENARIOS[name])
    assert [step.request.split()[0] for step in result.trail] == requests
    assert (len(result.attempts), SPEED.assessments(result)) == (attempts, judged)
    assert result.action == "answer" and result.confidence == 0.9
