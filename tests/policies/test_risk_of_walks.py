"""One configuration's p-value, alone and among the others of its walk."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from surefoot.policies import risk_of_walks as judging
from surefoot.policies.paths import Walked
from surefoot.router.risk.targets import RiskTarget


def walked(seed: int, n: int = 400) -> Walked:
    """Five configurations that let ever more through, of graded losses, and abstain."""
    rng = np.random.default_rng(seed)
    gated = rng.random(n) < np.linspace(0.3, 0.9, 5)[:, None]
    drawn = np.broadcast_to(rng.beta(0.4, 3.0, n), gated.shape)
    loss: Any = np.where(gated, drawn, 0.0)
    stage = np.where(gated, 0, -1)
    return Walked(stage, gated, loss, np.ones(gated.shape), np.zeros(gated.shape, int))


@pytest.mark.parametrize("kind", ["selective", "joint", "system"])
def test_a_graded_configuration_has_one_p_value(kind: Any) -> None:
    """What the sequence rejects is rejected when it is looked at alone: one order of the bets."""
    target = RiskTarget(kind, 0.15, 0.1, "bounded", 0.1 if kind == "system" else 0.0)
    for seed in range(5):
        walk = walked(seed)
        for at, point in enumerate(judging.tested_walks(target, walk, seed=seed)):
            served = judging.served_of(walk, at)
            alone = judging.tested_risk(target, served, seed=seed)
            assert alone.p_value == pytest.approx(point.p_value, rel=1e-9)
            assert alone.losses == pytest.approx(point.losses)
            # A certificate's limit follows from the same bets as its p-value.
            if point.p_value <= target.delta:
                assert judging.upper_limit(target, alone, served, seed=seed) <= target.alpha + 1e-3
