"""What all calibrators share: the logistic function, the check of a signal, the fingerprint."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Protocol

from ..errors import UsageError
from ..signals import Signal

__all__ = ["CLIP", "Curve", "check_k", "logit", "number_of", "set_fingerprint", "sigmoid"]

CLIP = 1e-6
"""A signal of exactly 0 or 1 has no logit; a saturated one must not rule the fit."""

_LARGEST_EXPONENT = 700.0  # exp(709.8) is the end of the floats


class Curve(Protocol):
    """A fitted map from a number to a probability."""

    def at(self, x: float) -> float:
        """The probability at `x`."""
        ...


def logit(value: float) -> float:
    """ln(v / (1 - v)) of a value clipped to [1e-6, 1 - 1e-6], so that it is always finite."""
    clipped = min(max(value, CLIP), 1.0 - CLIP)
    return math.log(clipped) - math.log1p(-clipped)


def sigmoid(z: float) -> float:
    """1 / (1 + exp(-z)), without overflow.

    In this one form for either sign: each step is monotone in floats, so the whole is.
    """
    return 1.0 / (1.0 + math.exp(min(-z, _LARGEST_EXPONENT)))


def number_of(signal: Signal, number: float, expected: str, k: int | None) -> float:
    """The number, once the signal was found to be the one that was fitted.

    Raises:
        UsageError: another signal, another k, or a number that is NaN.
    """
    if signal.name != expected:
        raise UsageError(f"the calibrator is for '{expected}', the signal is '{signal.name}'")
    check_k(signal, k)
    if math.isnan(number):
        raise UsageError(f"the signal '{expected}' is not a number")
    return number


def check_k(signal: Signal, k: int | None) -> None:
    """Refuse a signal that was read from another number of alternatives a position.

    Top-5 and top-20 entropies of one answer differ, so a curve for the one is wrong for the other.

    Args:
        k: alternatives a position that the curve was fitted for; None takes any.

    Raises:
        UsageError: the signal's own `k`, among its details, is another or absent.
    """
    if k is not None and signal.details.get("k") != k:
        raise UsageError(
            f"the calibrator of '{signal.name}' was fitted with k = {k} alternatives a position, "
            f"the signal was read with {signal.details.get('k', 'an unknown number')}"
        )


def set_fingerprint(record: object, content: list[object], k: int | None = None) -> None:
    """Give a frozen record the SHA-256 of what decides: kind, signal, version, fitted numbers."""
    if k is not None:  # absent and not null: a calibrator for any k keeps its fingerprint
        content = [*content, {"k": k}]
    canonical = json.dumps(content, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(canonical.encode("utf-8")).hexdigest()
    object.__setattr__(record, "fingerprint", digest)  # the record is frozen from here on
