"""Record what other libraries say of made-up evidence, for the tests to compare with.

    python benchmarks/peers/record.py --uqlm PYTHON --lmp PYTHON

How to make their environments: see benchmarks/estimator_speed.py. The tests themselves need
neither library; whoever changes the evidence runs this again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from cases import cases
from synthetic import Shape, records

__all__ = ["COMMAND", "evidence", "write_fixture"]

COMMAND = "python benchmarks/peers/record.py --uqlm PYTHON --lmp PYTHON"
_HERE = Path(__file__).parent
_TARGET = _HERE.parents[1] / "tests" / "router" / "estimators" / "peers.json"
_SHAPE = Shape(top=5, least=2, most=6, samples=5)
_SEED = 7
_DIGITS = 10


def evidence() -> list[dict[str, Any]]:
    """The records that are recorded: a dozen drawn at random, then those made by hand."""
    return [*records(12, _SHAPE, _SEED), *cases()]


def write_fixture(pythons: dict[str, str], target: Path) -> None:
    """Run each script by its interpreter and write evidence and numbers, one record a line."""
    made = evidence()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "evidence.jsonl"
        path.write_text("".join([json.dumps(one) + "\n" for one in made]), encoding="utf-8")
        found = {name: _said(name, python, path) for name, python in pythons.items()}
    lines = [json.dumps(one, separators=(",", ":")) for one in made]
    peers = ",\n".join([f'"{name}": {_lines(_rounded(said))}' for name, said in found.items()])
    parts = [f'"command": {json.dumps(COMMAND)}', f'"peers": {{\n{peers}\n}}']
    parts.append('"evidence": [\n' + ",\n".join(lines) + "\n]")
    target.write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")


def _lines(said: dict[str, Any]) -> str:
    """A line a measure, so that a change of one shows as a change of one line."""
    values = said.pop("values")
    rows = [f'"{measure}": {json.dumps(numbers)}' for measure, numbers in values.items()]
    facts = [f'"{name}": {json.dumps(fact)}' for name, fact in said.items()]
    return "{\n" + ",\n".join([*facts, '"values": {\n' + ",\n".join(rows) + "\n}"]) + "}"


def _said(name: str, python: str, path: Path) -> Any:
    out = path.with_name(f"{name}.json")
    command = [python, str(_HERE / f"run_{name}.py"), str(path), str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    said = json.loads(out.read_text(encoding="utf-8"))
    ids = [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]
    said["values"] = {
        measure: dict(zip(ids, numbers, strict=True)) for measure, numbers in said["values"].items()
    }
    for times in ("cpu_us", "one_call_ms", "import_cpu_s", "import_rss_mb"):
        said.pop(times)
    return said


def _rounded(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: _rounded(one) for name, one in found.items()}
    if isinstance(found, list):
        return [_rounded(one) for one in found]
    return round(found, _DIGITS) if isinstance(found, float) else found


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--uqlm", required=True, help="interpreter with uqlm")
    parser.add_argument("--lmp", required=True, help="interpreter with lm-polygraph")
    parser.add_argument("--out", type=Path, default=_TARGET, help="where the fixture goes")
    options = parser.parse_args()
    write_fixture({"uqlm": options.uqlm, "lmp": options.lmp}, options.out)


if __name__ == "__main__":
    main()
