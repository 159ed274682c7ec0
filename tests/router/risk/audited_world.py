"""World A of the risk specification with an audit: scores, losses, propensities, and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from surefoot.router.risk.audit_log import AuditLog

Floats = NDArray[np.float64]


def sigmoid(z: Floats) -> Floats:
    out: Floats = 1.0 / (1.0 + np.exp(-z))
    return out


def draw_questions(rng: np.random.Generator, n: int) -> tuple[Floats, Floats]:
    """Scores and P(right) of `n` small drafts."""
    z = rng.normal(size=n)
    p = sigmoid(1.25 + 1.5 * z)
    score = sigmoid(1.4 * np.log(p / (1.0 - p)) + 0.6 + 0.9 * rng.normal(size=n))
    return score, p


@dataclass(frozen=True)
class Truth:
    """Of the gate at `threshold`; `curve` is the mean loss by score in `edges`."""

    threshold: float
    risk: float
    share: float
    edges: Floats
    curve: Floats

    def predicted(self, score: Floats) -> Floats:
        return self.curve[np.clip(np.searchsorted(self.edges, score) - 1, 0, len(self.curve) - 1)]


@lru_cache(maxsize=4)
def truth(risk: float = 0.1) -> Truth:
    """The gate whose selective risk is `risk`, to about .0005."""
    score, p = draw_questions(np.random.default_rng(99), 1_000_000)
    order = np.argsort(-score)
    running = np.cumsum(1.0 - p[order]) / np.arange(1, len(p) + 1)
    threshold = float(score[order][int(np.searchsorted(running, risk))])
    edges = np.quantile(score, np.linspace(0.0, 1.0, 201))
    place = np.clip(np.searchsorted(edges, score) - 1, 0, 199)
    curve = np.bincount(place, 1.0 - p, 200) / np.bincount(place, minlength=200)
    inside = score >= threshold
    return Truth(threshold, float((1.0 - p[inside]).mean()), float(inside.mean()), edges, curve)


def oversampled(score: Floats) -> Floats:
    """Propensities that rise where the world's gate is least sure."""
    out: Floats = np.where(score < 0.97, 0.4, 0.08)
    return out


def constant(score: Floats) -> Floats:
    return np.full(len(score), 0.2)


def audited(
    rng: np.random.Generator, n: int, propensity: Floats | None = None, *, oversample: bool = True
) -> AuditLog:
    """`n` questions of the world, gated at the truth's threshold, audited at random."""
    score, p = draw_questions(rng, n)
    loss = (rng.random(n) >= p).astype(float)
    if propensity is None:
        propensity = oversampled(score) if oversample else constant(score)
    drawn = rng.random(n) < propensity
    known = truth()
    return AuditLog(
        score >= known.threshold,
        propensity,
        drawn,
        np.where(drawn, loss, np.nan),
        known.predicted(score),
    )
