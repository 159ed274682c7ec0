"""Sums of probabilities kept as logarithms, and the map of an unbounded number to [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["falling_sigmoid", "log_sum_exp"]

_LARGEST_EXPONENT = 700.0  # exp(709.8) is the end of the floats


def log_sum_exp(numbers: Sequence[float]) -> float:
    """ln of the sum of exp, exact where the terms themselves would vanish; not of no numbers."""
    most = max(numbers)
    return most + math.log(math.fsum([math.exp(number - most) for number in numbers]))


def falling_sigmoid(raw: float) -> float:
    """1 / (1 + exp(raw)), in [0, 1]: 0.5 at 0, lower for higher numbers."""
    return 1.0 / (1.0 + math.exp(min(max(raw, -_LARGEST_EXPONENT), _LARGEST_EXPONENT)))
