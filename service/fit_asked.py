"""The options of `surefoot fit`, as given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Asked", "Calibration", "RiskAsked"]


@dataclass(frozen=True, slots=True)
class RiskAsked:
    """The options of a certified fit, as given."""

    kind: str | None
    alpha: float | None
    delta: float
    loss: str
    abstention_loss: float
    fallback: str | None
    group: str | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Which calibrators are tried."""

    kinds: tuple[str, ...]
    combine: str


@dataclass(frozen=True, slots=True)
class Asked:
    """All options of the command."""

    outcomes: Path
    target: Path
    seed: int
    risk: RiskAsked
    quality: float | None
    defer: float | None
    budget: float | None
    uncertified: bool
    traffic: Path | None
    tune: Path | None
    questions: Path | None
    signals: tuple[str, ...]
    error_price: float | None
    abstain_price: float | None
    calibration: Calibration
    policy: str
    enter: str
