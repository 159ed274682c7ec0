"""The prior: P(right) of each tier before any model was called, from the question alone."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul
from typing import Any, NamedTuple

from ..router.errors import ProfileMismatch, UsageError
from .packed_table import PackedTable
from .question_features import BUCKETS, MEASURES, VERSION, Features, question_features

__all__ = [
    "CLIP",
    "NEARNESS",
    "Line",
    "MeasureScale",
    "QuestionMap",
    "QuestionPrior",
    "question_inputs",
]

CLIP = 0.005
"""No probability is nearer to 0 or 1: words alone prove nothing."""

NEARNESS = 3.0
"""g in the nearness exp(g (cos - 1)) of two questions: 1 for the same, .05 at a right angle."""

_MEASURE_WEIGHT = 0.15  # of a measure one deviation off, beside hashed words of length 1
_FARTHEST = 4.0  # deviations: a question of a length never seen must not outshout its words


class MeasureScale(NamedTuple):
    """What is usual of a measure among the questions fitted on."""

    center: float
    deviation: float


class Line(NamedTuple):
    """From a tier's score to its probability: intercept + slope * score, clipped."""

    intercept: float
    slope: float

    def at(self, score: float) -> float:
        """The probability, in [CLIP, 1 - CLIP]."""
        return min(max(self.intercept + self.slope * score, CLIP), 1.0 - CLIP)


def question_inputs(features: Features, scales: Sequence[MeasureScale]) -> dict[int, float]:
    """The sparse numbers that everything else is linear in: by bucket, then the measures."""
    found = dict(features.words)
    measures = zip(features.measures, scales, strict=True)
    for place, (number, scale) in enumerate(measures, BUCKETS):
        off = (number - scale.center) / scale.deviation
        found[place] = _MEASURE_WEIGHT * min(max(off, -_FARTHEST), _FARTHEST)
    return found


