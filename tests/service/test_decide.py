"""`surefoot decide`: what the policy would do with drafts that an application already has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .doors import Here

CONFIG = """
[[tiers]]
name = "small"
model = "caller:my-small"
price = { input = 1.0, output = 1.0 }
[[tiers]]
name = "large"
model = "caller:my-large"
price = { input = 9.0, output = 9.0 }
[signals]
given = ["reward"]
[policy]
POLICY
[retrieval]
enabled = false
[history]
url = "memory:"
"""
BARE = "thresholds = { small = 0.7, large = 0.5 }"


def row(id: str, reward: float | None, **more: Any) -> dict[str, Any]:
    given = {} if reward is None else {"given_signals": {"reward": reward}}
    return {"id": id, "question": "Which city?", "greedy": {"text": "Paris"}, **given, **more}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "surefoot.toml"
    path.write_text(CONFIG.replace("POLICY", BARE))
    return path


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def test_every_draft_gets_a_decision_in_order(here: Here, config: Path, tmp_path: Path) -> None:
    drafts = write(tmp_path / "d.jsonl", [row("a", 0.9), row("b", 0.2), row("c", None)])
    done = here("decide", drafts, "--config", config)
    assert (done.code, done.err) == (0, "")
    a, b, c = (json.loads(line) for line in done.out.splitlines())
    assert [one["id"] for one in (a, b, c)] == ["a", "b", "c"]
    assert (a["action"], a["confidence"], a["gated"]) == ("answer", 0.9, True)
    assert a["compared"] == [{"name": "reward", "value": 0.9, "relation": ">=", "bound": 0.7}]
    assert (b["action"], b["escalate_to"]) == ("escalate", "large")
    assert c["signals"]["reward"] == {"unavailable": "the caller gave none"}
    assert (c["action"], c["confidence"]) == ("escalate", None)


def test_the_drafting_tier_can_be_named(here: Here, config: Path, tmp_path: Path) -> None:
    drafts = write(tmp_path / "d.jsonl", [row("a", 0.6), row("b", 0.2)])
    done = here("decide", drafts, "--config", config, "--tier", "large")
    assert [json.loads(line)["action"] for line in done.out.splitlines()] == ["answer", "abstain"]
    done = here("decide", drafts, "--config", config, "--tier", "medium")
    done.check_complaint(2, "no tier is called 'medium'", "small, large")


def test_a_file_takes_its_place_whole_or_not_at_all(
    here: Here, config: Path, tmp_path: Path
) -> None:
    out = tmp_path / "decisions.jsonl"
    drafts = write(tmp_path / "d.jsonl", [row("a", 0.9), row("b", 0.2, question="  ")])
    failed = here("decide", drafts, "--config", config, "--out", out)
    failed.check_complaint(2, f"{drafts}:2", "the question is empty")
    assert not out.exists()
    done = here("decide", drafts, "--config", config, "--out", out, "--on-error", "skip", "--json")
    assert done.code == 0
    document = done.document
    assert (document["records"], document["skipped"]) == (1, 1)
    assert document["actions"] == {"answer": 1}
    assert len(out.read_text().splitlines()) == 1


def test_a_summary_needs_a_file(here: Here, config: Path, tmp_path: Path) -> None:
    drafts = write(tmp_path / "d.jsonl", [row("a", 0.9)])
    here("decide", drafts, "--config", config, "--json").check_complaint(2, "--out")


@pytest.mark.parametrize(
    ("signals", "words"),
    [
        ('given = ["perplexity"]', "is an estimator's name"),
        ('given = ["x", "x"]', "named twice"),
        ('free = ["perplexity", "perplexity"]', "named twice"),
    ],
)
def test_names_that_would_be_mistaken_are_refused(
    here: Here, config: Path, tmp_path: Path, signals: str, words: str
) -> None:
    config.write_text(config.read_text().replace('given = ["reward"]', signals))
    drafts = write(tmp_path / "d.jsonl", [row("a", 0.9)])
    here("decide", drafts, "--config", config).check_complaint(2, words)


def test_a_tier_of_the_applications_own_is_never_asked(here: Here, config: Path) -> None:
    done = here("ask", "Which city?", "--config", config, "--json")
    assert done.code == 4
    assert "come from the application" in " ".join(json.loads(done.out)["degraded"])


def outcomes(path: Path) -> Path:
    """200 questions whose small tier is right where its reward is high."""
    rows = []
    for n in range(200):
        for tier in (0, 1):
            reward = (n % 20) / 20 if tier == 0 else 0.9
            loss = float(reward < 0.5) if tier == 0 else float(n % 10 == 0)
            rows.append(
                {
                    "query_id": f"q{n}",
                    "tier": tier,
                    "round": 0,
                    "retrieved": False,
                    "answer": "Paris",
                    "loss": loss,
                    "cost": 1.0 + 9.0 * tier,
                    "latency_s": 0.1,
                    "signals": {"reward": reward},
                    "signal_costs": {},
                }
            )
    return write(path, rows)


def test_a_profile_fitted_on_the_applications_own_score_binds_by_its_name(
    here: Here, config: Path, tmp_path: Path
) -> None:
    table, profile = outcomes(tmp_path / "outcomes.jsonl"), tmp_path / "profile.json"
    assert here("fit", table, "--uncertified", "--out", profile).code == 0
    config.write_text(config.read_text().replace(BARE, 'profile = "profile.json"'))
    drafts = write(tmp_path / "d.jsonl", [row("a", 0.95), row("b", 0.1)])
    done = here("decide", drafts, "--config", config)
    assert done.code == 0, done.err
    a, b = (json.loads(line) for line in done.out.splitlines())
    assert (a["action"], b["action"]) == ("answer", "escalate")
    assert a["estimate"]["calibrated"] and a["estimate"]["signal"] == "reward"
    assert a["confidence"] > 0.9 > 0.2 > b["confidence"]
