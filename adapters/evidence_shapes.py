"""Recorded generations in the shapes that providers and pipelines write, brought into one.

The documented form of an evidence file is `{"text", "tokens": [{"token", "logprob",
"top_logprobs"}]}`. People also record what an API answered: tokens as `{"content": [...]}`, as the
four parallel lists of older completions, with `bytes`, with null for a logprob, tool calls with
their `function` inside. Numbers stay as they came, since what to make of a sentinel is decided in
one place, the estimators' hygiene.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..router.evidence import Token
from .logprobs import read_logprobs

__all__ = ["normalized_evidence", "normalized_generation"]

_MATRICES = (
    "nli",
    "greedy_similarity",
    "sample_similarity",
    "greedy_token_similarity",
    "sample_token_similarity",
    "alternatives_nli",
)
_FINISH = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "stopped": "stopped",
}


def normalized_evidence(row: Mapping[str, Any]) -> dict[str, Any]:
    """A line of an evidence file in the documented form; what is not known stays as it is.

    Optional fields that are null count as absent; a null in a matrix becomes NaN, which makes the
    estimators that read it Unavailable. Never raises: what fits no form is left for the reader to
    refuse by name.
    """
    found = {name: value for name, value in row.items() if value is not None}
    for name in ("greedy", "without_context"):
        if name in found:
            found[name] = normalized_generation(found[name])
    if _is_list(found.get("samples")):
        found["samples"] = [normalized_generation(one) for one in found["samples"]]
    for name in ("peers", "asked"):
        if isinstance(found.get(name), Mapping):
            found[name] = {key: _one_or_many(value) for key, value in found[name].items()}
    if isinstance(found.get("asked"), Mapping):
        found["asked"] = {
            kind: value if _is_list(value) else [value] for kind, value in found["asked"].items()
        }
    if _is_list(found.get("passages")):
        found["passages"] = [_passage(one, i) for i, one in enumerate(found["passages"], start=1)]
    for name in _MATRICES:
        if name in found:
            found[name] = _numbers(found[name])
    return found


def _one_or_many(value: Any) -> Any:
    if _is_list(value):
        return [normalized_generation(one) for one in value]
    return normalized_generation(value)


def normalized_generation(raw: Any) -> Any:
    """A generation in the documented form: `{"text", "tokens", "finish_reason", "tool_calls"}`.

    A bare text is a generation without tokens, a null text an empty one. Reasons to finish that
    this version does not know become null, which is never taken for complete.
    """
    if isinstance(raw, str):
        return {"text": raw}
    if not isinstance(raw, Mapping):
        return raw
    found = dict(raw)
    if "text" in found and found["text"] is None:
        found["text"] = ""
    if "tokens" in found:
        found["tokens"] = _tokens(found["tokens"])
    if isinstance(found.get("finish_reason"), str):
        found["finish_reason"] = _FINISH.get(found["finish_reason"].lower())
    if "tool_calls" in found:
        calls = found["tool_calls"]
        found["tool_calls"] = [_tool_call(one) for one in calls] if _is_list(calls) else calls or []
    return found


def _tokens(raw: Any) -> Any:
    if raw is None:
        return []
    if isinstance(raw, Mapping):
        if "content" not in raw:  # four parallel lists, or something unknown
            reading = read_logprobs(raw)
            return [_written(token) for token in reading.tokens] if reading.tokens else raw
        raw = raw["content"] if raw["content"] is not None else []
    if not _is_list(raw):
        return raw
    entries = [_entry(one) for one in raw]
    if any(isinstance(one, Mapping) and one.get("bytes") for one in entries):
        decoded = read_logprobs(entries).tokens
        if len(decoded) == len(entries):  # else an entry without a text, which the reader refuses
            return [
                {**one, "token": token.token} for one, token in zip(entries, decoded, strict=True)
            ]
    return entries


def _entry(raw: Any) -> Any:
    if not isinstance(raw, Mapping) or "top_logprobs" not in raw:
        return raw
    others = raw["top_logprobs"]
    if isinstance(others, Mapping):
        others = [{"token": name, "logprob": value} for name, value in others.items()]
    if _is_list(others):
        others = [_alternative(one) for one in others]
    return {**raw, "top_logprobs": others if others is not None else []}


def _alternative(raw: Any) -> Any:
    if isinstance(raw, Mapping) and raw.get("logprob") is None:
        return {**raw, "logprob": math.nan}
    return raw


def _written(token: Token) -> dict[str, Any]:
    return {
        "token": token.token,
        "logprob": token.logprob,
        "top_logprobs": [
            {"token": other.token, "logprob": other.logprob} for other in token.top_logprobs
        ],
    }


def _tool_call(raw: Any) -> Any:
    if not isinstance(raw, Mapping):
        return raw
    inner = raw.get("function")
    call = inner if isinstance(inner, Mapping) else raw
    arguments = call.get("arguments", call.get("args"))
    if isinstance(arguments, Mapping):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return {"name": call.get("name"), "arguments": "{}" if arguments is None else arguments}


def _passage(raw: Any, place: int) -> Any:
    if isinstance(raw, str):
        return {"id": str(place), "title": "", "text": raw, "score": 0.0}
    if not isinstance(raw, Mapping):
        return raw
    given = {name: value for name, value in raw.items() if value is not None}
    found: dict[str, Any] = {"id": str(place), "title": "", "score": 0.0, **given}
    if isinstance(found["id"], int | float):
        found["id"] = str(found["id"])
    return found


def _numbers(value: Any) -> Any:
    if value is None:
        return math.nan
    return [_numbers(one) for one in value] if _is_list(value) else value


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
