"""Records read together: views are made once, and a bad record or estimator spoils no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest

from surefoot.router.batch import Batch, BatchEstimator
from surefoot.router.evidence import Evidence, Generation
from surefoot.router.protocols import Estimator, Needs
from surefoot.router.reading import read_signals
from surefoot.router.signals import Reading, Signal, Unavailable
from surefoot.router.testing import FixedEstimator

RECORDS = [Evidence("q", Generation(text)) for text in ("a", "bad", "ccc")]


def test_a_view_is_made_once_for_equal_arguments() -> None:
    made: list[tuple[int, bool]] = []

    def lengths(batch: Batch, factor: int, negative: bool = False) -> list[int]:
        made.append((factor, negative))
        sign = -1 if negative else 1
        return [sign * factor * len(record.greedy.text) for record in batch.records]

    batch = Batch(RECORDS)
    assert len(batch) == 3
    assert batch.shared(lengths, 2) == [2, 6, 6]
    assert batch.shared(lengths, 2) is batch.shared(lengths, 2)
    assert batch.shared(lengths, 2, negative=True) == [-2, -6, -6]
    assert made == [(2, False), (2, True)]
    assert Batch(RECORDS).shared(lengths, 2) is not batch.shared(lengths, 2)


@dataclass(frozen=True, slots=True)
class Brittle(BatchEstimator):
    """Raises where any record of the batch is bad, or says too little."""

    short: bool = False

    name: ClassVar[str] = "brittle"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs()

    def estimate_batch(self, batch: Batch) -> Sequence[Reading]:
        """A half for every record but the bad one."""
        texts = [record.greedy.text for record in batch.records]
        if "bad" in texts and not self.short:
            raise ZeroDivisionError("bad record")
        return [Signal(self.name, 0.5, 0.5)] * (1 if self.short else len(texts))


def test_a_record_that_fails_its_batch_fails_alone() -> None:
    first, bad, last = (signals["brittle"] for signals in read_signals([Brittle()], RECORDS))
    assert first == last == Signal("brittle", 0.5, 0.5)
    assert bad == Unavailable("the estimator failed: ZeroDivisionError: bad record")


def test_a_batch_that_comes_back_too_short_is_read_one_by_one() -> None:
    found = read_signals([Brittle(short=True)], RECORDS)
    assert [signals["brittle"] for signals in found] == [Signal("brittle", 0.5, 0.5)] * 3


@pytest.mark.parametrize("value", [float("nan"), 1.5, -0.1])
def test_numbers_outside_of_their_range_are_no_signal(value: float) -> None:
    ((own,),) = [
        list(signals.values())
        for signals in read_signals([FixedEstimator("own", value)], RECORDS[:1])
    ]
    assert isinstance(own, Unavailable)
    assert "returned value" in own.reason


def test_signals_come_in_the_order_of_their_estimators() -> None:
    estimators: list[Estimator] = [FixedEstimator("z", 0.1), Brittle(), FixedEstimator("a", 0.2)]
    (found,) = read_signals(estimators, RECORDS[:1])
    assert list(found) == ["z", "brittle", "a"]
    assert read_signals(estimators, []) == []
