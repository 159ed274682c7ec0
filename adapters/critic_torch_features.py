"""The features of the features critic, as numbers beside a text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ..router.critic.feature_critic import FEATURES_VERSION, critic_features
from ..router.critic.states import CriticState
from .critic_torch_net import StateFeatures

__all__ = ["features_named", "features_seen"]


def features_named(names: Sequence[str], version: str = FEATURES_VERSION) -> StateFeatures | None:
    """These features, in this order; one that a state does not have counts as missing.

    None where this version of surefoot has other features than `version` says.
    """
    if version != FEATURES_VERSION:
        return None
    ordered = tuple(names)

    def of(state: CriticState) -> list[float]:
        found = critic_features(state)
        return [found.get(name, math.nan) for name in ordered]

    return StateFeatures(ordered, FEATURES_VERSION, of)


def features_seen(states: Iterable[CriticState]) -> StateFeatures | None:
    """All features that some of the states have; None without any state."""
    names = sorted({name for state in states for name in critic_features(state)})
    return features_named(names) if names else None
