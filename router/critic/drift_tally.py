"""Counting states into the bins of a critic's reference, and comparing them with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from ..errors import UsageError
from ..evidence import CriticVerdict
from .feature_critic import critic_features
from .feature_drift import (
    DriftCheck,
    DriftStatus,
    FeatureShift,
    RoundSeen,
    distance,
    distance_p_value,
    stability_index,
)
from .feature_reference import FeatureReference, RoundReference, draw_of
from .states import StateRecord

__all__ = ["LEAST_INDEX", "LEAST_QUESTIONS", "FeatureTally", "drift_of"]

LEAST_QUESTIONS = 20
"""Questions of a round without which nothing is said of it."""

LEAST_INDEX = 0.1
"""Stability index below which a change counts as none, however surely it is there."""


class FeatureTally:
    """Live states, counted; of the states of a question in a round the first one."""

    def __init__(self, reference: FeatureReference) -> None:
        self._rounds = {
            head: [_RoundTally(head, one) for one in rounds]
            for head, rounds in reference.rounds.items()
        }
        self._foreign: Counter[tuple[str, int]] = Counter()

    def add(
        self,
        group: str,
        round_: int,
        verdict: CriticVerdict,
        features: Callable[[], Mapping[str, float]],
    ) -> None:
        """Count a state that was judged.

        Args:
            group: its question.
            features: asked for where they are needed alone.
        """
        said = {"accept": verdict.p_accept, "sufficient": verdict.p_sufficient}
        values: Mapping[str, float] = {}
        for head, rounds in self._rounds.items():
            if said[head] is None:
                continue
            tally = next((one for one in rounds if one.round == round_), None)
            if tally is None:
                self._foreign[head, round_] += 1
            elif group not in tally.groups:
                values = values or features()
                tally.add(group, values)

    @property
    def questions(self) -> int:
        """In the round that has most of them."""
        return max((one.n for one in self._tallies), default=0)

    @property
    def _tallies(self) -> list[_RoundTally]:
        return [one for rounds in self._rounds.values() for one in rounds]

    def check(self, level: float) -> DriftCheck:
        """The comparison so far.

        Each feature in each round is one, and all of them together raise a false alarm with at most
        the probability `level` (Bonferroni), where the questions are independent of each other.

        Raises:
            UsageError: the level is out of range.
        """
        if not 0.0 < level < 1.0:
            raise UsageError(f"level: expected a number between 0 and 1, got {level}")
        tallies = self._tallies
        seen, foreign = tuple(one.seen for one in tallies), dict(self._foreign)
        compared = [one for one in tallies if min(one.n, one.trained) >= LEAST_QUESTIONS]
        tests = sum(len(one.counts) for one in compared)
        if not tests:
            why = (
                f"it takes {LEAST_QUESTIONS} questions of a round that the critic was trained on, "
                f"and there are {self.questions}"
            )
            return DriftCheck("unknown", level, why, seen, (), foreign)
        shifts = [shift for one in compared for shift in one.shifts(level / tests)]
        shifts.sort(key=lambda one: (not one.has_drifted, -one.index, one.head, one.feature))
        status: DriftStatus = "drifted" if shifts[0].has_drifted else "not seen"
        return DriftCheck(status, level, None, seen, tuple(shifts), foreign)


class _RoundTally:
    """The live counts of one round."""

    def __init__(self, head: str, reference: RoundReference) -> None:
        self.round, self.trained = reference.round, reference.questions
        self.groups: set[str] = set()
        self._head = head
        self._histograms = reference.histograms
        self.counts = {name: [0] * len(one.counts) for name, one in reference.histograms.items()}

    @property
    def n(self) -> int:
        return len(self.groups)

    @property
    def seen(self) -> RoundSeen:
        return RoundSeen(self._head, self.round, self.trained, self.n)

    def add(self, group: str, values: Mapping[str, float]) -> None:
        self.groups.add(group)
        for name, histogram in self._histograms.items():
            self.counts[name][histogram.place(values.get(name))] += 1

    def shifts(self, level: float) -> Iterator[FeatureShift]:
        n, m = self.trained, self.n
        for name, histogram in self._histograms.items():
            before, now = histogram.counts, self.counts[name]
            index, found = stability_index(before, now), distance(before, now)
            p_value = distance_p_value(found, n, m)
            yield FeatureShift(
                self._head,
                self.round,
                name,
                index,
                found,
                p_value,
                (before[0] / n, now[0] / m),
                p_value <= level and index >= LEAST_INDEX,
            )


def drift_of(
    reference: FeatureReference | None,
    records: Sequence[StateRecord],
    verdicts: Sequence[CriticVerdict],
    level: float = 0.01,
) -> DriftCheck:
    """Compare states with those that the critic's probabilities were fitted on.

    Args:
        reference: of the critic; None where its file has none.
        verdicts: what it says of the states, in their order.
        level: bound of the probability of a false alarm, in (0, 1).
    """
    if reference is None:
        why = "the critic has no reference of its features; train or recalibrate it anew"
        return DriftCheck("unknown", level, why)
    tally = FeatureTally(reference)
    judged = [
        (draw_of(record.thread_id, record.state.round), number)
        for number, record in enumerate(records)
    ]
    for _, number in sorted(judged):  # the tally takes the first of a question
        record = records[number]
        tally.add(
            record.group,
            record.state.round,
            verdicts[number],
            partial(critic_features, record.state),
        )
    return tally.check(level)
