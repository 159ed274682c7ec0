"""`surefoot fit-live`: from labeled drafts to a gate that a configuration takes."""

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
from surefoot.policies.release_gate import ReleaseGate
from surefoot.router.errors import ConfigurationError
from surefoot.router.wire import encode

from ..router.steps.spoken import spoken, spoken_text
from .doors import Here
from .test_fit_steps_command import TIERS

PASSAGE = {"id": "p1", "title": "So", "text": "It is so."}


def drafts(path: Path, rows: int, *, retrieved: int = 0, unlabeled: int = 0) -> Path:
    """Right with the chance that their first sentence has."""
    draw, lines = random.Random(5), []
    for number in range(rows + unlabeled):
        p = draw.uniform(0.3, 0.99)
        tokens = spoken(("It is so.", p), (" And more.", 0.2), (" So.", 0.2))
        row: dict[str, Any] = {
            "id": str(number),
            "question": "Is it?",
            "greedy": {"text": spoken_text(tokens), "tokens": encode(list(tokens))},
        }
        if number < rows:
            row["correct"] = int(draw.random() < p)
        if number < retrieved:
            row["passages"] = [PASSAGE]
        lines.append(json.dumps(row))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_gate_is_fitted_and_taken_by_a_configuration(here: Here, tmp_path: Path) -> None:
    file = drafts(tmp_path / "drafts.jsonl", 400, unlabeled=7)
    ended = here(
        "fit-live", str(file), "--risk", "0.2", "--model", "openai:a",
        "--out", "live.json", "--json", "--report", "pictures",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["drafts"] == 400 and found["risk"] == 0.2 and found["retrieved"] is False
    assert found["p_value"] <= 0.1
    assert found["wrong"]["share"] < 0.2 < found["wrong_overall"]["share"]
    # wrong among those from t on: 1 - (t + .99) / 2, which is .2 at t = .61
    assert 0.61 < found["threshold"] < 0.9
    assert found["tokens_live"] == found["shown"]["k"] * 2  # of six tokens four must be there
    assert (tmp_path / "pictures" / "live.png").read_bytes().startswith(b"\x89PNG")
    gate = load_prefix_gate(tmp_path / "live.json", "live")
    assert gate.fitted_on["unlabeled"] == 7 and gate.retrieved is False
    assert gate.promise == {"risk": 0.2, "delta": 0.1, "shown": found["shown"]["k"]}

    around = Surroundings(folder=tmp_path, places=Places(tmp_path / "cache", tmp_path / "data"))
    settings = parse_settings(TIERS + '[live]\ngates = { small = "live.json" }')
    plan = build(settings, around).router.plan
    assert isinstance(plan.release_gate, ReleaseGate)
    assert {n: rule.threshold for n, rule in plan.release_gate.rules.items()} == {
        0: found["threshold"]
    }


def test_where_nothing_can_be_promised_nothing_is_written(here: Here, tmp_path: Path) -> None:
    file = drafts(tmp_path / "drafts.jsonl", 60)
    ended = here("fit-live", str(file), "--risk", "0.01", "--out", "live.json")
    assert ended.code == 3
    assert "it takes 230" in ended.err  # .99^230 = .0991
    assert "Nothing was written" in ended.err
    assert not (tmp_path / "live.json").exists()


def test_people_are_told_what_was_found(here: Here, tmp_path: Path) -> None:
    file = drafts(tmp_path / "drafts.jsonl", 400)
    ended = here("fit-live", str(file), "--risk", "0.2", "--out", "live.json")
    assert ended.code == 0
    assert "at most 20.0% of what is shown live is wrong" in ended.out
    assert "written to live.json" in ended.out


def test_drafts_with_passages_are_judged_apart(here: Here, tmp_path: Path) -> None:
    file = drafts(tmp_path / "drafts.jsonl", 60, retrieved=20)
    ended = here("fit-live", str(file), "--out", "live.json")
    assert ended.code == 2 and "20 of 60" in ended.err
    file = drafts(tmp_path / "drafts.jsonl", 400, retrieved=400)
    ended = here("fit-live", str(file), "--risk", "0.2", "--out", "live.json", "--json")
    assert json.loads(ended.out)["retrieved"] is True
    assert load_prefix_gate(tmp_path / "live.json", "live").retrieved is True


def test_a_certified_profile_takes_no_live_gate(tmp_path: Path) -> None:
    from surefoot.graphs.live_gate import build_release_gate

    around = Surroundings(folder=tmp_path, places=Places(tmp_path / "cache", tmp_path / "data"))
    settings = parse_settings(TIERS + '[live]\ngates = { small = "live.json" }')
    with pytest.raises(ConfigurationError, match="certified over whole answers") as raised:
        build_release_gate(settings, True, around)
    assert raised.value.field == "live"
