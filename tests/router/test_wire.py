"""Records survive JSON, whatever is in them."""

from __future__ import annotations

import collections.abc
import enum
import inspect
import json
import types
from dataclasses import is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.router import budget, decisions, evidence, protocols, requests, signals, state
from surefoot.router.decisions import Attempt
from surefoot.router.errors import UsageError
from surefoot.router.evidence import Generation, Passage
from surefoot.router.requests import Asked, Reply, Sampled
from surefoot.router.signals import Estimate, Signal, Unavailable
from surefoot.router.wire import decode, decode_json, encode, encode_json

some = settings(max_examples=30)

_KNOWN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(st.characters(), max_size=5),  # lone surrogates and NULs among them
    int: st.integers(-(2**53), 2**53),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    type(None): st.none(),
}


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Every value that a field annotated so may have, containers kept short."""
    if kind not in _KNOWN:
        _KNOWN[kind] = _made_for(kind)
    return _KNOWN[kind]


def _made_for(kind: Any) -> st.SearchStrategy[Any]:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values_of, inner))
    if origin is Literal:
        return st.sampled_from(inner)
    if origin is tuple and inner[-1] is Ellipsis:
        return st.lists(values_of(inner[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values_of, inner))
    if origin is list:
        return st.lists(values_of(inner[0]), max_size=2)
    if origin in (dict, collections.abc.Mapping):
        # Keys are names and numbers from our side; pydantic would replace a lone surrogate in one.
        keys = st.text(max_size=5) if inner[0] is str else values_of(inner[0])
        return st.dictionaries(keys, values_of(inner[1]), max_size=2)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return st.sampled_from(list(kind))
    hints = get_type_hints(kind)
    return st.builds(kind, **{name: values_of(hint) for name, hint in hints.items()})


def records() -> list[type[Any]]:
    """Every dataclass of the shared language, but a reply: see the test of its own."""
    found: list[type[Any]] = []
    for module in (budget, decisions, evidence, protocols, requests, signals, state):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            is_own = kind.__module__ == module.__name__
            if is_own and is_dataclass(kind) and kind is not Reply:
                found.append(kind)
    return found


def same(one: object, other: object) -> bool:
    """Equal, and of the same types all the way down: 1, 1.0 and True are different values."""
    return one == other and repr(one) == repr(other)


def test_no_record_is_left_out() -> None:
    names = {kind.__name__ for kind in records()}
    assert {"Attempt", "Result", "Evidence", "RunRecord", "RunState", "Repeat"} <= names
    assert len(names) > 40


@pytest.mark.parametrize("kind", records())
@some
@given(data=st.data())
def test_a_record_survives_json(kind: type[Any], data: st.DataObject) -> None:
    record = data.draw(values_of(kind))
    text = json.dumps(encode(record), allow_nan=False)
    assert same(decode(kind, json.loads(text)), record)


@pytest.mark.parametrize("kind", [decisions.Result, evidence.Evidence, protocols.RunRecord])
@some
@given(data=st.data())
def test_a_record_of_valid_texts_survives_as_one_line(kind: type[Any], data: st.DataObject) -> None:
    record = data.draw(values_of(kind))
    try:
        line = encode_json(record)
    except ValueError:  # a lone surrogate is no valid text, and UTF-8 cannot hold it
        return
    assert "\n" not in line
    assert same(decode_json(kind, line), record)
    assert json.loads(line) == encode(record)


def test_plain_values_and_nothing_else() -> None:
    attempt = Attempt(
        *("1", 0, 1, True, "Paris", "stop", None, 0.5),
        {"a": Signal("a", 1.0, 2.5, "uncertainty", {"k": 3}), "b": Unavailable("no logprobs")},
        {"a": None},
        Estimate(0.75, "a", True, "f1"),
        ("p1", "p2"),
    )
    assert encode(attempt) == {
        "id": "1",
        "tier": 0,
        "round": 1,
        "retrieved": True,
        "text": "Paris",
        "finish_reason": "stop",
        "cost": None,
        "latency_s": 0.5,
        "signals": {
            "a": {
                "name": "a",
                "value": 1.0,
                "raw": 2.5,
                "direction": "uncertainty",
                "details": {"k": 3},
            },
            "b": {"reason": "no logprobs"},
        },
        "signal_costs": {"a": None},
        "estimate": {
            "p": 0.75,
            "signal": "a",
            "calibrated": True,
            "calibrator": "f1",
            "fallback": None,
        },
        "passage_ids": ["p1", "p2"],
        "rationale": "",
        "tool_calls": [],
        "begun": "",
        "stopped": "",
        "released": "",
    }


def test_unknown_fields_of_a_newer_version_are_ignored() -> None:
    assert decode(
        Passage, {"id": "1", "title": "t", "text": "x", "score": 1, "new": []}
    ) == Passage("1", "t", "x", 1.0)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"id": "1", "title": "t", "text": "x"}, "Passage: field 'score': Field required"),
        ({"id": "1", "title": "t", "text": "x", "score": "high"}, "Passage: field 'score'"),
        ("no record", "Passage: field '(the whole record)'"),
    ],
)
def test_what_does_not_fit_is_named(data: object, words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("(", r"\(").replace(")", r"\)")):
        decode(Passage, data)
    with pytest.raises(UsageError, match=words.split(":")[0]):
        decode_json(Passage, json.dumps(data))


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(UsageError, match="Invalid JSON"):
        decode_json(Passage, "{")


def test_a_reply_cannot_be_told_from_its_form_alone() -> None:
    """Why replies are never stored: two kinds of outcome look the same as JSON."""
    generations = (Generation("Paris"),)
    assert encode(Reply(Sampled(generations))) == encode(Reply(Asked(generations)))
