"""`surefoot history` over a file that `surefoot ask` has written to."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from .doors import Here, write_config
from .endpoint import Endpoint

HISTORY = ("--history", "sqlite:///h.db")
ROW = {"query_id": "q1", "tier": 0, "round": 0, "retrieved": False, "answer": "a", "loss": 0.0}


@pytest.fixture
def run_id(here: Here, endpoint: Endpoint, tmp_path: Path) -> str:
    """Of one question that was asked and remembered."""
    config = write_config(tmp_path, endpoint)
    done = here("ask", "What is the capital of France?", "--config", config, *HISTORY, "--json")
    assert done.code == 0
    return str(done.document["run_id"])


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_what_was_asked_is_labeled_exported_erased_and_put_back(
    here: Here, run_id: str, tmp_path: Path
) -> None:
    assert here("history", "label", run_id, "wrong", "--by", "eve", *HISTORY).code == 0
    done = here("history", "export", "--out", "e.jsonl", *HISTORY, "--json")
    assert done.document["lines"] == {"run": 1, "feedback": 1}
    run, label = lines_of(tmp_path / "e.jsonl")
    assert run["run"]["result"]["run_id"] == run_id  # type: ignore[index]  # plain JSON
    assert label["feedback"]["verdict"] == "wrong"  # type: ignore[index]  # plain JSON
    done = here("history", "erase", "--all", "--yes", *HISTORY, "--json")
    assert done.document["erased"]["runs"] == 1
    done = here("history", "export", "--out", "e2.jsonl", *HISTORY, "--json")
    assert done.document["lines"] == {}
    assert here("history", "import", "e.jsonl", *HISTORY).code == 0
    here("history", "export", "--out", "e3.jsonl", *HISTORY)
    assert (tmp_path / "e3.jsonl").read_bytes() == (tmp_path / "e.jsonl").read_bytes()


def test_rows_of_a_table_count(here: Here, tmp_path: Path) -> None:
    rows = [
        {**ROW, "query_id": f"q{n}", "loss": float(n == 3), "signals": {"p": n / 4}}
        for n in range(4)
    ]
    table = tmp_path / "t.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert here("history", "import", table, "--signal", "p", *HISTORY).code == 0
    (found,) = here("history", "correctness", *HISTORY, "--json").document["models"]
    assert (found["model"], found["n"], found["right"]) == ("tier 0", 4, 3)
    assert [found["bins"][bin] for bin in (0, 2, 5, 7)] == [[1, 1], [1, 1], [1, 1], [1, 0]]
    shown = here("history", "correctness", *HISTORY)
    assert "0.750" in shown.out
    assert "import" in here("history", "correctness", "--tenant", "x", *HISTORY).out


def test_nothing_is_erased_without_a_name_or_a_yes(
    here: Here, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here("history", "erase", *HISTORY).check_complaint(2, "--user, --thread and --all")
    both = here("history", "erase", "--user", "u", "--thread", "t", *HISTORY)
    both.check_complaint(2, "a user or a thread")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert here("history", "erase", "--all", *HISTORY).code == 130
    done = here("history", "export", "--out", "e.jsonl", *HISTORY, "--json")
    assert done.document["lines"]["run"] == 1


def test_mistakes_are_told(here: Here, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"kind": "dream"}\n')
    here("history", "import", "bad.jsonl", *HISTORY).check_complaint(2, "bad.jsonl:1", "'kind'")
    here("history", "export", "--out", "e.jsonl", "--history", "none").check_complaint(
        2, "configures no history"
    )
    here("history", "label", "r", "corrected", *HISTORY).check_complaint(2, "correction")
