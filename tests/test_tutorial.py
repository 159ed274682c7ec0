"""The tutorial is true: its blocks run in order in one folder, and print what it says they print.

In a block of commands, lines that begin with `$ ` are typed, the others are what comes out. A line
of three dots stands for whatever is left out. Line breaks and borders of tables are not compared,
and numbers may differ by rounding: by a fiftieth, or by two units of their last digit.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "docs" / "tutorial.md"
STORED = ROOT.parent / "shared" / "data" / "routing"
REAL = "## The same on real outcomes"

BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")
BORDER = re.compile(r"^[─-╿•]+$")  # box drawing and bullets


@dataclass(frozen=True, slots=True)
class Step:
    """One block: what is run, and the pieces that it is said to print, in order."""

    language: str
    code: str
    shown: tuple[str, ...]


def steps_of(markdown: str) -> Iterator[Step]:
    for language, text in BLOCK.findall(markdown):
        if language == "python":
            yield Step(language, text, ())
            continue
        lines = text.replace("\\\n", " ").splitlines()
        code = "\n".join(line[2:] for line in lines if line.startswith("$ "))
        # A new command ends a piece: the one before may have printed more than is shown.
        told = "\n".join("..." if line.startswith("$ ") else line for line in lines)
        pieces = re.split(r"^\.\.\.$", told, flags=re.MULTILINE)
        yield Step(language, code, tuple(piece for piece in pieces if piece.strip()))


def words_of(text: str) -> list[str]:
    return [word for word in re.split(r"[\s│┃]+", text) if word and not BORDER.match(word)]


def is_same(said: str, printed: str) -> bool:
    """Whether two words agree but for rounding."""
    if said == printed:
        return True
    if NUMBER.sub("#", said) != NUMBER.sub("#", printed):
        return False
    pairs = zip(NUMBER.findall(said), NUMBER.findall(printed), strict=True)
    return all(_is_near(one, other) for one, other in pairs)


def _is_near(said: str, printed: str) -> bool:
    one, other = float(said.replace(",", "")), float(printed.replace(",", ""))
    mantissa, _, exponent = said.partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return abs(one - other) <= max(0.02 * abs(one), 2.001 * unit if "." in said else 0.0)


def missing(pieces: Sequence[str], printed: str) -> str | None:
    """The first piece that was not printed after the one before it."""
    words, start = words_of(printed), 0
    for piece in pieces:
        wanted = words_of(piece)
        for at in range(start, len(words) - len(wanted) + 1):
            if all(map(is_same, wanted, words[at : at + len(wanted)])):
                start = at + len(wanted)
                break
        else:
            return piece
    return None


def run(step: Step, folder: Path) -> str:
    """What a block prints; its last command must succeed."""
    bin_folder = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": bin_folder + os.pathsep + os.environ["PATH"],
        "COLUMNS": "100",
        "SUREFOOT_HOME": str(folder / "home"),
    }
    command = ["sh", "-c"] if step.language == "console" else [sys.executable, "-c"]
    done = subprocess.run(
        [*command, step.code], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{step.code}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_all(markdown: str, folder: Path) -> None:
    steps = list(steps_of(markdown))
    assert steps
    for step in steps:
        printed = run(step, folder)
        lacking = missing(step.shown, printed)
        assert lacking is None, f"not printed:\n{lacking}\nbut this was:\n{printed}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder like a fresh clone, as far as the tutorial looks at it."""
    shutil.copytree(ROOT / "examples", tmp_path / "clone" / "examples")
    return tmp_path / "clone"


@pytest.mark.slow
def test_the_tutorial_prints_what_it_says(folder: Path) -> None:
    run_all(TUTORIAL.read_text(encoding="utf-8").partition(REAL)[0], folder)


@pytest.mark.slow
def test_the_tutorial_is_true_of_real_outcomes(folder: Path) -> None:
    if not STORED.is_dir():
        pytest.skip(f"the stored outcome tables of {STORED} are not on this machine")
    (folder.parent / "shared" / "data").mkdir(parents=True)
    (folder.parent / "shared" / "data" / "routing").symlink_to(STORED)
    run_all(TUTORIAL.read_text(encoding="utf-8").partition(REAL)[2], folder)


