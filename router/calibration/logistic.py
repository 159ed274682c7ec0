"""Logistic regression by Newton's method, with a quadratic penalty and weights that stay >= 0.

The loss is convex, so there is one least value; every fit that needs it goes through here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]

__all__ = ["LogisticProblem", "fit_logistic"]

_MOST_STEPS = 200
_MOST_HALVINGS = 60
_TOLERANCE = 1e-12


class LogisticProblem:
    """sum of w [ln(1 + e^z) - t z] + x'Px / 2 with z = features @ x, to be made least.

    Args:
        features: (n, d), a column of ones for the intercept included.
        targets: (n,), in [0, 1].
        weights: (n,), above 0.
        penalty: (d,), the diagonal of P; 0 for a coefficient that is not penalized.
    """

    def __init__(self, features: Floats, targets: Floats, weights: Floats, penalty: Floats) -> None:
        self.features, self.targets = features, targets
        self.weights, self.penalty = weights, penalty

    def loss(self, x: Floats) -> float:
        """The number to be made least."""
        import numpy as np

        z = self.features @ x
        each = self.weights * (np.logaddexp(0.0, z) - self.targets * z)
        return float(each.sum() + 0.5 * (self.penalty * x * x).sum())

    def gradient(self, x: Floats) -> Floats:
        """(d,), its slope."""
        missed: Floats = self.weights * (self._at(x) - self.targets)
        slope: Floats = self.features.T @ missed + self.penalty * x
        return slope

    def solve(self, columns: Sequence[int]) -> Floats:
        """(d,), the best coefficients when all others than those of `columns` are 0."""
        import numpy as np

        part = LogisticProblem(
            self.features[:, columns], self.targets, self.weights, self.penalty[columns]
        )
        found = np.zeros(self.features.shape[1])
        found[list(columns)] = part._newton()
        return found

    def _at(self, x: Floats) -> Floats:
        import numpy as np

        z = self.features @ x
        # In this form neither sign overflows.
        p: Floats = np.exp(np.minimum(z, 0.0)) / (1.0 + np.exp(-np.abs(z)))
        return p

    def _newton(self) -> Floats:
        import numpy as np

        x = np.zeros(self.features.shape[1])
        least = self.loss(x)
        for _ in range(_MOST_STEPS):
            p = self._at(x)
            curvature = (self.features.T * (self.weights * p * (1.0 - p))) @ self.features
            curvature += np.diag(self.penalty)
            # Least squares: two equal columns leave the curvature singular, not the fit undefined.
            step = np.linalg.lstsq(curvature, self.gradient(x), rcond=None)[0]
            x, found = self._shortened(x, step, least)
            if least - found <= _TOLERANCE * (1.0 + abs(found)):
                return x
            least = found
        return x

    def _shortened(self, x: Floats, step: Floats, least: float) -> tuple[Floats, float]:
        """Where the step leads, halved until the loss does not rise."""
        for _ in range(_MOST_HALVINGS):
            moved = x - step
            found = self.loss(moved)
            if found <= least:
                return moved, found
            step = step / 2.0
        return x, least


def fit_logistic(problem: LogisticProblem, nonnegative: Sequence[int] = ()) -> Floats:
    """(d,), the coefficients of least loss with those of `nonnegative` at 0 or above.

    By active sets: the most negative coefficient is set to 0 and the rest fitted again, until none
    is negative; one that would now be positive comes back.

    Raises:
        UsageError: the features are not finite.
    """
    import numpy as np

    if not np.isfinite(problem.features).all():
        raise UsageError("expected finite numbers to fit on")
    bound = list(nonnegative)
    free = set(range(problem.features.shape[1]))
    for _ in range(4 * len(bound) + 1):  # each set is visited once; the bound is against rounding
        found = problem.solve(sorted(free))
        negative = min((j for j in bound if j in free), key=lambda j: found[j], default=None)
        if negative is not None and found[negative] < 0.0:
            free.discard(negative)
            continue
        slope = problem.gradient(found)
        back = min((j for j in bound if j not in free), key=lambda j: slope[j], default=None)
        if back is None or slope[back] >= -1e-9 * problem.weights.sum():
            return found
        free.add(back)
    found[bound] = np.maximum(found[bound], 0.0)
    return found