@dataclass(frozen=True, slots=True)
class QuestionMap:
    """Where a question lies among past ones. Learned from their words, never from their outcomes.

    Attributes:
        scales: one for each of `MEASURES`.
        axes: the directions in which past questions differ most, one a column; a row for each
            bucket, then each measure.
        origin: where the mean of the past questions lies along the axes.
        remembered: directions of some past questions from the origin, of length about 1. Their
            text is not kept, and cannot be found again from a dozen small numbers.
    """

    scales: tuple[MeasureScale, ...]
    axes: PackedTable
    origin: tuple[float, ...]
    remembered: PackedTable

    def __post_init__(self) -> None:
        if len(self.scales) != len(MEASURES) or not all(s.deviation > 0.0 for s in self.scales):
            raise UsageError(f"expected a center and a deviation above 0 for {len(MEASURES)} each")
        width = len(self.origin)
        if len(self.axes.units) != width or len(self.remembered.units) != width:
            raise UsageError(f"expected axes and remembered questions of {width} columns")
        if len(self.axes) != BUCKETS + len(MEASURES):
            raise UsageError(f"expected {BUCKETS + len(MEASURES)} rows of axes")

    def to_data(self) -> dict[str, Any]:
        """JSON-plain."""
        return {
            "measures": {
                name: list(scale) for name, scale in zip(MEASURES, self.scales, strict=True)
            },
            "axes": self.axes.to_data(),
            "origin": list(self.origin),
            "remembered": self.remembered.to_data(),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> QuestionMap:
        """The map that `to_data` wrote. Raises UsageError, or KeyError for a missing field."""
        measures = data["measures"]
        return cls(
            tuple([MeasureScale(*_numbers(measures[name], 2)) for name in MEASURES]),
            PackedTable.from_data(data["axes"]),
            _numbers(data["origin"]),
            PackedTable.from_data(data["remembered"]),
        )


@dataclass(frozen=True, slots=True)
class QuestionPrior:
    """P(right) of each tier: linear in the words and measures of a question and in how near it is
    to remembered past questions, then brought to scale.

    Everything is computed in plain Python in a fixed order, about 0.1 ms for a question of 30
    words, so a profile gives the same numbers on every machine.

    Attributes:
        map: of questions.
        weights: of the inputs, one column a tier.
        worths: of being near a remembered question, a row for each, one column a tier.
        lines: one a tier.
        fingerprint: changes whenever any fitted number changes.
    """

    map: QuestionMap
    weights: PackedTable
    worths: PackedTable
    lines: tuple[Line, ...]
    fingerprint: str = field(init=False, compare=False, repr=False)
    _rows: tuple[tuple[float, ...], ...] = field(init=False, compare=False, repr=False)
    _places: tuple[tuple[float, ...], ...] = field(init=False, compare=False, repr=False)
    _columns: tuple[tuple[float, ...], ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        tiers, map_ = len(self.lines), self.map
        if not tiers or len(self.weights.units) != tiers or len(self.worths.units) != tiers:
            raise UsageError(f"expected weights and worths of one column for each of {tiers} tiers")
        if len(self.weights) != len(map_.axes) or len(self.worths) != len(map_.remembered):
            raise UsageError(
                "expected a weight for each input and a worth for each remembered question, got "
                f"{len(self.weights)} of {len(map_.axes)} and {len(self.worths)} of "
                f"{len(map_.remembered)}"
            )
        rows = zip(self.weights.rows(), map_.axes.rows(), strict=True)
        derived: dict[str, object] = {
            # One pass over the words sums the tiers' scores and the place on the map.
            "_rows": tuple([weights + axes for weights, axes in rows]),
            "_places": map_.remembered.rows(),
            "_columns": tuple(zip(*self.worths.rows(), strict=True)) or ((),) * tiers,
            "fingerprint": _digest(self.to_data()),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @property
    def tiers(self) -> int:
        """How many tiers it speaks of."""
        return len(self.lines)

    def probabilities(self, question: str) -> tuple[float, ...]:
        """P(right) of each tier, cheapest first, in [CLIP, 1 - CLIP].

        A tier's graded loss makes this the expected quality of its answer, 1 - loss.
        """
        scores = self.scores(question)
        return tuple([line.at(score) for line, score in zip(self.lines, scores, strict=True)])

    def scores(self, question: str) -> list[float]:
        """One number a tier, before it is brought to scale."""
        rows, tiers = self._rows, len(self.lines)
        inputs = question_inputs(question_features(question), self.map.scales)
        total = [0.0] * tiers + [-start for start in self.map.origin]
        for place, value in inputs.items():
            total = [sum_ + value * number for sum_, number in zip(total, rows[place], strict=True)]
        near = _nearness(total[tiers:], self._places)
        return [
            score + sum(map(mul, near, worths))
            for score, worths in zip(total[:tiers], self._columns, strict=True)
        ]

    def to_data(self) -> dict[str, Any]:
        """JSON-plain, as it stands in a profile: under 100 kB for up to 20 tiers."""
        return {
            "features": VERSION,
            "map": self.map.to_data(),
            "weights": self.weights.to_data(),
            "worths": self.worths.to_data(),
            "lines": [list(line) for line in self.lines],
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> QuestionPrior:
        """The prior that `to_data` wrote; it gives exactly the same numbers.

        Raises:
            ProfileMismatch: fitted on features of another version.
            UsageError: numbers that make no prior.
            KeyError: a field is missing.
        """
        if data["features"] != VERSION:
            raise ProfileMismatch(
                f"the prior was fitted on question features of version {data['features']}, this is "
                f"version {VERSION}; fit the profile again",
                field="policy.profile",
            )
        try:
            return cls(
                QuestionMap.from_data(data["map"]),
                PackedTable.from_data(data["weights"]),
                PackedTable.from_data(data["worths"]),
                tuple([Line(*_numbers(line, 2)) for line in data["lines"]]),
            )
        except (TypeError, ValueError) as error:  # a list where a mapping is expected, or the like
            raise UsageError(f"expected a fitted prior: {error}") from error


def _nearness(place: Sequence[float], remembered: Sequence[Sequence[float]]) -> list[float]:
    """exp(g (cos - 1)) for each; for directions of length 1 that is exp(-g/2 distance^2)."""
    length = math.hypot(*place)
    if not length:
        return [0.0] * len(remembered)
    direction = [number / length for number in place]
    exp, dist, falling = math.exp, math.dist, -0.5 * NEARNESS
    return [exp(falling * dist(direction, other) ** 2) for other in remembered]


def _numbers(found: Iterable[Any], count: int | None = None) -> tuple[float, ...]:
    try:
        numbers = tuple([float(number) for number in found])
    except (TypeError, ValueError) as error:
        raise UsageError(f"expected numbers: {error}") from error
    if not all(map(math.isfinite, numbers)) or (count is not None and len(numbers) != count):
        raise UsageError(f"expected {'' if count is None else count} finite numbers, got {numbers}")
    return numbers


def _digest(data: Mapping[str, Any]) -> str:
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
