"""Counting readings, and keeping an even draw of the labeled ones."""

from __future__ import annotations

import json
import math
import statistics

import pytest

from surefoot.policies.score_tally import (
    OTHER_REASONS,
    Labeled,
    Seen,
    Tally,
    seen_in_line,
    seen_in_readings,
)
from surefoot.policies.scoring import signal_line
from surefoot.router.signals import Reading, Signal, Unavailable

READINGS: dict[str, Reading] = {
    "sure": Signal("sure", 0.25, 3.0),
    "unsure": Signal("unsure", 0.5, 0.75, "uncertainty"),
    "none": Unavailable("no samples"),
}


def test_a_line_tells_the_same_as_the_readings_it_was_made_of() -> None:
    told = json.loads(signal_line("x", READINGS))["signals"]
    found = seen_in_line(told)
    assert repr(found) == repr(seen_in_readings(READINGS))  # repr: NaN is not equal to itself
    assert (found["sure"].score, found["unsure"].score) == (3.0, -0.75)
    assert found["none"].reason == "no samples"


@pytest.mark.parametrize(
    "damaged",
    [{"a": {}}, {"a": {"raw": 1, "value": 1}}, {"a": {"raw": 1, "value": 1, "direction": "x"}}],
)
def test_a_damaged_line_is_noticed(damaged: dict[str, dict[str, object]]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        seen_in_line(damaged)


def test_counts_by_estimator_and_reason() -> None:
    tally = Tally(("sure", "unsure", "none"))
    tally.add(seen_in_readings(READINGS))
    tally.add({**seen_in_readings(READINGS), "sure": Seen(reason="empty answer")})
    assert tally.records == 2
    assert tally.document() == {
        "sure": {"available": 1, "unavailable": {"empty answer": 1}},
        "unsure": {"available": 2, "unavailable": {}},
        "none": {"available": 0, "unavailable": {"no samples": 2}},
    }


def test_reasons_without_end_do_not_fill_the_memory() -> None:
    tally = Tally(("a",))
    for number in range(1000):
        tally.add({"a": Seen(reason=f"the estimator returned {number}")})
    reasons = tally.document()["a"]["unavailable"]
    assert len(reasons) == 33
    assert reasons[OTHER_REASONS] == 1000 - 32
    assert sum(reasons.values()) == 1000


def test_labeled_records_are_all_kept_where_there_are_few() -> None:
    labeled = Labeled(("sure", "unsure", "none"), most=10)
    labeled.add(True, "q1", seen_in_readings(READINGS))
    labeled.add(False, "q2", {**seen_in_readings(READINGS), "sure": Seen(reason="x")})
    assert (len(labeled), labeled.count) == (2, 2)
    assert list(labeled.labels) == [1, 0]
    assert labeled.groups == ["q1", "q2"]
    assert labeled.scores() == {
        "sure": [3.0, None],
        "unsure": [-0.75, -0.75],
        "none": [None, None],
    }
    assert labeled.values()["unsure"] == [0.5, 0.5]


def test_of_many_labeled_records_an_even_draw_is_kept() -> None:
    labeled = Labeled(("a",), most=1000)
    for number in range(20_000):
        labeled.add(number % 2 == 0, str(number), {"a": Seen(float(number), 0.5)})
    assert (len(labeled), labeled.count) == (1000, 20_000)
    scores = [score for score in labeled.scores()["a"] if score is not None]
    assert [int(group) for group in labeled.groups] == scores
    assert list(labeled.labels) == [score % 2 == 0 for score in scores]
    # The mean of 1,000 even draws from 0..19,999 has a standard error of 183.
    assert math.isclose(statistics.fmean(scores), 10_000, abs_tol=4 * 183)
