"""The critic on features: no model to load, a few milliseconds a state, the default."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..evidence import CriticVerdict
from .accept_features import ACCEPT_FEATURES_VERSION, accept_features
from .feature_reference import FeatureReference
from .gaps import gap_of
from .heads import Head
from .round_calibration import RoundCalibration
from .states import CriticState
from .sufficiency_features import SUFFICIENCY_FEATURES_VERSION, sufficiency_features

__all__ = ["FEATURES_VERSION", "CalibratedHead", "FeatureCritic", "critic_features"]

FEATURES_VERSION = f"{ACCEPT_FEATURES_VERSION}.{SUFFICIENCY_FEATURES_VERSION}"
"""Changes whenever the same state would have other features."""


def critic_features(state: CriticState) -> dict[str, float]:
    """All features of a state by name; one that has no meaning for it is absent."""
    found = sufficiency_features(state)
    if state.answer.strip():
        found |= accept_features(state)
    return found


@dataclass(frozen=True, slots=True)
class CalibratedHead:
    """A head, and the curves that make probabilities of its scores, round by round.

    Attributes:
        closed_book: the head of states of round 0, where they have one of their own: without
            passages and earlier answers other features tell, and in another way.
    """

    head: Head
    calibration: RoundCalibration
    closed_book: Head | None = None

    def probability(self, features: Mapping[str, float], round_: int) -> float:
        """In [0, 1]."""
        return self.calibration.at(self.score(features, round_), round_)

    def score(self, features: Mapping[str, float], round_: int) -> float:
        """In (0, 1): what the curves make probabilities of."""
        own = self.closed_book
        return (self.head if own is None or round_ else own).score(features)

    def names_at(self, round_: int) -> tuple[str, ...]:
        """The features that are looked at."""
        own = self.closed_book
        return (self.head if own is None or round_ else own).names

    @property
    def fingerprints(self) -> list[str]:
        """Of all that was fitted."""
        own = [] if self.closed_book is None else [self.closed_book.fingerprint]
        return [self.head.fingerprint, self.calibration.fingerprint, *own]


@dataclass(frozen=True, slots=True)
class FeatureCritic:
    """Judges states by their features; a `Critic`.

    Attributes:
        accept: whether the answer is right.
        sufficient: whether the passages hold the evidence that the question needs.
        card: what it was trained on, how, and how good it is; plain JSON values.
        reference: what the features of the states looked like that its probabilities were fitted
            on; None where nobody kept it. It decides on no verdict: the version is without it.
    """

    accept: CalibratedHead
    sufficient: CalibratedHead
    card: Mapping[str, Any] = field(default_factory=dict)
    reference: FeatureReference | None = None
    version: str = field(init=False)

    def __post_init__(self) -> None:
        parts = [one.fingerprints for one in (self.accept, self.sufficient)]
        digest = hashlib.sha256(json.dumps([FEATURES_VERSION, parts]).encode()).hexdigest()
        object.__setattr__(self, "version", f"features-{FEATURES_VERSION}-{digest[:16]}")

    def judge(self, states: Sequence[CriticState]) -> list[CriticVerdict]:
        """One verdict a state. An empty answer has no `p_accept`."""
        return [self.verdict(state, critic_features(state)) for state in states]

    def verdict(self, state: CriticState, features: Mapping[str, float]) -> CriticVerdict:
        """The verdict of a state by its features, which are `critic_features` of it."""
        p_accept = None
        if state.answer.strip():
            p_accept = self.accept.probability(features, state.round)
        return CriticVerdict(
            p_accept,
            self.sufficient.probability(features, state.round),
            gap_of(state.question, state.passages) if state.passages else None,
            version=self.version,
        )
