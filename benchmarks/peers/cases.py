"""Evidence made by hand: records on which other libraries say what we do not want to say."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from synthetic import record_of

__all__ = ["cases"]

_ALIKE, _APART = (0.01, 0.04, 0.95), (0.9, 0.07, 0.03)


def cases() -> list[dict[str, Any]]:
    """The records, each named after what is special about it."""
    return [
        _three_classes(),
        _five_alike(),
        _of_shape("peaked", [[0.95, 0.01, 0.01, 0.01, 0.01]]),
        _of_shape("flat", [[0.2, 0.2, 0.2, 0.2, 0.2]]),
        _of_shape("half of the mass", [[0.1] * 5]),
        _overlap(),
        _judged("maybe", {"Maybe": 0.5, " True": 0.2, "true": 0.1, "False": 0.1}),
        _judged("false", {"False": 0.6, "True": 0.2}),
        _record("spelling", "Paris", ["paris.", "Paris", "the Paris"]),
        _record("one word each", "Paris", ["Paris", "Paris", "Rome"]),
        _without_logprobs(),
        _record("no samples", "Paris", []),
        _record("empty answer", "", ["Paris", "Rome"]),
    ]


def _text(text: str, probability: float = 0.9) -> dict[str, Any]:
    logprob = math.log(probability)
    return {"text": text, "tokens": [{"token": text, "logprob": logprob}] if text else []}


def _record(
    name: str, greedy: str | dict[str, Any], samples: Sequence[str], **changed: Any
) -> dict[str, Any]:
    """One-word answers; as their NLI says, equal ones entail and others contradict each other."""
    answer = _text(greedy) if isinstance(greedy, str) else greedy
    for token in answer["tokens"]:
        token.setdefault("top_logprobs", [])
    record = record_of(name, random.Random(name), answer, [_text(one) for one in samples])
    texts = [answer["text"], *samples]
    record["nli"] = [[_ALIKE if a == b else _APART for b in texts] for a in texts]
    return {**record, **changed}


def _three_classes() -> dict[str, Any]:
    return _record("classes of 3, 1 and 1", "Rome", ["Rome", "Rome", "Rome", "Oslo", "Bern"])


def _five_alike() -> dict[str, Any]:
    return _record("five alike", "Rome", ["Rome"] * 5)


def _of_shape(name: str, rows: Sequence[Sequence[float]]) -> dict[str, Any]:
    """An answer whose tokens have alternatives of these probabilities, most probable first."""
    tokens = [
        {
            "token": f"word{i}",
            "logprob": math.log(row[0]),
            "top_logprobs": [
                {"token": f"word{i}" if j == 0 else f"other{j}", "logprob": math.log(p)}
                for j, p in enumerate(row)
            ],
        }
        for i, row in enumerate(rows)
    ]
    text = "".join([str(token["token"]) for token in tokens])
    return _record(name, {"text": text, "tokens": tokens}, [text, "Rome"])


def _overlap() -> dict[str, Any]:
    """A (the greedy answer, and a sample) and B are unrelated; both entail C, not the reverse."""
    entailing = {("A1", "C1"), ("B1", "C1")}
    texts = ["A1", "A1", "B1", "C1"]
    nli = [[_ALIKE if a == b or (a, b) in entailing else _APART for b in texts] for a in texts]
    return _record("overlap", "A1", texts[1:], nli=nli)


def _judged(name: str, said: dict[str, float]) -> dict[str, Any]:
    """Asked whether the answer is right, the model says the first of these."""
    alternatives = [{"token": a, "logprob": math.log(p)} for a, p in said.items()]
    token = {**alternatives[0], "top_logprobs": alternatives}
    asked = {"p_true": [{"text": token["token"], "tokens": [token]}]}
    return _record(name, "Rome", ["Rome", "Oslo"], asked=asked)


def _without_logprobs() -> dict[str, Any]:
    record = _record("a sample without logprobs", "Rome", ["Rome", "Oslo", "Rome"])
    record["samples"][1]["tokens"] = []
    record["sample_token_similarity"][1] = []
    return record
