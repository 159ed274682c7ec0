"""Predicted losses of each stage of a path above those of the last tier, from scores alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..router.calibration.logistic import LogisticProblem, fit_logistic
from .paths import Path, Stage, Stages

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Floats

    Ints = NDArray[np.int64]

__all__ = ["ExcessModels", "fitted_loss", "logit"]

_RIDGE = 1e-2
_CLIP = 1e-4


class ExcessModels:
    """Predicted losses, fitted once for all paths that begin alike."""

    def __init__(self, reference: Floats, rows: Ints, prior: Floats | None) -> None:
        self._reference, self._rows, self._prior = reference, rows, prior
        self._known: dict[tuple[Path, Stage | None], Floats] = {}

    def excess(self, stages: Stages) -> Floats:
        """Loss at each stage above the last tier's given the scores so far, (questions, stages).

        Both losses are modeled; their difference, fitted directly, would be mostly noise.
        """
        import numpy as np

        columns = []
        for at, stage in enumerate(stages.path):
            if np.array_equal(stages.loss[:, at], self._reference):
                columns.append(np.zeros(len(self._reference)))
                continue
            gates = min(at + 1, len(stages.path) - (not stages.last_is_gated))
            own = self._fitted(stages, gates, stage, stages.loss[:, at])
            columns.append(own - self._fitted(stages, gates, None, self._reference))
        return np.stack(columns, axis=1)

    def _fitted(self, stages: Stages, gates: int, stage: Stage | None, loss: Floats) -> Floats:
        key = (stages.path[:gates], stage)
        if key not in self._known:
            self._known[key] = fitted_loss(_features(stages, gates, self._prior), loss, self._rows)
        return self._known[key]


def fitted_loss(features: Floats, loss: Floats, rows: Ints) -> Floats:
    """P(wrong) of every question, from a logistic model of `rows`."""
    import numpy as np

    some = rows[~np.isnan(loss[rows])]
    # Half a right and half a wrong pseudo-question keep it finite where all are right or wrong.
    pseudo = np.zeros((2, features.shape[1]))
    pseudo[:, -1] = 1.0
    problem = LogisticProblem(
        np.vstack([features[some], pseudo]),
        np.concatenate([loss[some], [0.0, 1.0]]),
        np.concatenate([np.ones(len(some)), [0.5, 0.5]]),
        np.array([_RIDGE] * (features.shape[1] - 1) + [0.0]),
    )
    fitted: Floats = 1.0 / (1.0 + np.exp(-(features @ fit_logistic(problem))))
    return fitted


def _features(stages: Stages, gates: int, prior: Floats | None) -> Floats:
    """Logits of the scores of the first stages and of the prior; 0 where unknown; then a one."""
    import numpy as np

    columns = []
    for at in range(gates):
        paid, free = stages.paid[:, at], stages.free[:, at]
        columns.append(logit(np.where(np.isnan(paid), free, paid)))
    if prior is not None:
        tiers = sorted({stages.path[max(0, gates - 1)].tier, prior.shape[1] - 1})
        columns += [logit(prior[:, tier]) for tier in tiers]
    return np.stack([*columns, np.ones(len(stages.u))], axis=1)


def logit(p: Floats) -> Floats:
    import numpy as np

    clipped = np.clip(p, _CLIP, 1.0 - _CLIP)
    found: Floats = np.nan_to_num(np.log(clipped / (1.0 - clipped)))
    return found
