"""What an estimator says, and what a calibrator makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Detail", "Direction", "Estimate", "Reading", "Signal", "Unavailable"]

Direction = Literal["confidence", "uncertainty"]
"""Whether a high `raw` means sure (`confidence`) or unsure (`uncertainty`)."""

Detail = str | int | float | bool
"""One diagnostic beside a signal (tokens used, majority answer, k); never read by a policy."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One estimator's confidence.

    Attributes:
        name: the canonical name of the estimator.
        value: in [0, 1], higher is surer; an order-preserving map of `raw`, not a probability.
        raw: the paper's own number. Rank and threshold on it: `value` may saturate.
        direction: what a high `raw` means.
        details: diagnostics for people.
    """

    name: str
    value: float
    raw: float
    direction: Direction = "confidence"
    details: Mapping[str, Detail] = field(default_factory=dict)

    @property
    def score(self) -> float:
        """`raw` turned so that higher is surer, without the saturation of `value`."""
        return self.raw if self.direction == "confidence" else -self.raw


@dataclass(frozen=True, slots=True)
class Unavailable:
    """A signal or an estimate that cannot be had, and why. Never a made-up 0.5."""

    reason: str


Reading = Signal | Unavailable
"""What an estimator returns."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The probability that an attempt is right.

    Attributes:
        p: in [0, 1].
        signal: the name of the signal it was made from.
        calibrated: False where `p` is a bare signal value, which no policy may call a probability.
        calibrator: the calibrator's fingerprint, None where there is none.
        fallback: which preferred signals were Unavailable, and why; None where none was.
    """

    p: float
    signal: str
    calibrated: bool = False
    calibrator: str | None = None
    fallback: str | None = None
