"""Whether states are like those that a critic's probabilities were fitted on, without any label."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

from ..errors import UsageError

__all__ = [
    "DriftCheck",
    "DriftStatus",
    "FeatureShift",
    "RoundSeen",
    "distance",
    "distance_p_value",
    "stability_index",
]

DriftStatus = Literal["unknown", "not seen", "drifted"]
"""`not seen` is no proof that there is none."""

_SMALL_SAMPLES = 2.17


def stability_index(before: Sequence[int], now: Sequence[int]) -> float:
    """The population stability index: sum over bins of (q - p) ln(q / p), from 0.

    p and q are the shares of a bin with half a count added to every bin, so that an empty one does
    not make it infinite. Customs: below .1 no change to speak of, from .25 a large one. It is the
    sum of the two Kullback-Leibler divergences, which Jeffreys 1946 has ("An invariant form for the
    prior probability in estimation problems").
    """
    p, q = _smoothed(before), _smoothed(now)
    return sum((b - a) * math.log(b / a) for a, b in zip(p, q, strict=True))


def _smoothed(counts: Sequence[int]) -> list[float]:
    total = sum(counts) + 0.5 * len(counts)
    return [(count + 0.5) / total for count in counts]


def distance(before: Sequence[int], now: Sequence[int]) -> float:
    """Largest difference of the two distribution functions over the bins, in [0, 1].

    Raises:
        UsageError: a sample is empty.
    """
    n, m = sum(before), sum(now)
    if not n or not m:
        raise UsageError("expected two samples, and one is empty")
    pairs = zip(accumulate(before), accumulate(now), strict=True)
    return max(abs(a / n - b / m) for a, b in pairs)


def distance_p_value(found: float, n: int, m: int) -> float:
    """At most how probable so large a distance is between two samples of one distribution.

    2.17 exp(-2 D^2 n m / (n + m)), the two-sample inequality of Dvoretzky, Kiefer and Wolfowitz for
    the statistic of Kolmogorov and Smirnov. Between bins values are not told apart and the missing
    come first, which can only lessen the distance, whatever the cuts: the bound holds for any
    feature.

    Args:
        found: in [0, 1].
        n, m: sizes of the samples.

    Source: Wei and Dudley 2012, "Two-sample Dvoretzky-Kiefer-Wolfowitz inequalities": 2 in place of
    2.17 for sizes that differ (computed up to 200, a conjecture beyond), 2.16863 for equal ones.
    """
    return min(1.0, _SMALL_SAMPLES * math.exp(-2.0 * found * found * n * m / (n + m)))


@dataclass(frozen=True, slots=True)
class FeatureShift:
    """One feature in one round, compared.

    Attributes:
        head: whose feature: `accept` or `sufficient`.
        feature: its name.
        index: see `stability_index`.
        distance: see `distance`.
        p_value: see `distance_p_value`; of this comparison alone.
        missing: share of states without it, at training and now.
        has_drifted: surely changed, all comparisons together considered, and by enough.
    """

    head: str
    round: int
    feature: str
    index: float
    distance: float
    p_value: float
    missing: tuple[float, float]
    has_drifted: bool


@dataclass(frozen=True, slots=True)
class RoundSeen:
    """How many questions were compared; too few of them leave the round out."""

    head: str
    round: int
    trained: int
    now: int


@dataclass(frozen=True, slots=True)
class DriftCheck:
    """Whether states are like those of training.

    Attributes:
        why: what is lacking where it is unknown.
        level: where nothing has changed, `drifted` has at most this probability.
        shifts: all that was compared, the most changed first, those that drifted before others.
        foreign: states of rounds that there were none of, by (head, round).
    """

    status: DriftStatus
    level: float
    why: str | None = None
    rounds: tuple[RoundSeen, ...] = ()
    shifts: tuple[FeatureShift, ...] = ()
    foreign: Mapping[tuple[str, int], int] = field(default_factory=dict)

    @property
    def drifted(self) -> tuple[FeatureShift, ...]:
        """The comparisons that say so."""
        return tuple(shift for shift in self.shifts if shift.has_drifted)

    @property
    def words(self) -> str:
        """For people, in one sentence."""
        if self.status == "unknown":
            return f"whether these states are like those of training is unknown: {self.why}"
        questions = max(one.now for one in self.rounds)
        if self.status == "not seen":
            return (
                f"no drift of features seen in {len(self.shifts)} comparisons, on up to "
                f"{questions} questions a round (false alarms: at most {self.level:g})"
            )
        names = list(dict.fromkeys(shift.feature for shift in self.drifted))
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        return (
            f"states are not like those that the critic was fitted on: {shown} (stability index "
            f"up to {max(shift.index for shift in self.drifted):.2f}); its probabilities may be off"
        )
