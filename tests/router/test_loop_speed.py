"""The pure loop takes at most 30 microseconds of CPU an attempt.

A bought signal has its attempt judged once more, so the bound is on what is judged. The least of
many repeats counts: a busy machine makes some of them slow, not all.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

LIMIT_US = 30.0


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
    least = min(time for _ in range(3) for time in SPEED.measure(plan, runs=100, repeats=20))
    assert least / judged <= LIMIT_US


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
