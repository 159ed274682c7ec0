"""`surefoot fit` on outcomes that are graded: losses anywhere in [0, 1], not only 0 and 1."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from .doors import Here

QUESTIONS = 400
ALPHA = 0.2


@pytest.fixture
def graded(tmp_path: Path) -> Path:
    """Two tiers whose losses, in tenths, fall with a confidence that is right about them."""
    draw = random.Random(3)
    lines = []
    for number in range(QUESTIONS):
        hardness = draw.random()
        for tier in (0, 1):
            quality = min(1.0, max(0.0, 1.0 - hardness * (1.0 - 0.6 * tier)))
            hits = sum(draw.random() < quality for _ in range(10))
            row = {
                "query_id": f"q{number}",
                "tier": tier,
                "round": 0,
                "retrieved": False,
                "answer": f"answer {number}",
                "loss": (10 - hits) / 10,
                "cost": 10.0**tier,
                "signals": {
                    "perplexity": min(1.0, max(0.0, quality**2 + draw.gauss(0.0, 0.05))),
                    "min_token_prob": min(1.0, max(0.0, quality + draw.gauss(0.0, 0.2))),
                },
            }
            lines.append(json.dumps(row))
    path = tmp_path / "graded.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def calibrators(profile: Path) -> list[dict[str, Any]]:
    """All of a profile's; AUROC has no meaning for graded rows and is null."""
    rungs = json.loads(profile.read_text(encoding="utf-8"))["calibrators"]
    found = [one for rung in rungs for one in rung["signals"]]
    assert all(one["auroc"] is None for one in found)
    return found


def losses(table: Path, tier: int) -> list[float]:
    rows = [json.loads(line) for line in table.read_text(encoding="utf-8").splitlines()]
    return [row["loss"] for row in rows if row["tier"] == tier]


def test_estimates_are_of_quality_and_replay_as_they_were_fitted(here: Here, graded: Path) -> None:
    assert here("fit", graded, "--uncertified", "--out", "p.json").code == 0
    found = calibrators(Path("p.json"))
    small = next(one for one in found if one["signal"] == "perplexity" and one["n"] == QUESTIONS)
    assert small["positives"] == pytest.approx(QUESTIONS - sum(losses(graded, 0)))
    assert small["fit"]["cross_fitted"]["ece"] < 0.05
    replayed = here("replay", graded, "--profile", "p.json", "--json").document
    large = 1.0 - sum(losses(graded, 1)) / QUESTIONS
    assert replayed["baselines"]["always-large"]["quality"] == pytest.approx(large)
    assert replayed["quality"] > large - 0.1


@pytest.mark.parametrize("kind", ["temperature", "platt", "beta", "isotonic", "histogram"])
def test_every_kind_of_calibrator_takes_grades(here: Here, graded: Path, kind: str) -> None:
    options = ("--uncertified", "--calibration", kind, "--combine", "none")
    assert here("fit", graded, *options, "--out", "p.json").code == 0
    assert {one["kind"] for one in calibrators(Path("p.json"))} == {kind}


@pytest.mark.parametrize("kind", ["logistic", "boosted"])
def test_both_combinations_take_grades(here: Here, graded: Path, kind: str) -> None:
    assert here("fit", graded, "--uncertified", "--combine", kind, "--out", "p.json").code == 0
    found = calibrators(Path("p.json"))
    combined = [one for one in found if "combination" in one]
    assert [one["combination"]["kind"] for one in combined] == [kind, kind]


def test_a_mean_loss_is_certified_and_holds_on_replay(here: Here, graded: Path) -> None:
    target = ("--risk", "selective", "--alpha", str(ALPHA), "--loss", "bounded")
    done = here("fit", graded, *target, "--out", "p.json", "--json")

    assert done.code == 0, done
    certificate = done.document["certificate"]
    assert 0 < certificate["losses"] / certificate["n_accepted"] < certificate["upper"] <= ALPHA
    assert len(calibrators(Path("p.json"))) > 0
    replayed = here("replay", graded, "--profile", "p.json", "--json").document
    assert replayed["gated_share"] > 0.2
