"""Evidence files made by a formula: small records, some labeled, some broken on purpose."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["fuzzed_line", "record", "write_evidence"]

_WORDS = ("Paris", "Rome", "Oslo", "42", "the city", "St. John's")


def _generation(draw: random.Random, p: float, k: int = 3) -> dict[str, Any]:
    words = draw.choice(_WORDS).split(" ")
    tokens: list[dict[str, Any]] = []
    for i, word in enumerate(words):
        piece = word if i == 0 else f" {word}"
        rest = math.log((1.0 - p) / (k - 1))
        others = [{"token": f"<{piece}~{j}>", "logprob": rest} for j in range(1, k)]
        drawn: dict[str, Any] = {"token": piece, "logprob": math.log(p)}
        tokens.append({**drawn, "top_logprobs": [drawn, *others]})
    return {"text": " ".join(words), "tokens": tokens}


def record(number: int, *, samples: int = 0, seed: int = 0) -> dict[str, Any]:
    """A healthy record; the surer its answer, the more often it is right."""
    draw = random.Random(seed * 1_000_003 + number)
    p = 0.2 + 0.79 * draw.random()
    found: dict[str, Any] = {
        "id": f"q{number}",
        "question": f"Question {number}?",
        "greedy": _generation(draw, p),
    }
    if samples:
        found["samples"] = [_generation(draw, p) for _ in range(samples)]
    return {**found, "correct": int(draw.random() < p)}


def write_evidence(path: Path, records: Iterable[object]) -> Path:
    """A line a record; texts are written as they are."""
    lines = [one if isinstance(one, str) else json.dumps(one) for one in records]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


_NUMBERS = (0.0, -0.0, 1e-7, 0.1, -1e-3, -5.0, -700.0, -9999.0, -1e300, math.nan, math.inf)
_PIECES = ("Paris", " is", " ", "", ".", "</s>", "é", "\ud83d", "\x00", "True", '{"a": 1}', "<b>")


def fuzzed_line(draw: random.Random) -> str:
    """A record as a broken pipeline may write it: any number, any text, sizes that need not fit."""
    row: dict[str, Any] = {"id": draw.choice([1, "x", 0.5]), "question": "q"}
    row["greedy"] = _fuzzed(draw)
    size = draw.choice([0, 0, 1, 2, 3, 10])
    row["samples"] = [_fuzzed(draw) for _ in range(size)]
    rows = size + draw.choice([0, 0, 0, 1])
    sound = draw.random() < 0.5
    if draw.random() < 0.5:
        row["greedy_similarity"] = _nested(draw, (rows,), sound)
        row["sample_similarity"] = _nested(draw, (rows, rows), sound)
    if draw.random() < 0.5:
        row["nli"] = _nested(draw, (rows + 1, rows + 1, 3), sound)
    if draw.random() < 0.3:
        row["peers"] = {"m": _fuzzed(draw)}
    if draw.random() < 0.3:
        row["correct"] = draw.choice([0, 1, True, None])
    return json.dumps(row)


def _fuzzed(draw: random.Random) -> Any:
    pieces = [draw.choice(_PIECES) for _ in range(draw.randrange(4))]
    tokens = [
        {
            "token": piece,
            "logprob": _number(draw),
            "top_logprobs": [
                {"token": draw.choice(_PIECES), "logprob": _number(draw)}
                for _ in range(draw.randrange(4))
            ],
            "special": draw.choice([None, True, False]),
        }
        for piece in pieces
    ]
    text = "".join(pieces) if draw.random() < 0.8 else draw.choice(_PIECES)
    shape = draw.randrange(8)
    if shape == 0:
        return text
    if shape == 1:
        return {"text": None, "tokens": tokens, "tool_calls": [{"name": "f", "args": {"a": 1}}]}
    return {"text": text, "tokens": {"content": tokens} if shape == 2 else tokens}


def _number(draw: random.Random) -> float | None:
    if draw.random() < 0.1:
        return None
    return draw.choice(_NUMBERS) if draw.random() < 0.3 else -draw.expovariate(0.5)


def _nested(draw: random.Random, shape: tuple[int, ...], sound: bool) -> Any:
    """Numbers of this shape; where `sound`, each last three are probabilities, as NLI has them."""
    if sound and shape == (3,):
        first, second = sorted((draw.random(), draw.random()))
        return [first, second - first, 1.0 - second]
    if shape:
        return [_nested(draw, shape[1:], sound) for _ in range(shape[0])]
    odd = (0.0, 1.0, 0.5, -0.1, 1.1, math.nan, math.inf)
    return draw.random() if sound else draw.choice(odd)
