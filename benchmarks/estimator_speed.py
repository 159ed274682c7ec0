"""What estimators cost in CPU time, ours and two other libraries' from the same run.

    python benchmarks/estimator_speed.py [--uqlm PYTHON] [--lmp PYTHON] [--json FILE]

Made-up records (top-20 alternatives, 5 tokens, M = 5 samples, NLI and similarities given) are read
from a file and timed as one batch of 1,000: microseconds of CPU a record, best of several. What is
promised: the token-level estimators without TokenSAR and CCP take at most 60 microseconds a record;
everything on given samples and matrices 1.5 milliseconds; `surefoot score` reads the token-level
set from file to file at 1,500 records a second. The other libraries get the numbers that their
models would have supplied; neither NLI nor embeddings are in anyone's times.

Each library goes into an environment of its own. torch goes in first, so that the CPU build stays:

    python3.11 -m venv lmp && lmp/bin/pip install -U pip && lmp/bin/pip install torch==2.13.0
    lmp/bin/pip install lm-polygraph==0.7.0
    python3.11 -m venv uqlm && uqlm/bin/pip install -U pip && uqlm/bin/pip install torch==2.13.0
    uqlm/bin/pip install uqlm==0.6.7 'pyarrow<21'

(uqlm asks for numpy below 2, and pip pairs it with a pyarrow that wants numpy 2.) Without them only
our own figures are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from peers.counterparts import LMP, UQLM, at_once
from peers.measuring import cpu_us, one_call
from peers.synthetic import Shape, records

from surefoot.router.estimators.catalogue import CATALOGUE, estimator
from surefoot.router.evidence import Evidence
from surefoot.router.evidence_file import EvidenceFile
from surefoot.router.protocols import Estimator
from surefoot.router.reading import read_signals

__all__ = [
    "LIMITS",
    "alone",
    "estimator_sets",
    "forget",
    "read_evidence",
    "together",
    "write_evidence",
]

LIMITS = {"token level": 60.0, "samples and matrices": 1500.0}
"""Microseconds of CPU a record that a set may take."""

_LEAST_RATE = 1500.0  # records a second, file to file
_HERE = Path(__file__).parent
_ONE_CALL = ("perplexity", "exact_match", "semantic_entropy", "eigv_jaccard", "lexical_similarity")
_IMPORT = (
    "import time; began = time.process_time(); import surefoot; "
    "from surefoot.router.estimators.catalogue import CATALOGUE; "
    "cost = time.process_time() - began; from peers.measuring import resident_mb; "
    "print(cost, resident_mb())"
)


def write_evidence(path: Path, count: int, *, greedy_only: bool = False) -> None:
    """An evidence file of made-up records, with samples and matrices or without."""
    kept = ("id", "question", "greedy")
    with path.open("w", encoding="utf-8") as file:
        for record in records(count, Shape()):
            shown = {name: record[name] for name in kept} if greedy_only else record
            file.write(json.dumps(shown) + "\n")


def read_evidence(path: Path) -> list[Evidence]:
    """Its records, parsed."""
    return [record.evidence for record in EvidenceFile(path)]


def estimator_sets() -> dict[str, list[str]]:
    """Names of estimators by the name of the set that a promise is about; no `_lmp`, no `_uqlm`."""
    own = [entry for entry in CATALOGUE.values() if not entry.compatible_with]
    token_level = [one.name for one in own if one.family == "tokens"]
    return {
        "token level": [name for name in token_level if name not in ("token_sar", "ccp")],
        "samples and matrices": [one.name for one in own if one.family in ("samples", "semantic")],
        "the whole catalogue": [one.name for one in own],
    }


def together(names: Sequence[str], given: Sequence[Evidence], repeats: int) -> float:
    """Microseconds of CPU a record that these estimators take when read at once."""
    made: list[Estimator] = [estimator(name) for name in names]
    return cpu_us(partial(read_signals, made, given), len(given), repeats, before=forget)


def forget() -> None:
    """Clear the package's caches: what it knows from the same records read before is no merit."""
    modules = [module for name, module in sys.modules.items() if name.startswith("surefoot.")]
    for module in modules:
        for thing in list(vars(module).values()):
            clear = getattr(thing, "cache_clear", None)
            if clear is not None:
                clear()


def alone(given: Sequence[Evidence], repeats: int) -> dict[str, float]:
    """The same for each estimator by itself, with all that it would otherwise share."""
    return {name: together([name], given, repeats) for name in CATALOGUE}


def _one_calls(given: Sequence[Evidence]) -> dict[str, tuple[float, float]]:
    """Milliseconds of CPU and of wall clock for one record."""
    return {
        name: one_call(partial(read_signals, [estimator(name)], given[:1])) for name in _ONE_CALL
    }


def _score(evidence: Path, names: Sequence[str], folder: Path) -> dict[str, float]:
    """Records a second of the command, its start included, by wall clock and by CPU."""
    command = [sys.executable, "-c", "from surefoot.service.cli import main; main()", "score"]
    command += [str(evidence), "--estimators", ",".join(names), "--json"]
    command += ["--out", str(folder / f"{evidence.stem}_signals.jsonl")]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    said = subprocess.run(command, check=True, capture_output=True, cwd=_HERE).stdout
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    scored = json.loads(said)["scored"]
    return {"records": scored, "per_wall_s": scored / wall, "per_cpu_s": scored / cpu}


