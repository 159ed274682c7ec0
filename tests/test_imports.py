"""`import surefoot` is cheap, and so is every module below the doors."""

import json
import subprocess
import sys
from typing import TypedDict

import pytest

CPU_LIMIT_S = 0.3
MEMORY_LIMIT_MB = 60

HEAVY = (
    "click",
    "httpx",
    "langchain",
    "langchain_core",
    "langgraph",
    "matplotlib",
    "numpy",
    "pydantic",
    "redis",
    "rich",
    "scipy",
    "selectolax",
    "sklearn",
    "starlette",
    "tantivy",
    "torch",
    "transformers",
    "xllamacpp",
)

# VmHWM and not getrusage's ru_maxrss: the latter starts at the size of the process that forked us,
# which is this test run.
PROBE = """
import importlib, json, sys, time
for name in sys.argv[1:]:
    importlib.import_module(name)
cpu_s = time.process_time()
try:
    with open("/proc/self/status", encoding="ascii") as status:
        peak = [line.split() for line in status if line.startswith("VmHWM:")]
    memory_mb = int(peak[0][1]) / 1024
except OSError:
    import resource
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps({"cpu_s": cpu_s, "memory_mb": memory_mb, "modules": sorted(sys.modules)}))
"""


class Footprint(TypedDict):
    """What one fresh interpreter used for its imports."""

    cpu_s: float
    memory_mb: float
    modules: list[str]


def footprint(*names: str) -> Footprint:
    """Import `names` in a fresh interpreter; its whole CPU time and peak memory, start included."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *names], capture_output=True, text=True, check=True
    )
    told: Footprint = json.loads(done.stdout)
    return told


def heavy_ones(told: Footprint) -> list[str]:
    return [name for name in HEAVY if name in told["modules"]]


def test_import_surefoot_is_cheap() -> None:
    told = footprint("surefoot")
    assert "surefoot" in told["modules"]
    assert heavy_ones(told) == []
    assert told["cpu_s"] <= CPU_LIMIT_S
    assert told["memory_mb"] <= MEMORY_LIMIT_MB


def test_the_probe_sees_what_is_heavy() -> None:
    told = footprint("numpy")
    assert heavy_ones(told) == ["numpy"]
    assert told["memory_mb"] > footprint("sys")["memory_mb"]


@pytest.mark.parametrize("folder", ["router", "policies", "adapters"])
def test_modules_import_heavy_libraries_only_at_use(folder: str) -> None:
    """All modules of a folder at once: none of them pays for a library before it is needed."""
    from importlib import import_module
    from pkgutil import walk_packages

    package = import_module(f"surefoot.{folder}")
    names = [found.name for found in walk_packages(package.__path__, f"{package.__name__}.")]
    assert names
    assert heavy_ones(footprint(*names)) == []


def test_the_command_line_starts_without_the_engines() -> None:
    told = footprint("surefoot.service.cli")
    engines = {"torch", "transformers", "sklearn", "scipy", "matplotlib", "xllamacpp", "langgraph"}
    assert engines.isdisjoint(told["modules"])
