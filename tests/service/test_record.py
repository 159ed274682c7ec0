"""`surefoot record`: the outcome table of a question set, interrupted or not."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .doors import Here, start, wait, write_config
from .endpoint import Asked, Endpoint, Says

FRANCE = "What is the capital of France?"
LINES = (
    {"id": "a", "question": FRANCE, "answers": ["Paris"], "topic": "x", "split": "fit"},
    {"id": "b", "question": "Who painted the Mona Lisa?", "answers": ["da Vinci"], "topic": "y"},
    {"id": "c", "question": "Who built the Fisk bridge?", "answers": ["Merrow"], "topic": "x"},
)


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows without what is different in every recording."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{**row, "latency_s": None} for row in rows]


def test_every_rung_is_recorded_and_judged(
    here: Here, endpoint: Endpoint, tmp_path: Path, questions: Path
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "bridge.md").write_text("The Fisk bridge in France was built by Ada Merrow.")
    config = write_config(tmp_path, endpoint, rest=("[retrieval]", 'docs = "docs"'))
    done = here(
        "record", "--questions", questions, "--out", "o.jsonl", "--config", config, "--json"
    )
    document = done.document
    assert done.code == 0 and done.err == ""
    assert document.pop("seconds") >= 0
    assert document == {"questions": 3, "recorded": 3, "out": "o.jsonl"}
    rows = rows_of(Path("o.jsonl"))
    # One of each topic after the other; passages only where some were found.
    assert [(row["query_id"], row["tier"], row["round"], row["loss"]) for row in rows] == [
        *(("a", 0, 0, 0.0), ("a", 1, 0, 1.0), ("a", 0, 1, 0.0), ("a", 1, 1, 1.0)),
        *(("b", 0, 0, 1.0), ("b", 1, 0, 0.0)),
        *(("c", 0, 0, 1.0), ("c", 1, 0, 1.0), ("c", 0, 1, 1.0), ("c", 1, 1, 1.0)),
    ]
    assert rows[0]["signals"]["perplexity"] == pytest.approx(0.95)
    assert rows[0]["cost"] == pytest.approx((100 * 1.0 + 10 * 2.0) / 1e6)


def test_a_part_of_the_questions(
    here: Here, endpoint: Endpoint, tmp_path: Path, questions: Path
) -> None:
    command = ("record", "--questions", questions, "--config", write_config(tmp_path, endpoint))
    assert here(*command, "--out", "1", "--split", "fit", "--json").document["recorded"] == 1
    assert here(*command, "--out", "2", "--per-topic", "1", "--json").document["recorded"] == 2
    here(*command, "--out", "3", "--split", "none").check_complaint(2, "split 'none'")
    assert not Path("3").exists()


def test_ctrl_c_keeps_whole_questions_and_the_next_call_goes_on(
    here: Here, endpoint: Endpoint, tmp_path: Path, questions: Path
) -> None:
    config = write_config(tmp_path, endpoint)
    command = ("record", "--questions", questions, "--config", config, "--out")
    assert here(*command, "whole.jsonl").code == 0
    endpoint.asked.clear()
    reached, go_on = threading.Event(), threading.Event()

    def hold(asked: Asked) -> None:
        if len(endpoint.asked) == 4:  # the large tier's draft of the second question
            reached.set()
            go_on.wait(30)

    endpoint.before = hold
    process = start(*command, "part.jsonl")
    try:
        assert reached.wait(30)
        process.send_signal(signal.SIGINT)
        done = wait(process)
    finally:
        go_on.set()
        process.kill()
    done.check_complaint(130, "interrupted; what was finished is kept")
    assert [row["query_id"] for row in rows_of(Path("part.jsonl"))] == ["a", "a"]
    endpoint.before = None
    again = here(*command, "part.jsonl", "--json")
    assert again.document["recorded"] == 2
    assert rows_of(Path("part.jsonl")) == rows_of(Path("whole.jsonl"))
    assert here(*command, "part.jsonl", "--json").document["recorded"] == 0


def test_a_model_that_fails_ends_it_with_what_was_recorded(
    here: Here, endpoint: Endpoint, tmp_path: Path, questions: Path
) -> None:
    endpoint.answers[("large", LINES[1]["question"])] = Says("", status=500)  # type: ignore[index]  # a text
    command = ("record", "--questions", questions, "--config", write_config(tmp_path, endpoint))
    done = here(*command, "--out", "o.jsonl")
    done.check_complaint(1, "question 'b': unavailable", "run the same command again")
    assert [row["query_id"] for row in rows_of(Path("o.jsonl"))] == ["a", "a"]


def test_other_settings_want_another_file(
    here: Here, endpoint: Endpoint, tmp_path: Path, questions: Path
) -> None:
    config = write_config(tmp_path, endpoint)
    command = ("record", "--questions", questions, "--out", "o.jsonl", "--config", config)
    assert here(*command).code == 0
    before = Path("o.jsonl").read_bytes()
    config.write_text(config.read_text() + "\n[signals]\ntop_logprobs = 3\n")
    here(*command).check_complaint(2, "o.jsonl:1", "other prompts or signal settings")
    assert Path("o.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        ("", "there is no question"),
        ("{\n", ":1: not JSON"),
        ('{"id": "a", "question": " ", "answers": ["x"]}\n', ":1: field 'question'"),
        ('{"id": "a", "question": "x?", "answers": []}\n', ":1: field 'answers'"),
    ],
    ids=["missing", "empty", "not JSON", "blank", "no answers"],
)
def test_questions_that_cannot_be_read(
    here: Here, endpoint: Endpoint, tmp_path: Path, content: str | None, words: str
) -> None:
    path = tmp_path / "q.jsonl"
    if content is not None:
        path.write_text(content)
    config = write_config(tmp_path, endpoint)
    done = here("record", "--questions", path, "--out", "o.jsonl", "--config", config)
    done.check_complaint(2, str(path), words)
    assert endpoint.asked == [] and not Path("o.jsonl").exists()


def test_the_questions_are_not_overwritten(
    here: Here, endpoint: Endpoint, tmp_path: Path, questions: Path
) -> None:
    before = questions.read_bytes()
    config = write_config(tmp_path, endpoint)
    done = here("record", "--questions", questions, "--out", questions, "--config", config)
    done.check_complaint(2, str(questions), "record into another file")
    assert questions.read_bytes() == before


def test_an_outcome_table_needs_prices(
    here: Here, endpoint: Endpoint, tmp_path: Path, questions: Path
) -> None:
    config = write_config(tmp_path, endpoint, price='"unknown"')
    done = here("record", "--questions", questions, "--out", "o.jsonl", "--config", config)
    done.check_complaint(2, "price")
    assert endpoint.asked == []


def test_a_full_disk_keeps_whole_questions(
    here: Here,
    endpoint: Endpoint,
    tmp_path: Path,
    questions: Path,
    full_disk: Callable[[int], Path],
) -> None:
    out = full_disk(4096) / "o.jsonl"  # tmpfs counts in pages: room for some rows
    lines = [{**LINES[0], "id": f"q{i}"} for i in range(30)]
    questions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    config = write_config(tmp_path, endpoint)
    command = ("record", "--questions", questions, "--out", out, "--config", config)
    here(*command).check_complaint(1, "No space left on device", "whole questions so far stay")
    kept = rows_of(out)
    assert kept and len(kept) % 2 == 0
    (out.parent / "ballast").unlink()
    assert here(*command, "--json").document["recorded"] == 30 - len(kept) // 2
    assert len(rows_of(out)) == 60
