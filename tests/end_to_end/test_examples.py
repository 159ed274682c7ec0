"""The scripts of examples/ that run on local weights, as a user runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..local_models import smollm2_weights

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def run(folder: Path, script: str, *arguments: str) -> list[str]:
    """What the script prints, started from a folder of its own."""
    smollm2_weights()  # or skip
    environment = {**os.environ, "SUREFOOT_HOME": str(folder / "home")}
    command = (sys.executable, str(ROOT / "examples" / script), *arguments)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_corrective_rag_searches_where_the_draft_is_unsure(tmp_path: Path) -> None:
    lines = run(tmp_path, "corrective_rag.py")
    steps = [line.split()[0] for line in lines[1:-1]]
    assert steps[:5] == ["draft", "decide", "search", "draft", "decide"]
    assert any("csv" in line for line in lines if line.split()[0] == "search")
    assert lines[-1].startswith("answer: ")
    decisions = [line.split()[1] for line in lines[1:-1] if line.split()[0] == "decide"]
    assert decisions[0] == "retrieve:" and decisions[-1] in ("answer:", "abstain:")


def test_three_tiers_escalate_and_the_first_that_is_sure_answers(tmp_path: Path) -> None:
    lines = run(tmp_path, "three_tiers.py")
    assert len(lines) == 5
    assert "France" in lines[0] and "nobody" not in lines[0]
    calls = [int(line.split(" calls,")[0].split()[-1]) for line in lines[:-1]]
    assert all(1 <= one <= 3 for one in calls) and max(calls) == 3
    assert all("nobody" not in line or " 3 calls" in line for line in lines[:-1])


def test_a_person_is_asked_only_where_the_gate_abstains(tmp_path: Path) -> None:
    lines = run(tmp_path, "human_review.py", "--say", "Ole Nordmann")
    assert lines[1].endswith("says the model")
    assert any(line.startswith("  draft: ") for line in lines)
    assert lines[-1] == "  Ole Nordmann, says a person"


def test_a_batch_is_graded(tmp_path: Path) -> None:
    answered, area, surer = run(tmp_path, "batch_evaluation.py", "--most", "12")
    assert answered.startswith("12 answered, ")
    assert area.startswith("AUROC of the confidence: ") and surer.endswith(" right")


@pytest.mark.parametrize("say", ["approve", "reject"])
def test_an_agent_waits_with_a_risky_call_that_it_is_unsure_of(tmp_path: Path, say: str) -> None:
    lines = run(tmp_path, "agent_with_tools.py", "--say", say)
    assert "  calculator: 391" in lines
    assert "  delete_file: deleted report.txt" in lines
    # The name was made up, so a person was asked, and only then.
    (asked,) = [line for line in lines if line.startswith("  unsure: ")]
    assert lines.index(asked) > lines.index("Delete the file that I wrote on Monday.")
    made_up = asked.split('"path": "')[1].rstrip('"}')
    assert (f"  delete_file: deleted {made_up}" in lines) is (say == "approve")