def _import_cost() -> tuple[float, float]:
    """Seconds of CPU and MB of memory of a process that has imported the catalogue."""
    command = [sys.executable, "-c", _IMPORT]
    runs = [
        subprocess.run(command, check=True, capture_output=True, text=True, cwd=_HERE).stdout
        for _ in range(3)
    ]
    cpu, memory = min([tuple(map(float, run.split())) for run in runs])
    return cpu, memory


def _peer(name: str, python: str, evidence: Path, repeats: int) -> dict[str, Any]:
    out = evidence.with_name(f"{name}.json")
    script = _HERE / "peers" / f"run_{name}.py"
    command = [python, str(script), str(evidence), str(out), "--repeats", str(repeats)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def _measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    evidence, greedy = folder / "evidence.jsonl", folder / "greedy.jsonl"
    write_evidence(evidence, options.records)
    write_evidence(greedy, 10 * options.records, greedy_only=True)
    given = read_evidence(evidence)
    sets = estimator_sets()
    pythons = {"uqlm": options.uqlm, "lmp": options.lmp}
    return {
        "records": len(given),
        "import": _import_cost(),
        "alone": alone(given, options.repeats),
        "sets": {name: together(names, given, options.repeats) for name, names in sets.items()},
        "same_as_uqlm": together([*UQLM], given, options.repeats),
        "same_as_lmp": together([*LMP], given, options.repeats),
        "one_call_ms": _one_calls(given),
        "score": {
            "token level": _score(greedy, sets["token level"], folder),
            "the whole catalogue": _score(evidence, sets["the whole catalogue"], folder),
        },
        "peers": {
            name: _peer(name, python, evidence, options.repeats)
            for name, python in pythons.items()
            if python
        },
    }


def _cell(peer: dict[str, Any] | None, calls: dict[str, str], name: str) -> str:
    if peer is None or name not in calls:
        return ""
    many = at_once(calls, calls[name])
    return f"{peer['cpu_us'][calls[name]]:.1f}" + (f" ({many} at once)" if many > 1 else "")


def _sum(peer: dict[str, Any] | None, calls: dict[str, str]) -> str:
    return f"{sum(peer['cpu_us'][label] for label in set(calls.values())):.0f}" if peer else ""


def _table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("| " + " | ".join(cells) + " |")
        if number == 0:
            print("|" + "|".join(["-" * (width + 2) for width in widths]) + "|")
    print()


def _show(found: dict[str, Any]) -> None:
    uqlm, lmp = found["peers"].get("uqlm"), found["peers"].get("lmp")
    print(f"CPU microseconds a record, batch of {found['records']}, M = 5, top-20, 5 tokens\n")
    rows = [["estimator", "Surefoot", "UQLM", "LM-Polygraph"]]
    for name, cost in found["alone"].items():
        rows.append([name, f"{cost:.1f}", _cell(uqlm, UQLM, name), _cell(lmp, LMP, name)])
    _table(rows)
    rows = [["together", "Surefoot", "aim", "UQLM", "LM-Polygraph"]]
    for name, cost in found["sets"].items():
        rows.append([name, f"{cost:.0f}", f"{LIMITS[name]:.0f}" if name in LIMITS else "", "", ""])
    theirs = _sum(uqlm, UQLM), _sum(lmp, LMP)
    rows.append(["what UQLM has", f"{found['same_as_uqlm']:.0f}", "", theirs[0], ""])
    rows.append(["what LM-Polygraph has", f"{found['same_as_lmp']:.0f}", "", "", theirs[1]])
    _table(rows)
    _show_calls(found, uqlm, lmp)
    _show_start(found, uqlm, lmp)


def _show_calls(found: dict[str, Any], uqlm: Any, lmp: Any) -> None:
    def of(peer: Any, calls: dict[str, str], name: str) -> str:
        return _pair(peer["one_call_ms"][calls[name]]) if peer and name in calls else ""

    rows = [["one call, CPU / wall ms", "Surefoot", "UQLM", "LM-Polygraph"]]
    for name, cost in found["one_call_ms"].items():
        rows.append([name, _pair(cost), of(uqlm, UQLM, name), of(lmp, LMP, name)])
    _table(rows)


def _pair(numbers: Sequence[float]) -> str:
    return " / ".join([f"{number:.2f}" for number in numbers])


def _show_start(found: dict[str, Any], uqlm: Any, lmp: Any) -> None:
    def of(peer: Any, name: str) -> str:
        return f"{peer[name]:.2f}" if peer else ""

    cpu, memory = found["import"]
    _table(
        [
            ["import", "Surefoot", "UQLM", "LM-Polygraph"],
            ["CPU s", f"{cpu:.2f}", of(uqlm, "import_cpu_s"), of(lmp, "import_cpu_s")],
            ["memory, MB", f"{memory:.0f}", of(uqlm, "import_rss_mb"), of(lmp, "import_rss_mb")],
        ]
    )
    rows = [["surefoot score", "records", "records/s", "records/CPU s", "aim"]]
    for name, rate in found["score"].items():
        aim = f"{_LEAST_RATE:.0f}" if name == "token level" else ""
        numbers = [f"{rate[key]:.0f}" for key in ("records", "per_wall_s", "per_cpu_s")]
        rows.append([name, *numbers, aim])
    _table(rows)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--uqlm", help="interpreter of an environment with uqlm")
    parser.add_argument("--lmp", help="interpreter of an environment with lm-polygraph")
    parser.add_argument("--records", type=int, default=1000, help="records in a batch")
    parser.add_argument("--repeats", type=int, default=5, help="times each is run; the best counts")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args()
    # One thread each: what the others do with several would be in their CPU time.
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    with tempfile.TemporaryDirectory() as folder:
        found = _measure(options, Path(folder))
    _show(found)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
