"""The JSON that other tools rely on: which keys there are, and of what kind their values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from surefoot.router.decisions import Result
from surefoot.router.signals import Estimate
from surefoot.service.documents import ask_document

from .doors import Here
from .results import ABSTAINED, ANSWERED, NAMES, check_golden
from .tables import write_outcomes

ASK_KEYS = (
    "schema action answer confidence reason tier model rounds cost latency_s certificate degraded "
    "trail"
).split()
STEP_KEYS = (
    "step request tier signals estimate compared alternatives action reason cost elapsed_s"
).split()
REPLAY_KEYS = (
    "n gated_share selective_risk joint_risk system_risk abstained_share deferred_share quality "
    "cost latency_s nauc apgr aiq ibc_lift intervals baselines certificate"
).split()
FIT_KEYS = ("schema", "certified", "not_certified", "targets", "advice")


_KINDS = {str: "text", bool: "boolean", int: "number", float: "number", type(None): "null"}


def shape(value: Any) -> Any:
    """The kinds of a document's values: a list is told by all of its items' kinds together."""
    if isinstance(value, Mapping):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        kinds: list[Any] = []
        for item in value:
            if shape(item) not in kinds:
                kinds.append(shape(item))
        return kinds
    return _KINDS[type(value)]


def check_shape(name: str, document: Mapping[str, Any]) -> None:
    check_golden(name, json.dumps(shape(document), indent=1, ensure_ascii=False) + "\n")


def test_ask() -> None:
    document = ask_document(ANSWERED, NAMES)
    assert [key for key in ASK_KEYS if key not in document] == []
    for step in document["trail"]:
        assert [key for key in STEP_KEYS if key not in step] == []
    check_shape("ask.json", document)


@pytest.mark.parametrize("result", [ANSWERED, ABSTAINED], ids=["answered", "abstained"])
def test_ask_is_json_that_says_what_the_result_says(result: Result) -> None:
    document = json.loads(json.dumps(ask_document(result, NAMES), allow_nan=False))
    assert document["action"] == result.action.value
    assert document["answer"] == result.answer
    assert document["degraded"] == list(result.degraded)
    assert [step["request"] for step in document["trail"]] == [s.request for s in result.trail]


def test_a_signal_that_is_missing_says_why_and_is_never_a_number() -> None:
    document = ask_document(ANSWERED, NAMES)
    draft, failed = document["trail"][1], document["trail"][4]
    assert draft["signals"]["g_nll"] == {"value": 0.38, "raw": 0.97, "direction": "uncertainty"}
    assert draft["signals"]["lexical_support"] == {"unavailable": "there are no passages"}
    assert failed["estimate"] == {"unavailable": "empty answer"}
    assert failed["cost"] is None


def test_a_preferred_signal_that_was_unavailable_is_named_and_nothing_else_is() -> None:
    plain = ask_document(ANSWERED, NAMES)["trail"]
    assert all("fallback" not in (step["estimate"] or {}) for step in plain)
    estimate = Estimate(0.7, "b", True, "f", fallback="a: no logprobs")
    steps = (replace(ANSWERED.trail[0], estimate=estimate), *ANSWERED.trail[1:])
    told = ask_document(replace(ANSWERED, trail=steps), NAMES)["trail"][0]["estimate"]
    assert told == {
        "p": 0.7,
        "signal": "b",
        "calibrated": True,
        "calibrator": "f",
        "fallback": "a: no logprobs",
    }


def test_fit_and_replay(here: Here, tmp_path: Path) -> None:
    table = write_outcomes(tmp_path / "outcomes.jsonl")
    fitted = here("fit", table, "--uncertified", "--out", "p.json", "--json").document
    assert [key for key in FIT_KEYS if key not in fitted] == []
    assert fitted["certified"] is False
    check_shape("fit.json", fitted)
    replayed = here("replay", table, "--profile", "p.json", "--json").document
    assert [key for key in REPLAY_KEYS if key not in replayed] == []
    check_shape("replay.json", replayed)