# ------------------------------------------------------------- and the checks above can fail

SAMPLE = """
```console
$ printf 'one 0.40 [0.38, 0.43]\\ntwo\\n'
...
one  0.41 [0.38, 0.42]
$ false || echo "$?"
1
```
"""


def test_what_is_shown_has_to_be_printed_in_order(tmp_path: Path) -> None:
    run_all(SAMPLE, tmp_path)
    for change in (
        ("0.41", "0.43"),
        ("\n1\n", "\n2\n"),
        ("one  0", "on  0"),
        ("1\n```", "one\n```"),
    ):
        with pytest.raises(AssertionError, match="not printed"):
            run_all(SAMPLE.replace(*change), tmp_path)
    with pytest.raises(AssertionError):
        run_all(SAMPLE.replace("|| echo", "&& echo"), tmp_path)


@pytest.mark.parametrize(
    ("said", "printed", "same"),
    [
        ("0.083", "0.084", True),
        ("0.083", "0.086", False),
        ("(804", "(805", True),
        ("(804", "(850", False),
        ("4", "5", False),
        ("1.2e-6", "1.3e-6", True),
        ("12.0%", "12.1%", True),
        ("-0.5", "0.5", False),
        ("gate.json", "gates.json", False),
    ],
)
def test_numbers_may_differ_by_rounding_alone(said: str, printed: str, same: bool) -> None:
    assert is_same(said, printed) is same


def test_generated_tables_are_the_same_everywhere_and_as_described(folder: Path) -> None:

    script = [sys.executable, "examples/generate_outcomes.py"]
    for name in ("one", "two"):
        subprocess.run([*script, name, "--questions", "40", "--tiers", "3"], cwd=folder, check=True)
    subprocess.run([*script, "graded", "--questions", "400", "--graded"], cwd=folder, check=True)
    texts = {name: (folder / name / "fit.jsonl").read_text() for name in ("one", "two", "graded")}
    assert texts["one"] == texts["two"]
    rows = [json.loads(line) for line in texts["one"].splitlines()]
    assert len(rows) == 120 and {row["tier"] for row in rows} == {0, 1, 2}
    first = rows[0]
    assert (first["query_id"], first["tier_name"], first["loss"]) == ("fit-00000", "small", 0.0)
    assert first["signals"]["confidence"] == pytest.approx(0.9049, abs=1e-4)
    graded = [json.loads(line)["loss"] for line in texts["graded"].splitlines()]
    assert all(0.0 <= loss <= 1.0 for loss in graded)
    assert any(0.1 < loss < 0.9 for loss in graded)
    unjudged = (folder / "one" / "traffic.jsonl").read_text().splitlines()
    assert all(json.loads(line)["loss"] is None for line in unjudged)


def test_tiers_are_cut_out_and_numbered_anew(folder: Path) -> None:

    rows = [
        {"query_id": "q", "tier": tier, "model": f"m{tier}", "signals": {"é": 1.0}}
        for tier in range(3)
    ]
    with gzip.open(folder / "chain.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(map(json.dumps, rows)))
    script = [sys.executable, "examples/cut_tiers.py", "chain.jsonl.gz", "--out", "cut/pair.jsonl"]
    done = subprocess.run(
        [*script, "--tiers", "0,2"], cwd=folder, check=True, capture_output=True, text=True
    )
    assert done.stdout == "cut/pair.jsonl: 1 questions, 2 tiers\n"
    kept = [
        json.loads(line) for line in (folder / "cut" / "pair.jsonl").read_text("utf-8").splitlines()
    ]
    assert [(row["tier"], row["tier_name"]) for row in kept] == [(0, "m0"), (1, "m2")]
    assert kept[0]["signals"] == {"é": 1.0}
    wrong = subprocess.run([*script, "--tiers", "0,7"], cwd=folder, capture_output=True, text=True)
    assert wrong.returncode == 2 and "has no tier 7" in wrong.stderr
