"""What a critic's features looked like where its probabilities were fitted, as histograms."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ..errors import UsageError

__all__ = [
    "FeatureReference",
    "Histogram",
    "RoundReference",
    "SeenState",
    "draw_of",
    "histogram_of",
    "round_reference",
]

_HEADS = ("accept", "sufficient")
_BINS = 10
_DIGITS = 6
_MARGIN = 1e-5  # more than rounding takes away


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often a feature was missing, or lay in each bin; a bin ends at its cut, inclusive.

    Attributes:
        cuts: rising. Nothing of the sample lies up to the first or above the last, so that values
            beyond its range have bins of their own.
        counts: missing, then one a bin: two more than there are cuts.
    """

    cuts: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.cuts) + 2 or min(self.counts) < 0:
            raise UsageError("expected a count from 0 for what is missing and for every bin")
        if any(not a < b for a, b in pairwise(self.cuts)):
            raise UsageError("expected cuts that rise")

    def place(self, value: float | None) -> int:
        """Which of the counts a value adds to."""
        return 0 if value is None else 1 + bisect_left(self.cuts, value)


def histogram_of(values: Sequence[float | None]) -> Histogram:
    """About ten bins of equally many values; equal values share one."""
    counted = Counter(value for value in values if value is not None)
    known = sorted(counted)
    cuts: list[float] = []
    if known:
        cuts.append(_rounded(known[0] - _MARGIN * max(1.0, abs(known[0]))))
        enough, filled = sum(counted.values()) / _BINS, 0
        for value, following in pairwise(known):
            filled += counted[value]
            cut = _rounded((value + following) / 2.0)
            if filled >= enough and cuts[-1] < cut:
                cuts.append(cut)
                filled = 0
        last = _rounded(known[-1] + _MARGIN * max(1.0, abs(known[-1])))
        cuts += [last] if cuts[-1] < last else []
    empty = Histogram(tuple(cuts), (0,) * (len(cuts) + 2))
    places = Counter(map(empty.place, values))
    return Histogram(empty.cuts, tuple(places[place] for place in range(len(empty.counts))))


def _rounded(number: float) -> float:
    # Values are counted by the rounded cuts, so that what lies between does not matter.
    return float(f"{number:.{_DIGITS}g}")


@dataclass(frozen=True, slots=True)
class SeenState:
    """A state as the check sees it.

    Attributes:
        group: its question.
        values: features by name. Probabilities are none of them: those of the states that a critic
            learned from are not like those of others, even where nothing has changed.
    """

    group: str
    thread_id: str
    round: int
    values: Mapping[str, float]


def draw_of(thread_id: str, round_: int) -> str:
    """A number that depends on thread and round alone: of each question the least one counts.

    States of one question are not independent of each other; one of each is, where questions are.
    """
    return hashlib.sha256(f"{thread_id}|{round_}".encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class RoundReference:
    """The features of the states of one round: what comes later has others.

    Attributes:
        round: 0 is closed book.
        questions: each counts with one state.
        histograms: by feature.
    """

    round: int
    questions: int
    histograms: Mapping[str, Histogram]


def round_reference(
    states: Iterable[SeenState], round_: int, names: Iterable[str]
) -> RoundReference:
    """The histograms of these features over the states of this round, one a question."""
    within = (state for state in states if state.round == round_)
    by_group: dict[str, SeenState] = {}
    for state in sorted(within, key=lambda one: draw_of(one.thread_id, one.round)):
        by_group.setdefault(state.group, state)
    drawn = list(by_group.values())
    return RoundReference(
        round_,
        len(drawn),
        {name: histogram_of([one.values.get(name) for one in drawn]) for name in sorted(names)},
    )


@dataclass(frozen=True, slots=True)
class FeatureReference:
    """What states are compared with, by head (`accept`, `sufficient`) and round.

    It decides on no verdict, and so is no part of a critic's version.

    Attributes:
        rounds: rising.
    """

    rounds: Mapping[str, tuple[RoundReference, ...]]
    fingerprint: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        for head, rounds in self.rounds.items():
            if any(one.round >= other.round for one, other in pairwise(rounds)):
                raise UsageError(f"{head}: expected rounds that rise")
        plain = json.dumps(self._plain(), allow_nan=False, sort_keys=True)
        digest = hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()
        object.__setattr__(self, "fingerprint", digest)

    def data(self) -> dict[str, Any]:
        """As JSON."""
        return {**self._plain(), "fingerprint": self.fingerprint}

    def _plain(self) -> dict[str, Any]:
        return {head: [_round_data(one) for one in rounds] for head, rounds in self.rounds.items()}

    @classmethod
    def from_data(cls, data: Any) -> FeatureReference:
        """What `data` made.

        Raises:
            UsageError: it is none, or was changed.
        """
        try:
            rounds = {head: tuple(map(_round, data[head])) for head in _HEADS if head in data}
            found, noted = cls(rounds), data["fingerprint"]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UsageError(f"expected histograms of features: {error!r}") from error
        if noted != found.fingerprint:
            raise UsageError("the histograms are not those that their fingerprint names")
        return found


def _round_data(one: RoundReference) -> dict[str, Any]:
    histograms = {name: [list(of.cuts), list(of.counts)] for name, of in one.histograms.items()}
    return {"round": one.round, "questions": one.questions, "features": histograms}


def _round(data: Any) -> RoundReference:
    histograms = {
        str(name): Histogram(tuple(map(float, cuts)), tuple(map(int, counts)))
        for name, (cuts, counts) in data["features"].items()
    }
    round_, questions = int(data["round"]), int(data["questions"])
    if any(sum(one.counts) != questions for one in histograms.values()):
        raise ValueError("counts that do not sum to the questions")
    return RoundReference(round_, questions, histograms)
