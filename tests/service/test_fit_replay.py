"""`surefoot fit` and `surefoot replay`, and the profile on its way from the one to `ask`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .doors import Here, write_config
from .endpoint import Endpoint
from .tables import QUESTIONS, write_outcomes

FRANCE = "What is the capital of France?"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_outcomes(tmp_path / "outcomes.jsonl")


@pytest.fixture
def profile(here: Here, table: Path, tmp_path: Path) -> Path:
    path = tmp_path / "profile.json"
    assert here("fit", table, "--uncertified", "--out", path).code == 0
    return path


def test_fitting_the_same_rows_again_gives_the_same_profile(here: Here, table: Path) -> None:
    first = here("fit", table, "--uncertified", "--out", "a.json", "--json").document
    again = here("fit", table, "--uncertified", "--out", "b.json", "--json").document
    assert first["fingerprint"] == again["fingerprint"]
    assert first["fitted_on"]["questions"] == QUESTIONS
    other = here("fit", table, "--uncertified", "--out", "c.json", "--json", "--error-price", "1")
    assert other.document["fingerprint"] != first["fingerprint"]
    assert other.document["prices"] == {"error": 1.0, "abstain": 0.5}


def test_the_calibrators_are_those_that_are_asked_for(here: Here, table: Path) -> None:
    def kinds(*options: str) -> tuple[set[str], set[str]]:
        assert here("fit", table, "--uncertified", "--out", "p.json", *options).code == 0
        rungs = json.loads(Path("p.json").read_text())["calibrators"]
        found = [one for rung in rungs for one in rung["signals"]]
        combined = {one["combination"]["kind"] for one in found if "combination" in one}
        return {one["kind"] for one in found if "combination" not in one}, combined

    assert kinds("--calibration", "beta", "--combine", "none") == ({"beta"}, set())
    two = kinds("--calibration", "isotonic", "--calibration", "temperature", "--combine", "none")
    assert two[0] <= {"isotonic", "temperature"} and not two[1]
    refused = here("fit", table, "--uncertified", "--out", "p.json", "--calibration", "spline")
    assert refused.code == 2


def test_people_are_told_that_nothing_is_certified(here: Here, table: Path, profile: Path) -> None:
    fitted = here("fit", table, "--uncertified", "--out", "again.json")
    assert fitted.code == 0
    # Nothing but how far it is, which a busy machine gets to see.
    assert all(line.startswith("searching rules: ") for line in fitted.err.splitlines())
    assert "uncertified: no error rate was tested" in fitted.out
    replayed = here("replay", table, "--profile", profile)
    assert replayed.code == 0
    assert "uncertified: no error rate is promised" in replayed.out
    assert "always small" in replayed.out.replace("_", " ").replace("-", " ")


def test_fit_promises_nothing_that_it_cannot_keep(here: Here, table: Path) -> None:
    done = here("fit", table, "--out", "p.json")
    done.check_complaint(2, "--uncertified")
    assert not Path("p.json").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [("--error-price", "-1"), ("--error-price", "nan"), ("--abstain-price", "inf")],
)
def test_a_wrong_price_is_refused_before_anything_is_written(
    here: Here, table: Path, option: str, value: str
) -> None:
    done = here("fit", table, "--uncertified", "--out", "p.json", option, value)
    done.check_complaint(2, "price", value)
    assert not Path("p.json").exists()


def test_a_table_that_cannot_be_read_is_told_by_file_line_and_field(
    here: Here, table: Path
) -> None:
    here("fit", "no.jsonl", "--uncertified", "--out", "p.json").check_complaint(
        2, "no.jsonl: cannot be read"
    )
    lines = table.read_text().splitlines()
    row = json.loads(lines[4])
    table.write_text("\n".join([*lines[:4], json.dumps({**row, "loss": 2}), *lines[5:]]))
    done = here("fit", table, "--uncertified", "--out", "p.json")
    done.check_complaint(2, f"{table}:5: field 'loss'")
    assert not Path("p.json").exists()


def test_the_table_is_not_overwritten_by_its_own_profile(here: Here, table: Path) -> None:
    before = table.read_bytes()
    done = here("fit", table, "--uncertified", "--out", f"./{table.name}")
    done.check_complaint(2, "is the outcome table itself")
    assert table.read_bytes() == before


def test_an_output_that_cannot_be_written_is_the_world_s_fault(here: Here, table: Path) -> None:
    Path("folder").mkdir()
    done = here("fit", table, "--uncertified", "--out", "folder")
    done.check_complaint(1, "folder was not written", "nothing was changed")
    assert list(Path("folder").iterdir()) == []


def test_a_full_disk_leaves_the_profile_that_was_there(
    here: Here, table: Path, full_disk: Callable[[int], Path]
) -> None:
    disk = full_disk(200_000)
    command = ("fit", table, "--uncertified", "--out", disk / "profile.json")
    assert here(*command).code == 0
    before = (disk / "profile.json").read_bytes()
    (disk / "more").write_bytes(bytes(shutil.disk_usage(disk).free))
    done = here(*command, "--error-price", "1")
    done.check_complaint(1, "No space left on device", "nothing was changed")
    assert (disk / "profile.json").read_bytes() == before
    assert sorted(path.name for path in disk.iterdir()) == ["ballast", "more", "profile.json"]


def test_replay_writes_a_report(here: Here, table: Path, profile: Path) -> None:
    done = here("replay", table, "--profile", profile, "--report", "report", "--json")
    report = json.loads(Path("report/replay.json").read_text())
    assert report == done.document
    assert sorted(path.name for path in Path("report").iterdir()) == ["replay.json", "report.html"]
    page = Path("report/report.html").read_text()
    assert page.startswith("<!DOCTYPE html>") and "<svg" in page and "src=" not in page
    assert f"{100 * report['quality']:.1f} %" in page and report["profile"] in page
    assert report["n"] == QUESTIONS
    served = sum(rung["share"] for rung in report["served_from"])
    assert served + report["abstained_share"] == pytest.approx(1.0)
    assert report["gated_share"] <= served + 1e-12


def test_the_areas_of_a_replay_have_intervals(here: Here, table: Path, profile: Path) -> None:
    document = here("replay", table, "--profile", profile, "--json", "--seed", "3").document
    for name in ("nauc", "apgr", "aiq"):
        low, high = document["intervals"][name]
        assert low <= document[name] <= high
    again = here("replay", table, "--profile", profile, "--json", "--seed", "3").document
    other = here("replay", table, "--profile", profile, "--json").document
    assert again == document
    assert other["nauc"] == document["nauc"] and other["intervals"] != document["intervals"]


def test_two_profiles_on_the_same_questions(here: Here, table: Path, profile: Path) -> None:
    fitted = here("fit", table, "--uncertified", "--out", "other.json", "--error-price", "1e-5")
    assert fitted.code == 0
    command = ("replay", table, "--profile", profile, "--against", "other.json")
    done = here(*command, "--report", "report", "--json").document
    alone = here("replay", table, "--profile", "other.json", "--json").document
    for name in ("quality", "cost", "gated_share", "system_risk"):
        compared = done["against"][name]
        assert set(compared) == {"first", "second", "difference", "interval", "share_above"}
        assert compared["first"] == pytest.approx(done[name])
        assert compared["second"] == pytest.approx(alone[name])
        assert compared["difference"] == pytest.approx(done[name] - alone[name])
        low, high = compared["interval"]
        slack = 1e-9 * abs(compared["difference"])  # of sums in another order
        assert low - slack <= compared["difference"] <= high + slack
    assert "other.json" in Path("report/report.html").read_text()
    shown = here(*command)
    assert shown.code == 0 and "against other.json" in shown.out


def test_a_certificate_is_told_beside_the_risk_of_this_table(here: Here, tmp_path: Path) -> None:
    rows = [
        {
            "query_id": f"q{number}",
            "tier": tier,
            "round": 0,
            "retrieved": False,
            "answer": "yes",
            "loss": float(number % 20 == 0 and tier == 0),
            "cost": 1.0 + 9.0 * tier,
            "latency_s": None,
            "signals": {"s": 0.1 + 0.002 * number},
        }
        for number in range(200)
        for tier in (0, 1)
    ]
    Path("o.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    target = ("--risk", "selective", "--alpha", "0.1", "--fallback", "last-tier")
    assert here("fit", "o.jsonl", *target, "--out", "c.json").code == 0
    shown = here("replay", "o.jsonl", "--profile", "c.json")
    words = " ".join(shown.out.split())
    assert shown.code == 0
    assert "certified: selective risk at most 0.1:" in words
    assert "beside the 0.1 certified" in words
    assert "uncertified" not in words
    document = here("replay", "o.jsonl", "--profile", "c.json", "--json").document
    assert document["certificate"]["alpha"] == 0.1
    assert document["latency_s"] is None
    assert f"selective risk on this table: {document['selective_risk']:.4f}" in words


def test_a_table_that_the_profile_does_not_fit(here: Here, table: Path, profile: Path) -> None:
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    renamed = [{**row, "signals": {"mine": 0.5}} for row in rows]
    unjudged = [{**row, "loss": None} for row in rows]
    third = [{**row, "tier": 2} for row in rows if row["tier"] == 1]
    for name, content, words in (
        ("renamed", renamed, ("reads perplexity", "signals are mine")),
        ("unjudged", unjudged, ("has no loss", "judge it first")),
        ("third", [*rows, *third], ("has 3 tiers, the profile 2",)),
    ):
        path = Path(f"{name}.jsonl")
        path.write_text("".join(json.dumps(row) + "\n" for row in content))
        here("replay", path, "--profile", profile).check_complaint(2, *words)


def test_a_row_that_the_policy_reaches_is_missed_by_file_and_question(
    here: Here, table: Path, profile: Path
) -> None:
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    kept = [row for row in rows if (row["query_id"], row["tier"]) != ("q1", 1)]
    Path("holes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))

    done = here("replay", "holes.jsonl", "--profile", profile)

    done.check_complaint(2, "holes.jsonl: query 'q1' has no row for tier 1")


def test_texts_of_questions_come_from_a_file(here: Here, table: Path, profile: Path) -> None:
    texts = Path("texts.jsonl")
    texts.write_text(
        '{"query_id": "q0", "question": "Who?"}\n{"query_id": "q1", "prompt": "Why?"}\n'
    )
    command = ("replay", table, "--profile", profile, "--questions", texts, "--json")
    assert here(*command).code == 0
    texts.write_text('{"query_id": "q0", "question": "Who?"}\n{"query_id": "q1"}\n')
    here(*command).check_complaint(2, "texts.jsonl:2", "prompt")
    texts.write_text('{"query_id": "q0", "prompt": "a"}\n{"query_id": "q0", "prompt": "b"}\n')
    here(*command).check_complaint(2, "texts.jsonl:2", "occurs twice")


def test_a_report_that_cannot_be_written(here: Here, table: Path, profile: Path) -> None:
    Path("report").write_text("a file")
    done = here("replay", table, "--profile", profile, "--report", "report")
    done.check_complaint(1, "report")


# --- what is wrong with a profile ---------------------------------------------------------------


def edited(path: Path, change: dict[str, Any]) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


def test_a_profile_that_is_not_there_or_was_edited_is_refused(
    here: Here, table: Path, profile: Path
) -> None:
    here("replay", table, "--profile", "no.json").check_complaint(2, "no.json: cannot be read")
    policy = json.loads(profile.read_text())["policy"]
    policy["thresholds"][0]["threshold"] = 0.0
    edited(profile, {"policy": policy})
    done = here("replay", table, "--profile", profile)
    done.check_complaint(2, str(profile), "changed after it was fitted")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"schema": 1}', '{"schema": 99}', "\x00"])
def test_a_file_that_is_no_profile_is_refused(
    here: Here, table: Path, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "profile.json"
    path.write_text(content)
    here("replay", table, "--profile", path).check_complaint(2, str(path))


def test_ask_decides_by_the_profile_and_refuses_another_deployment_s(
    here: Here, endpoint: Endpoint, tmp_path: Path
) -> None:
    table = write_outcomes(tmp_path / "o.jsonl", models=("openai:small", "openai:large"))
    prices = ("--error-price", "1e-5")  # ten small drafts: the small tier is asked first
    assert here("fit", table, "--uncertified", "--out", "profile.json", *prices).code == 0
    config = write_config(tmp_path, endpoint, policy='profile = "profile.json"')
    answered = here("ask", FRANCE, "--config", config, "--json")
    assert answered.code == 0
    estimate = answered.document["trail"][0]["estimate"]
    assert estimate["calibrated"] and estimate["signal"] == "perplexity"
    config.write_text(config.read_text().replace("openai:large", "openai:larger"))
    done = here("ask", FRANCE, "--config", config)
    done.check_complaint(
        2, "tier 'tier-1': the profile was fitted on openai:large, but openai:larger", str(config)
    )
    Path("profile.json").unlink()
    here("ask", FRANCE, "--config", config).check_complaint(2, "profile.json: cannot be read")
