"""`surefoot fit-steps`: from labeled drafts to a gate that a configuration takes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from surefoot.graphs.config import Surroundings, build
from surefoot.graphs.places import Places
from surefoot.graphs.settings import parse_settings
from surefoot.policies.prefix_gate_file import load_prefix_gate
from surefoot.policies.step_gate import StepGate
from surefoot.router.wire import encode

from ..router.steps.spoken import spoken, spoken_text
from .doors import Here

TIERS = """
[[tiers]]
name = "small"
model = "openai:a"
base_url = "http://127.0.0.1:1/v1"
price = "unknown"
[[tiers]]
name = "large"
model = "openai:b"
base_url = "http://127.0.0.1:1/v1"
price = "unknown"
[retrieval]
enabled = false
[history]
url = "none"
[policy]
thresholds = { small = 0.7, large = 0.5 }
"""


def drafts(path: Path, right: int, wrong: int, unlabeled: int = 0) -> Path:
    """Right ones have sure steps, wrong ones a weak one in the middle; the last step is weak in
    all of them, which no gate that watches can see."""
    draw, rows = random.Random(3), []
    for number in range(right + wrong + unlabeled):
        is_right = number < right
        middle = draw.uniform(0.7, 0.95) if is_right else draw.uniform(0.3, 0.75)
        tokens = spoken(
            ("It is so.", 0.95), (" Thus that.", middle), (" And more of it.", 0.9), (" So.", 0.2)
        )
        row: dict[str, Any] = {
            "id": str(number),
            "question": "Is it?",
            "greedy": {"text": spoken_text(tokens), "tokens": encode(list(tokens))},
        }
        if number < right + wrong:
            row["correct"] = int(is_right)
        rows.append(json.dumps(row))
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_gate_is_fitted_and_taken_by_a_configuration(here: Here, tmp_path: Path) -> None:
    file = drafts(tmp_path / "drafts.jsonl", 80, 40, 5)
    ended = here(
        "fit-steps", str(file), "--signal", "perplexity", "--model", "openai:a",
        "--out", "steps.json", "--json", "--report", "pictures",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    # with 80 right answers and delta .1, one of them may lie below: P(Bin(80, .05) <= 1) = .086
    assert found["right_stopped"]["k"] == 1 and found["right_stopped"]["n"] == 80
    assert found["drafts"] == 120 and found["lost"] == 0.05
    assert 0.70 < found["threshold"] < 0.72
    assert found["wrong_stopped"]["share"] > 0.8
    assert found["tokens_saved"] == 5 * (found["wrong_stopped"]["k"] + 1) - (
        found["wrong_stopped"]["k"] + 1
    )  # four words and one are left, of which the first has shown that the step has ended
    assert found["auroc"] > 0.9
    assert (tmp_path / "pictures" / "steps.png").read_bytes().startswith(b"\x89PNG")
    steps = load_prefix_gate(tmp_path / "steps.json", "steps")
    assert steps.fitted_on["unlabeled"] == 5 and steps.model == "openai:a"

    around = Surroundings(folder=tmp_path, places=Places(tmp_path / "cache", tmp_path / "data"))
    settings = parse_settings(TIERS + '[steps]\ngates = { small = "steps.json" }\nfinish = true')
    plan = build(settings, around).router.plan
    assert isinstance(plan.prefix_gate, StepGate) and plan.finish
    assert {n: rule.threshold for n, rule in plan.prefix_gate.rules.items()} == {
        0: found["threshold"]
    }


def test_too_few_right_answers_end_with_code_3(here: Here, tmp_path: Path) -> None:
    file = drafts(tmp_path / "drafts.jsonl", 20, 20)
    ended = here("fit-steps", str(file), "--out", "steps.json")
    assert ended.code == 3
    assert "it takes 45" in ended.err  # .95^45 = .0994
    assert load_prefix_gate(tmp_path / "steps.json", "steps").threshold == 0.0


def test_people_are_told_what_was_found(here: Here, tmp_path: Path) -> None:
    file = drafts(tmp_path / "drafts.jsonl", 80, 40)
    ended = here("fit-steps", str(file), "--out", "steps.json")
    assert ended.code == 0
    assert "at most 5.0% of right answers are stopped" in ended.out
    assert "right answers stopped here: 1 of 80" in ended.out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"question": "q", "greedy": {"text": "a"}, "correct": 1}', "with logprobs"),
        ('{"question": "q", "greedy": {"text": "a"}}', "no answer is labeled"),
        ('{"question": "q"}', "greedy"),
    ],
)
def test_bad_input_names_its_line(here: Here, tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "drafts.jsonl").write_text(line + "\n")
    ended = here("fit-steps", "drafts.jsonl", "--out", "steps.json")
    assert ended.code == 2 and words in ended.err and "drafts.jsonl" in ended.err


@pytest.mark.parametrize(
    "options",
    [
        ("--signal", "self_consistency"),
        ("--signal", "nonsense"),
        ("--positions", "word"),
        ("--lost", "0"),
        ("--delta", "1"),
    ],
)
def test_bad_options_are_refused(here: Here, tmp_path: Path, options: tuple[str, str]) -> None:
    file = drafts(tmp_path / "drafts.jsonl", 2, 2)
    assert here("fit-steps", str(file), *options, "--out", "s.json").code in (1, 2)
    assert not (tmp_path / "s.json").exists()
