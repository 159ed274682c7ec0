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
    assert fitted.code == 0 and fitted.err == ""
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
    for name in ("cost_quality.png", "risk_coverage.png"):
        assert Path("report", name).read_bytes().startswith(b"\x89PNG")
    assert report["n"] == QUESTIONS
    served = sum(rung["share"] for rung in report["served_from"])
    assert served == pytest.approx(report["gated_share"])
    assert report["gated_share"] + report["abstained_share"] == pytest.approx(1.0)


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
    assert here("fit", table, "--uncertified", "--out", "profile.json").code == 0
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
