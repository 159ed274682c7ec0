"""Records with NLI matrices and likelihoods, made from short descriptions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from surefoot.router.evidence import Evidence, Generation, Nli, Token
from surefoot.router.protocols import Estimator
from surefoot.router.signals import Signal, Unavailable

__all__ = [
    "ENTAILS",
    "NEUTRAL",
    "OPPOSES",
    "generation",
    "matrix",
    "random_nli",
    "read",
    "reason",
    "record",
]

ENTAILS: Nli = (0.0, 0.0, 1.0)
NEUTRAL: Nli = (0.0, 1.0, 0.0)
OPPOSES: Nli = (1.0, 0.0, 0.0)


def matrix(size: int, pairs: dict[tuple[int, int], Nli], other: Nli = NEUTRAL) -> list[list[Nli]]:
    """A matrix that is as `pairs` says, `other` elsewhere, and entails on its diagonal."""
    return [
        [pairs.get((i, j), ENTAILS if i == j else other) for j in range(size)] for i in range(size)
    ]


def random_nli(size: int, seed: int) -> list[list[Nli]]:
    """Distributions drawn at random, the diagonal included."""
    drawn = np.random.default_rng(seed).dirichlet((1.0, 1.0, 1.0), size=(size, size))
    return [[(float(a), float(b), float(c)) for a, b, c in row] for row in drawn]


def generation(text: str, probability: float | None = None) -> Generation:
    """One token that spells the text; without a probability no tokens at all."""
    if probability is None:
        return Generation(text)
    return Generation(text, (Token(text, math.log(probability)),))


def record(
    texts: Sequence[str],
    nli: Sequence[Sequence[Nli]] | None = None,
    probabilities: Sequence[float] | None = None,
    *,
    similar: Sequence[float] | None = None,
    alike: Sequence[Sequence[float]] | None = None,
) -> Evidence:
    """The greedy answer first, then its samples; similarities of both kinds where given."""
    given: Sequence[float | None] = probabilities or [None] * len(texts)
    every = [generation(text, p) for text, p in zip(texts, given, strict=True)]
    return Evidence(
        "Which city?",
        every[0],
        samples=tuple(every[1:]),
        nli=None if nli is None else tuple(tuple(row) for row in nli),
        greedy_similarity=None if similar is None else tuple(similar),
        sample_similarity=None if alike is None else tuple(tuple(row) for row in alike),
    )


def read(found: Estimator, given: Evidence) -> Signal:
    """The signal, which must be one."""
    signal = found.estimate(given)
    assert isinstance(signal, Signal), signal
    assert 0.0 <= signal.value <= 1.0 and math.isfinite(signal.raw)
    return signal


def reason(found: Estimator, given: Evidence) -> str:
    """Why there is no signal."""
    reading = found.estimate(given)
    assert isinstance(reading, Unavailable), reading
    return reading.reason
