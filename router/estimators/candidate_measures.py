"""What the alternatives of one token say: formulas over (n, k) logprobs, each row highest first.

k >= 2; q are a row's probabilities renormalized to sum to 1. Every result is an (n,) array.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["entropy", "margin", "thin_tail", "uniform_affinity", "uniform_divergence"]


def entropy(logprobs: Array) -> Array:
    """H = -sum of q ln q, in nats, in [0, ln k]."""
    import numpy as np

    relative = logprobs - logprobs[:, :1]  # a common factor changes nothing, and cannot underflow
    weights = np.exp(relative)
    totals = weights.sum(axis=1)
    found: Array = np.log(totals) - (weights * relative).sum(axis=1) / totals
    return np.clip(found, 0.0, math.log(logprobs.shape[1]))


def margin(logprobs: Array) -> Array:
    """p(1) - p(2), the lead of the most probable candidate, in [0, 1]."""
    import numpy as np

    top: Array = np.exp(logprobs[:, :2])
    found: Array = top[:, 0] - top[:, 1]
    return found


def thin_tail(logprobs: Array) -> Array:
    """C = -(1/k) sum of ln p, in [ln k, inf), high where the alternatives are improbable."""
    found: Array = -logprobs.mean(axis=1)
    return found


def uniform_divergence(logprobs: Array) -> Array:
    """KL(uniform || p) = -(1/k) sum of ln p - ln k, in [0, inf)."""
    import numpy as np

    return np.maximum(thin_tail(logprobs) - math.log(logprobs.shape[1]), 0.0)


def uniform_affinity(logprobs: Array) -> Array:
    """sum of sqrt(r / k), r = softmax(ln p / 2), in [1 / sqrt(k), 1]: 1 where r is uniform."""
    import numpy as np

    halves = np.exp((logprobs - logprobs[:, :1]) / 2.0)
    totals = halves.sum(axis=1)
    root_k = math.sqrt(logprobs.shape[1])
    found: Array = np.sqrt(halves).sum(axis=1) / (np.sqrt(totals) * root_k)
    return np.clip(found, 1.0 / root_k, 1.0)
