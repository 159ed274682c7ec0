"""Made-up evidence, the same for the same seed, in the documented form of an evidence file.

Nobody's answers are needed to compare formulas and their speed: words, logprobs, NLI and
similarities are drawn at random, but fit together as real ones do. Samples repeat; a pair of texts
has the same NLI and the same similarity wherever it occurs; what is said of two equal texts is
nearly, but not quite, that they entail each other; numbers have six decimals.

Only the standard library is used: the environments of other libraries read this file too.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Shape", "record_of", "records"]

# No articles, signs or capitals, so that texts that differ differ by every library's rules; with
# endings that stemmers cut, and numbers.
_WORDS = (
    "running ponies rivers northern castle happily 1905 towns market relational harbor adjustment "
    "seven hopeful station electrical bridges 42 traveling winter operators museum gently islands"
).split()
_SELF_NLI = (0.004, 0.02, 0.976)


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a record is.

    Attributes:
        top: alternatives a token.
        least, most: tokens an answer; equal for a fixed length.
        samples: M.
        sampled_top: alternatives a token of the samples.
    """

    top: int = 20
    least: int = 5
    most: int = 5
    samples: int = 5
    sampled_top: int = 0


def records(count: int, shape: Shape, seed: int = 0) -> Iterator[dict[str, Any]]:
    """That many records, each with samples, NLI, similarities and all else that estimators read."""
    for number in range(count):
        draw = random.Random(f"{seed}/{number}")
        texts = _texts(draw, shape)
        chosen = [draw.choice(texts) for _ in range(shape.samples + 1)]
        greedy = _generation(draw, chosen[0], shape.top)
        sampled = [_generation(draw, text, shape.sampled_top) for text in chosen[1:]]
        yield record_of(f"r{number}", draw, greedy, sampled, seed)


def record_of(
    name: str,
    draw: random.Random,
    greedy: dict[str, Any],
    sampled: Sequence[dict[str, Any]],
    seed: int = 0,
) -> dict[str, Any]:
    """A record around given answers: NLI, similarities and relevance of tokens are drawn."""
    texts = [greedy["text"], *[sample["text"] for sample in sampled]]
    return {
        "id": name,
        "question": f"Question {name}?",
        "greedy": greedy,
        "samples": list(sampled),
        "nli": [[_nli(seed, a, b) for b in texts] for a in texts],
        "greedy_similarity": [_similarity(seed, texts[0], b) for b in texts[1:]],
        "sample_similarity": [[_similarity(seed, a, b) for b in texts[1:]] for a in texts[1:]],
        "greedy_token_similarity": _relevances(draw, greedy),
        "sample_token_similarity": [_relevances(draw, sample) for sample in sampled],
        "alternatives_nli": [
            [[_triple(draw), _triple(draw)] for _ in token["top_logprobs"]]
            for token in greedy["tokens"]
        ],
    }


def _texts(draw: random.Random, shape: Shape) -> list[str]:
    """Two or more different answers that share some of their words, in places of their own."""
    common = [draw.choice(_WORDS) for _ in range(shape.most)]
    found = []
    for _ in range(draw.randint(2, shape.samples)):
        words = common[: draw.randint(shape.least, shape.most)]
        for _ in range(draw.randint(0, len(words) - 1)):
            words[draw.randrange(len(words))] = draw.choice(_WORDS)
        if draw.random() < 0.3:
            draw.shuffle(words)
        found.append(" ".join(words))
    return found


def _generation(draw: random.Random, text: str, top: int) -> dict[str, Any]:
    pieces = text.replace(" ", "\n ").split("\n")
    return {"text": text, "tokens": [_token(draw, piece, top) for piece in pieces]}


def _token(draw: random.Random, piece: str, top: int) -> dict[str, Any]:
    """The piece as the most probable of `top` alternatives that share most of the probability."""
    if not top:
        return {"token": piece, "logprob": round(-draw.expovariate(1.5) - 1e-4, 6)}
    falls = [0.0, *[draw.expovariate(0.7) + 0.01 for _ in range(top - 1)]]
    levels = [-sum(falls[: i + 1]) * draw.uniform(0.3, 1.0) for i in range(top)]
    levels.sort(reverse=True)
    total = sum(map(math.exp, levels)) / draw.uniform(0.7, 0.999)
    numbers = [
        round(max(level - math.log(total), -40.0) - i * 1e-6, 6) for i, level in enumerate(levels)
    ]
    names = [piece, *[f" other{i}" for i in range(1, top)]]
    alternatives = [{"token": a, "logprob": b} for a, b in zip(names, numbers, strict=True)]
    return {"token": piece, "logprob": numbers[0], "top_logprobs": alternatives}


def _nli(seed: int, premise: str, hypothesis: str) -> tuple[float, ...]:
    if premise == hypothesis:
        return _SELF_NLI
    return _triple(random.Random(f"{seed}/nli/{premise}/{hypothesis}"))


def _triple(draw: random.Random) -> tuple[float, ...]:
    """Contradiction, neutrality, entailment: sums to 1, with one of them clearly the largest."""
    most = round(draw.uniform(0.55, 0.98), 6)
    second = round((1.0 - most) * draw.uniform(0.05, 0.95), 6)
    parts = [most, second, round(1.0 - most - second, 6)]
    turn = draw.randrange(3)
    return tuple(parts[turn:] + parts[:turn])


def _similarity(seed: int, one: str, other: str) -> float:
    if one == other:
        return 1.0
    first, second = sorted((one, other))
    return round(random.Random(f"{seed}/similarity/{first}/{second}").random(), 6)


def _relevances(draw: random.Random, generation: dict[str, Any]) -> list[float]:
    return [round(draw.random(), 6) for _ in generation["tokens"]]
