"""Gates over the beginnings of drafts, as files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot.policies.prefix_gate_file import (
    PrefixGateFile,
    load_prefix_gate,
    save_prefix_gate,
    step_reader,
)
from surefoot.router.errors import BadInput, ConfigurationError, ProfileMismatch

STEPS = PrefixGateFile(
    "steps",
    "mmboundary",
    1,
    "sentence",
    0.25,
    "local:gemma-3-270m-it",
    promise={"lost": 0.05, "delta": 0.1, "right": 80},
    fitted_on={"drafts": 100},
)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save_prefix_gate(STEPS, tmp_path / "steps.json")
    assert load_prefix_gate(tmp_path / "steps.json", "steps") == STEPS
    assert STEPS.reader("local:gemma-3-270m-it").positions.name == "sentence"
    live = replace(STEPS, kind="live", retrieved=False)
    save_prefix_gate(live, tmp_path / "live.json")
    assert load_prefix_gate(tmp_path / "live.json", "live") == live


def test_one_kind_does_not_pass_for_the_other(tmp_path: Path) -> None:
    save_prefix_gate(STEPS, tmp_path / "steps.json")
    with pytest.raises(BadInput, match="surefoot fit-live"):
        load_prefix_gate(tmp_path / "steps.json", "live")


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
        ({"retrieved": 1}, "retrieved"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, object], field: str) -> None:
    path = tmp_path / "steps.json"
    save_prefix_gate(STEPS, path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BadInput) as raised:
        load_prefix_gate(path, "steps")
    assert (raised.value.file, raised.value.field) == (str(path), field)


def test_a_missing_field_and_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "steps.json"
    save_prefix_gate(STEPS, path)
    data = json.loads(path.read_text())
    del data["positions"]
    path.write_text(json.dumps(data))
    with pytest.raises(BadInput, match="is missing"):
        load_prefix_gate(path, "steps")
    path.write_text('{"schema": 1,\n "kind"')
    with pytest.raises(BadInput, match="not JSON") as raised:
        load_prefix_gate(path, "steps")
    assert raised.value.line == 2
    with pytest.raises(BadInput, match="cannot be read"):
        load_prefix_gate(tmp_path / "none.json", "steps")


def test_it_runs_on_nothing_else_than_it_was_fitted_on() -> None:
    with pytest.raises(ProfileMismatch, match="model"):
        STEPS.reader("local:other")
    assert replace(STEPS, model=None).reader("local:other").estimator.name == "mmboundary"
    with pytest.raises(ProfileMismatch, match="content_filter"):
        STEPS.reader("local:gemma-3-270m-it", content_filter=False)
    with pytest.raises(ProfileMismatch, match="version 7"):
        replace(STEPS, version=7).reader("local:gemma-3-270m-it")


@pytest.mark.parametrize("signal", ["self_consistency", "verbatim_support", "token_sar", "critic"])
def test_a_step_has_its_tokens_and_nothing_else(signal: str) -> None:
    with pytest.raises(ConfigurationError):
        step_reader(signal, "sentence")
