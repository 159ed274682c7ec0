"""Time and memory of `surefoot replay` on a table of a million attempts.

    python benchmarks/replay_million.py [--questions N] [--tiers K] [--folder F]

The promise: 1,000,000 attempts (200,000 questions before 5 tiers) in under 60 seconds and 4 GB on
2 cores, reading, bootstrap intervals and all. The table is drawn from a seed; the profile is fitted
on a small sample of the same world. Memory is that of all processes together, a page that several
of them share counted once; where that cannot be told, the largest process alone.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Measured", "fit_sample", "measure", "write_table"]

_SAMPLE = 400
_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Measured:
    """What a command took, with all processes that it started."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    output: str


def write_table(path: Path, questions: int, tiers: int, seed: int) -> None:
    """Attempts of tiers of which each costs four times as much as the one below it.

    A question's ease is normal and each tier adds to it; an attempt is right with the sigmoid of
    the sum, which its first signal shows with some noise. The second signal is noise alone.
    """
    rng = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for number in range(questions):
            for row in _rows(rng, f"q{number:07}", tiers):
                file.write(json.dumps(row) + "\n")


def _rows(rng: random.Random, query_id: str, tiers: int) -> Iterator[dict[str, object]]:
    ease = rng.gauss(0.0, 1.5)
    for tier in range(tiers):
        p = 1.0 / (1.0 + math.exp(-(ease + 0.7 * tier)))
        yield {
            "query_id": query_id,
            "tier": tier,
            "round": 0,
            "retrieved": False,
            "answer": f"answer {rng.randrange(10**6)}",
            "loss": float(rng.random() >= p),
            "cost": round(4.0**tier * rng.uniform(0.5, 1.5), 6),
            "latency_s": round(rng.uniform(0.1, 2.0), 3),
            "signals": {
                "mean_logprob": min(1.0, max(0.0, p + rng.gauss(0.0, 0.15))),
                "min_token_prob": rng.random(),
            },
            "signal_costs": {},
            "question": f"What is it that question {query_id} asks for, and why?",
            "model": f"model-{tier}",
        }


def fit_sample(folder: Path, tiers: int) -> Path:
    """The profile of a small table of the same world."""
    sample, profile = folder / "sample.jsonl", folder / "profile.json"
    write_table(sample, _SAMPLE, tiers, seed=1)
    fit = _surefoot("fit", str(sample), "--uncertified", "--out", str(profile))
    subprocess.run(fit, check=True, capture_output=True)
    return profile


def measure(command: Sequence[str]) -> Measured:
    """Run a command of surefoot and watch it. Raises CalledProcessError where it fails."""
    before = _cpu_s()
    began = time.monotonic()
    # Files, not pipes: nobody reads while the command runs.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        running = subprocess.Popen(_surefoot(*command), stdout=out, stderr=errors)
        watch = _Watch(running.pid)
        code = running.wait()
        wall_s = time.monotonic() - began
        peak_mb = watch.stop()
        out.seek(0)
        errors.seek(0)
        if code:
            raise subprocess.CalledProcessError(code, running.args, out.read(), errors.read())
        return Measured(wall_s, _cpu_s() - before, peak_mb, out.read())


def _surefoot(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from surefoot.service.cli import main; main()", *arguments]


def _cpu_s() -> float:
    """CPU time of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Watch:
    """Looks at the memory of a process and those that it started, four times a second."""

    def __init__(self, process: int) -> None:
        self._process = process
        self._peak_mb = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """The most it was, in MB."""
        self._ended.set()
        self._thread.join()
        # Without /proc: the largest of all processes that have ended, earlier ones among them.
        largest_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        return self._peak_mb or largest_mb

    def _look(self) -> None:
        while not self._ended.wait(_EVERY_S):
            self._peak_mb = max(self._peak_mb, sum(map(_own_mb, _family(self._process))))


def _family(process: int) -> list[int]:
    """A process and all that it started, where /proc tells."""
    try:
        tasks = Path(f"/proc/{process}/task")
        started = [
            child for task in tasks.iterdir() for child in (task / "children").read_text().split()
        ]
    except OSError:
        return []
    return [process, *[one for child in started for one in _family(int(child))]]


def _own_mb(process: int) -> float:
    """Memory of a process; of pages that it shares its share."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def main() -> None:
    """Print what it took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--questions", type=int, default=200_000)
    parser.add_argument("--tiers", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where the table is kept; else a temporary one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        table = Path(folder) / "outcomes.jsonl"
        write_table(table, given.questions, given.tiers, seed=0)
        profile = fit_sample(Path(folder), given.tiers)
        taken = measure(("replay", str(table), "--profile", str(profile), "--json"))
        size_mb = table.stat().st_size / 2**20
    found = json.loads(taken.output)
    attempts = given.questions * given.tiers
    print(f"{attempts:,} attempts of {given.questions:,} questions, {size_mb:.0f} MB")
    print(f"quality {found['quality']:.4f} at cost {found['cost']:.3f} a question")
    print(f"wall {taken.wall_s:.1f} s, CPU {taken.cpu_s:.1f} s, peak {taken.peak_mb:,.0f} MB")


if __name__ == "__main__":
    main()
