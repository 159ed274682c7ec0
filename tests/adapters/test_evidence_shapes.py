"""Shapes that people record: each becomes the documented one, numbers untouched."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from surefoot.adapters.evidence_shapes import normalized_evidence, normalized_generation
from surefoot.router.estimators.catalogue import estimator
from surefoot.router.evidence import Generation
from surefoot.router.evidence_file import parse_evidence
from surefoot.router.reading import read_signals
from surefoot.router.signals import Signal, Unavailable

ENTRIES = [
    {
        "token": "Par",
        "logprob": -0.5,
        "top_logprobs": [{"token": "Par", "logprob": -0.5}, {"token": "Ro", "logprob": -1.5}],
    },
    {
        "token": "is",
        "logprob": -0.25,
        "top_logprobs": [{"token": "is", "logprob": -0.25}, {"token": "me", "logprob": -2.0}],
    },
]
LEGACY = {
    "tokens": ["Par", "is"],
    "token_logprobs": [-0.5, -0.25],
    "top_logprobs": [{"Par": -0.5, "Ro": -1.5}, {"is": -0.25, "me": -2.0}],
    "text_offset": [0, 3],
}


def read(greedy: object) -> Generation:
    line = json.dumps({"question": "q", "greedy": greedy}).encode()
    return parse_evidence(line, "f", 1, normalized_evidence).evidence.greedy


@pytest.mark.parametrize(
    "tokens",
    [
        ENTRIES,
        {"content": ENTRIES},
        {"content": ENTRIES, "refusal": None},
        LEGACY,
        [{**entry, "bytes": list(str(entry["token"]).encode())} for entry in ENTRIES],
        [
            {
                **entry,
                "top_logprobs": {one["token"]: one["logprob"] for one in entry["top_logprobs"]},  # type: ignore[attr-defined]  # a list in ENTRIES
            }
            for entry in ENTRIES
        ],
    ],
    ids=["flat", "content", "refusal", "legacy", "bytes", "mapping"],
)
def test_every_shape_of_logprobs_gives_the_same_tokens(tokens: object) -> None:
    expected = read({"text": "Paris", "tokens": ENTRIES})
    assert [token.logprob for token in expected.tokens] == [-0.5, -0.25]
    assert read({"text": "Paris", "tokens": tokens}) == expected


@pytest.mark.parametrize("tokens", [None, [], {"content": None}, {"content": []}])
def test_no_logprobs_are_no_tokens(tokens: object) -> None:
    assert read({"text": "Paris", "tokens": tokens}) == Generation("Paris")


def test_sentinels_and_marks_survive_so_that_hygiene_can_judge_them() -> None:
    entries = [
        {"token": "Paris", "logprob": -9999.0, "top_logprobs": [{"token": "x", "logprob": None}]},
        {"token": "</s>", "logprob": None, "top_logprobs": None, "special": True},
    ]
    first, last = read({"text": "Paris", "tokens": {"content": entries}}).tokens
    assert first.logprob == -9999.0
    assert math.isnan(first.top_logprobs[0].logprob)
    assert (last.logprob, last.top_logprobs, last.special) == (None, (), True)


def test_characters_across_tokens_are_joined_from_bytes_and_can_be_scored() -> None:
    pieces = [
        {"token": "\\xc3", "bytes": [195], "logprob": -0.5},
        {"token": "\\xa9", "bytes": [169], "logprob": -0.5},
    ]
    line = json.dumps({"question": "q", "greedy": {"text": "é", "tokens": {"content": pieces}}})
    record = parse_evidence(line.encode(), "f", 1, normalized_evidence)
    (signals,) = read_signals([estimator("g_nll")], [record.evidence])
    found = signals["g_nll"]
    assert isinstance(found, Signal) and found.raw == 1.0


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("end_turn", "stop"),
        ("STOP", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("function_call", "tool_calls"),
        ("something new", None),
        (None, None),
    ],
)
def test_reasons_to_finish(written: str | None, read_as: str | None) -> None:
    assert read({"text": "Paris", "finish_reason": written}).finish_reason == read_as


@pytest.mark.parametrize(
    "call",
    [
        {"name": "find", "arguments": '{"city": "Rome"}'},
        {"name": "find", "arguments": {"city": "Rome"}},
        {"name": "find", "args": {"city": "Rome"}, "id": "1", "type": "tool_call"},
        {
            "id": "1",
            "type": "function",
            "function": {"name": "find", "arguments": '{"city": "Rome"}'},
        },
    ],
)
def test_tool_calls(call: dict[str, Any]) -> None:
    found = read({"text": None, "tool_calls": [call]})
    assert found.text == ""
    assert [(one.name, json.loads(one.arguments)) for one in found.tool_calls] == [
        ("find", {"city": "Rome"})
    ]


def test_texts_alone_nulls_and_numbers_of_ids() -> None:
    row = {
        "question": "q",
        "greedy": "Paris",
        "samples": ["Rome", {"text": "Oslo"}],
        "passages": ["first", {"id": 4, "text": "second", "score": None}],
        "asked": {"p_true": {"text": "True"}, "other": [{"text": "x"}, "y"]},
        "peers": {"m": "Rome"},
        "nli": None,
        "without_context": None,
        "greedy_similarity": [None, 0.5],
    }
    found = parse_evidence(json.dumps(row).encode(), "f", 1, normalized_evidence).evidence
    assert [sample.text for sample in found.samples] == ["Rome", "Oslo"]
    assert [(p.id, p.text, p.score) for p in found.passages] == [
        ("1", "first", 0.0),
        ("4", "second", 0.0),
    ]
    assert [len(found.asked[kind]) for kind in ("p_true", "other")] == [1, 2]
    assert found.peers["m"] == Generation("Rome")
    assert found.nli is None and found.without_context is None
    assert found.greedy_similarity is not None and math.isnan(found.greedy_similarity[0])


def test_what_is_unknown_is_left_for_the_reader_to_refuse() -> None:
    for odd in (5, [1], True, {"tokens": 5}, {"tokens": {"foo": 1}}, {"tool_calls": 5}):
        normalized_generation(odd)
    assert normalized_generation({"text": "x", "tokens": {"foo": 1}})["tokens"] == {"foo": 1}


def test_a_tool_call_without_text_is_no_empty_answer() -> None:
    row = {
        "question": "q",
        "greedy": {"text": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
    }
    record = parse_evidence(json.dumps(row).encode(), "f", 1, normalized_evidence)
    (signals,) = read_signals([estimator("perplexity")], [record.evidence])
    assert signals["perplexity"] == Unavailable("tool call")
