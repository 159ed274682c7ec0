"""`surefoot practice`: states from the deployment's own models, and from runs that exist."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from .doors import Here, start, wait, write_config
from .endpoint import Asked, Endpoint, Says

FRANCE = "What is the capital of France?"
LINES = (
    {"id": "a", "question": FRANCE, "answers": ["Paris"], "gold_titles": ["france"]},
    {"id": "b", "question": "Who painted the Mona Lisa?", "answers": ["da Vinci"]},
    {"id": "c", "question": "Who built the Fisk bridge in France?", "answers": ["Merrow"]},
    {"id": "d", "question": "what is the capital of  France?", "answers": ["Paris"]},
)


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return path


@pytest.fixture
def config(tmp_path: Path, endpoint: Endpoint) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, text in {
        "france": "Paris is the capital of France.",
        "bridge": "The Fisk bridge in France was built by Ada Merrow.",
        "mona": "The Mona Lisa was painted by da Vinci in France.",
    }.items():
        (docs / f"{name}.md").write_text(f"# {name}\n\n{text}")
    rest = ("[retrieval]", 'docs = "docs"', "k = 1", 'queries = "question"')
    return write_config(tmp_path, endpoint, rest=rest)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The lines without what is different in every practice."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{**row, "latency_s": None} for row in rows]


def practice(config: Path, questions: Path, out: str, *more: str) -> tuple[str | Path, ...]:
    return ("practice", "--questions", questions, "--config", config, "--out", out, *more)


def test_every_round_of_every_question_is_a_state(
    here: Here, config: Path, questions: Path
) -> None:
    done = here(*practice(config, questions, "s.jsonl", "--rounds", "2", "--tier", "small"))
    assert done.code == 0, done.err
    assert "3 threads: 9 calls" in done.err and "at most" in done.err
    rows = rows_of(Path("s.jsonl"))
    assert [(row["thread_id"], row["round"]) for row in rows[:3]] == [
        ("a/small", 0),
        ("a/small", 1),
        ("a/small", 2),
    ]
    assert [row["label_em"] for row in rows[:3]] == [1, 1, 1]  # on and on behind the right answer
    assert [row["label_sufficient"] for row in rows[:3]] == [0, 1, 1]
    assert rows[2]["previous_answers"] == ["Paris", "Paris"]
    assert rows[0]["cost"] == pytest.approx((100 * 1.0 + 10 * 2.0) / 1e6)
    assert rows[3]["thread_id"] == "b/small" and rows[3]["label_sufficient"] is None


def test_the_document_counts_what_was_done(here: Here, config: Path, questions: Path) -> None:
    done = here(*practice(config, questions, "s.jsonl", "--rounds", "1", "--json"))
    document = done.document
    assert document.pop("seconds") >= 0
    assert document.pop("cost") == pytest.approx(12 * 120e-6)
    assert document == {
        "threads": 6,
        "states": 12,
        "failed": 0,
        "left_out": 1,
        "went_on_after": 0,
        "calls": 12,
        "out": "s.jsonl",
        "outcomes": None,
    }


def test_a_practice_that_was_killed_goes_on_and_ends_the_same(
    here: Here, endpoint: Endpoint, config: Path, questions: Path
) -> None:
    more = ("--rounds", "1", "--parallel", "1")
    assert here(*practice(config, questions, "whole.jsonl", *more)).code == 0
    endpoint.asked.clear()
    reached, go_on = threading.Event(), threading.Event()

    def before(asked: Asked) -> None:
        if len(endpoint.asked) > 6:
            reached.set()
            go_on.wait(20)

    endpoint.before = before
    process = start(*practice(config, questions, "s.jsonl", *more))
    assert reached.wait(20)
    process.kill()
    wait(process)
    go_on.set()
    endpoint.before = None
    part = Path("s.jsonl.part")
    part.write_bytes(part.read_bytes()[:-20])  # and the disk lost the end of a line
    endpoint.asked.clear()
    done = here(*practice(config, questions, "s.jsonl", *more, "--json"))
    document = done.document
    assert 0 < document["went_on_after"] < 6
    assert len(endpoint.asked) == 2 * (6 - document["went_on_after"])
    assert rows_of(Path("s.jsonl")) == rows_of(Path("whole.jsonl"))
    assert not part.exists()


def test_a_question_that_fails_is_told_and_tried_again(
    here: Here, endpoint: Endpoint, config: Path, questions: Path
) -> None:
    broken = ("small", "Who painted the Mona Lisa?")
    endpoint.answers[broken] = Says("down", status=500)
    command = practice(config, questions, "s.jsonl", "--rounds", "1", "--tier", "small")
    done = here(*command, "--json")
    assert done.code == 1
    assert done.document["failed"] == 1 and "b/small" in done.err
    assert not Path("s.jsonl").exists() and done.document["out"] == "s.jsonl.part"
    endpoint.answers[broken] = Says("da Vinci", 0.9)
    endpoint.asked.clear()
    done = here(*command, "--json")
    assert (done.code, done.document["went_on_after"]) == (0, 2)
    assert {asked.question for asked in endpoint.asked} == {broken[1]}
    assert {row["thread_id"] for row in rows_of(Path("s.jsonl"))} == {
        "a/small",
        "b/small",
        "c/small",
    }


def test_what_is_there_already_is_not_practiced_over(
    here: Here, config: Path, questions: Path
) -> None:
    Path("s.jsonl").write_text("precious")
    here(*practice(config, questions, "s.jsonl")).check_complaint(2, "s.jsonl is there already")
    assert Path("s.jsonl").read_text() == "precious"


def test_its_outcome_table_is_fitted_with_a_threshold_by_round(
    here: Here, config: Path, questions: Path
) -> None:
    command = practice(config, questions, "s.jsonl", "--rounds", "2", "--outcomes", "o.jsonl")
    assert here(*command).code == 0
    rows = rows_of(Path("o.jsonl"))
    assert [(row["query_id"], row["tier"], row["round"]) for row in rows[:6]] == [
        *(("a", 0, 0), ("a", 0, 1), ("a", 0, 2)),
        *(("a", 1, 0), ("a", 1, 1), ("a", 1, 2)),
    ]
    assert [row["loss"] for row in rows[:6]] == [0.0] * 3 + [1.0] * 3
    assert rows[0]["signals"]["perplexity"] == pytest.approx(0.95)
    more = [{**row, "query_id": f"{row['query_id']}{n}"} for row in rows for n in range(20)]
    Path("many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in more))
    fitted = here("fit", "many.jsonl", "--uncertified", "--out", "p.json")
    assert fitted.code == 0, fitted.err
    assert here("replay", "many.jsonl", "--profile", "p.json", "--json").document["n"] == 60


def test_rows_that_would_not_hold_are_refused(here: Here, config: Path, questions: Path) -> None:
    config.write_text(config.read_text().replace('queries = "question"', 'queries = "model"'))
    command = practice(config, questions, "s.jsonl", "--outcomes", "o.jsonl")
    here(*command).check_complaint(2, "several tiers", "--tier")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--tier", "medium"), ("no tier is called 'medium'", "small, large")),
        (("--from-runs", "r.jsonl", "--from-history"), ("one of --from-runs",)),
        (("--from-runs", "r.jsonl", "--outcomes", "o.jsonl"), ("your own tiers",)),
        (("--from-runs", "no.jsonl"), ("no.jsonl", "cannot be read")),
        (("--from-history",), ("no history",)),
    ],
)
def test_what_cannot_be_done_is_said(
    here: Here, config: Path, questions: Path, more: tuple[str, ...], words: tuple[str, ...]
) -> None:
    here(*practice(config, questions, "s.jsonl", *more)).check_complaint(2, *words)
    assert not Path("s.jsonl").exists()


def test_without_documents_only_closed_book_can_be_practiced(
    here: Here, endpoint: Endpoint, tmp_path: Path, questions: Path
) -> None:
    config = write_config(tmp_path, endpoint)
    here(*practice(config, questions, "s.jsonl")).check_complaint(2, "nothing to search")
    assert here(*practice(config, questions, "s.jsonl", "--rounds", "0")).code == 0
    assert {row["round"] for row in rows_of(Path("s.jsonl"))} == {0}


def test_states_of_runs_in_the_history(
    here: Here, endpoint: Endpoint, config: Path, questions: Path
) -> None:
    text = config.read_text().replace('url = "none"', 'url = "sqlite:///h.db"')
    text = text.replace("k = 1", "k = 1\nstop_unchanged = false")
    config.write_text(text + "\n[budget]\nrounds = 2\n")
    for line in LINES[:3]:
        here("ask", str(line["question"]), "--config", config)
    here("ask", FRANCE, "--config", config)  # recognized: no draft of its own
    before = len(endpoint.asked)
    done = here(*practice(config, questions, "s.jsonl", "--from-history", "--json"))
    assert done.code == 0, done.err
    assert len(endpoint.asked) == before
    rows = rows_of(Path("s.jsonl"))
    assert done.document["states"] == len(rows)
    by_question: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_question.setdefault(row["question"], []).append(row)
    assert [row["round"] for row in by_question[FRANCE]] == [0]
    assert by_question[FRANCE][0]["label_em"] == 1
    fisk = [row for row in by_question["Who built the Fisk bridge in France?"] if row["tier"] == 0]
    assert [row["round"] for row in fisk] == [0, 1, 2]
    assert [len(row["passages"]) for row in fisk] == [0, 1, 2]
    assert fisk[2]["found_in"] == [1, 2] and fisk[2]["queries"] == [fisk[0]["question"]] * 2


def test_states_of_another_systems_runs(here: Here, tmp_path: Path) -> None:
    passage = {"id": "p", "title": "T", "text": "x", "score": 1.0}
    run = {
        "id": "r",
        "question": "Q?",
        "answers": ["Paris"],
        "rounds": [{"answer": "Lyon"}, {"answer": "Paris", "passages": [passage]}],
    }
    runs = tmp_path / "runs.jsonl"
    runs.write_text(json.dumps(run) + "\n" + json.dumps({**run, "id": "again"}) + "\n")
    done = here("practice", "--from-runs", runs, "--out", "s.jsonl", "--json")
    assert (done.code, done.document["states"], done.document["left_out"]) == (0, 2, 1)
    assert [row["label_em"] for row in rows_of(Path("s.jsonl"))] == [0, 1]
    assert here("critic", "eval", "s.jsonl", "--json").code == 0
