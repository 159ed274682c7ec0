"""Step gates as files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot.policies.step_file import StepFile, load_steps, save_steps, step_reader
from surefoot.router.errors import BadInput, ConfigurationError, ProfileMismatch

STEPS = StepFile(
    "mmboundary",
    1,
    "sentence",
    0.25,
    "local:gemma-3-270m-it",
    promise={"lost": 0.05, "delta": 0.1, "right": 80},
    fitted_on={"drafts": 100},
)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save_steps(STEPS, tmp_path / "steps.json")
    assert load_steps(tmp_path / "steps.json") == STEPS
    rule = STEPS.rule("local:gemma-3-270m-it")
    assert (rule.threshold, rule.reader.positions.name) == (0.25, "sentence")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"threshold": 1.5}, "threshold"),
        ({"threshold": True}, "threshold"),
        ({"threshold": "0.5"}, "threshold"),
        ({"signal": 3}, "signal"),
        ({"version": None}, "version"),
        ({"promise": []}, "promise"),
        ({"kind": "profile"}, "schema"),
        ({"schema": 2}, "schema"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, object], field: str) -> None:
    path = tmp_path / "steps.json"
    save_steps(STEPS, path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadInput) as raised:
        load_steps(path)
    assert (raised.value.file, raised.value.field) == (str(path), field)


def test_a_missing_field_and_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "steps.json"
    save_steps(STEPS, path)
    data = json.loads(path.read_text())
    del data["positions"]
    path.write_text(json.dumps(data))
    with pytest.raises(BadInput, match="is missing"):
        load_steps(path)
    path.write_text('{"schema": 1,\n "kind"')
    with pytest.raises(BadInput, match="not JSON") as raised:
        load_steps(path)
    assert raised.value.line == 2
    with pytest.raises(BadInput, match="cannot be read"):
        load_steps(tmp_path / "none.json")


def test_it_runs_on_nothing_else_than_it_was_fitted_on() -> None:
    with pytest.raises(ProfileMismatch, match="model"):
        STEPS.rule("local:other")
    assert replace(STEPS, model=None).rule("local:other").threshold == 0.25
    with pytest.raises(ProfileMismatch, match="content_filter"):
        STEPS.rule("local:gemma-3-270m-it", content_filter=False)
    with pytest.raises(ProfileMismatch, match="version 7"):
        replace(STEPS, version=7).rule("local:gemma-3-270m-it")


@pytest.mark.parametrize("signal", ["self_consistency", "verbatim_support", "token_sar", "critic"])
def test_a_step_has_its_tokens_and_nothing_else(signal: str) -> None:
    with pytest.raises(ConfigurationError):
        step_reader(signal, "sentence")
