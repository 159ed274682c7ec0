"""Watching the states that a critic judges, as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from ..errors import UsageError
from ..evidence import CriticVerdict
from ..risk.restarts import share_of
from .drift_tally import FeatureTally
from .feature_drift import DriftCheck
from .feature_reference import FeatureReference

__all__ = ["DriftWatch"]


class DriftWatch:
    """Compares block after block of live questions with a reference, and remembers an alarm.

    The first block is of `first` questions, each one after it of twice as many up to `most`, so
    that a gross change shows soon and a small one later. Block j is compared at its share of the
    level (see `restarts.share_of`), and so a false alarm *ever* has at most the probability
    `level`, where questions come independently of each other. Several threads may use it.

    Args:
        level: in (0, 1).
        first, most: questions, in the round that has most of them.
    """

    def __init__(
        self,
        reference: FeatureReference,
        level: float = 0.01,
        *,
        first: int = 100,
        most: int = 1600,
    ) -> None:
        if not 0.0 < level < 1.0 or not 0 < first <= most:
            raise UsageError(
                f"expected a level between 0 and 1 and blocks that grow, got {level}, {first} and "
                f"{most}"
            )
        self._reference = reference
        self._level = level
        self._size, self._most = first, most
        self._lock = threading.Lock()  # guards all below
        self._tally = FeatureTally(reference)
        self._blocks = 0
        self._latest: DriftCheck | None = None
        self._alarm: DriftCheck | None = None

    @property
    def alarm(self) -> DriftCheck | None:
        """What the first comparison that saw a drift says; None so far."""
        return self._alarm

    @property
    def latest(self) -> DriftCheck | None:
        """What the last comparison says; None before the first."""
        return self._latest

    def see(
        self,
        group: str,
        round_: int,
        verdict: CriticVerdict,
        features: Callable[[], Mapping[str, float]],
    ) -> None:
        """Take note of a state that was judged; after an alarm nothing is watched anymore.

        Args: as of `FeatureTally.add`.
        """
        with self._lock:
            if self._alarm is not None:
                return
            self._tally.add(group, round_, verdict, features)
            if self._tally.questions >= self._size:
                self._compare()

    def _compare(self) -> None:
        self._blocks += 1
        found = self._tally.check(self._level * share_of(self._blocks))
        self._latest = replace(found, level=self._level)
        if found.status == "drifted":
            self._alarm = self._latest
        self._tally = FeatureTally(self._reference)
        self._size = min(2 * self._size, self._most)
