"""Live scores against calibration scores: exact p-values, false alarms, and what is seen."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import kstest

from surefoot.router.errors import UsageError
from surefoot.router.risk.jumper import Jumper
from surefoot.router.risk.score_drift import ScoreDrift, ScoreSummary, summarize_scores
from surefoot.router.wire import decode_json, encode_json

Scores = list[float | None]
Draw = Callable[[np.random.Generator, int], Scores]


def smooth(rng: np.random.Generator, n: int) -> Scores:
    """Logistic of a normal: no ties."""
    return [float(x) for x in 1 / (1 + np.exp(-rng.normal(size=n)))]


def saturated(rng: np.random.Generator, n: int) -> Scores:
    """One score in ten is missing, six in ten are exactly 1, the rest come in tenths."""
    found: Scores = []
    for kind, value in zip(rng.random(n), rng.random(n).round(1), strict=True):
        found.append(None if kind < 0.1 else 1.0 if kind < 0.7 else float(value))
    return found


def thirds(rng: np.random.Generator, n: int) -> Scores:
    return [float(x) for x in rng.integers(0, 3, n) / 2]


def started(scores: Scores) -> ScoreDrift:
    return ScoreDrift(summarize_scores(scores))


def test_the_summary_of_few_scores_by_hand() -> None:
    told = summarize_scores([0.5, None, 0.0, 0.5, 1.0, None, 0.9])
    # 20 log(.9 / .1) = 43.9
    assert told.counts == ((-2000, 2), (-1000, 1), (0, 2), (44, 1), (1000, 1))
    assert told.tied == ((0.0, 1), (0.5, 2), (1.0, 1))
    assert (told.missing, told.n) == (2, 7)


def test_cells_rise_with_the_score_to_the_ends_of_the_range() -> None:
    scores = [0.0, 5e-324, 1e-9, 0.3, 0.5, 0.52, 0.999, 0.9999, math.nextafter(1, 0), 1.0]
    drift = started([*scores])
    assert len(drift.calibration.counts) == len(scores)


def test_the_summary_does_not_depend_on_the_order_and_stays_small() -> None:
    scores = smooth(np.random.default_rng(1), 50_000)
    told = summarize_scores(scores)
    assert summarize_scores(reversed(scores)) == told
    assert decode_json(ScoreSummary, encode_json(told)) == told
    assert len(encode_json(told)) < 3_000


@pytest.mark.parametrize("scores", [[], [None], [0.1, math.nan], [1.1], [-0.1]])
def test_a_summary_needs_scores_in_range(scores: Scores) -> None:
    with pytest.raises(UsageError, match="expected"):
        summarize_scores(scores)


def p_values_of(
    monkeypatch: pytest.MonkeyPatch, draw: Draw, n: int, live: int, trials: int
) -> list[list[float]]:
    """The p-values that reach the first martingale."""
    seen: list[list[float]] = []
    plain = Jumper.after

    def noted(self: Jumper, given: list[float]) -> tuple[Jumper, list[float]]:
        seen.append(given)
        return plain(self, given)

    monkeypatch.setattr(Jumper, "after", noted)
    for trial in range(trials):
        rng, ties = np.random.default_rng(trial), random.Random(trial)
        known = draw(rng, n)
        if any(score is not None for score in known):  # fails once in a thousand
            started(known).after(draw(rng, live), ties)
    return seen[::2]


@pytest.mark.parametrize("draw", [smooth, saturated, thirds])
@pytest.mark.parametrize("n", [3, 60])
def test_p_values_are_uniform_and_independent(
    monkeypatch: pytest.MonkeyPatch, draw: Draw, n: int
) -> None:
    found = np.array(p_values_of(monkeypatch, draw, n, 6, 4000))
    assert len(found) >= 3980
    for column in found.T:
        assert kstest(column, "uniform").pvalue > 1e-4
    correlations = np.corrcoef(found.T) - np.eye(6)
    assert np.abs(correlations).max() <= 4.5 / math.sqrt(3980)


def test_against_calibration_scores_alone_there_would_be_false_alarms() -> None:
    """Why live scores join: the error of few calibration scores is common to all p-values."""
    alarms = 0
    for trial in range(60):
        rng = np.random.default_rng(trial)
        known = np.sort(rng.normal(size=50))
        ranks = np.searchsorted(known, rng.normal(size=3000)) + rng.random(3000)
        alarms += max(Jumper().after((ranks / 51).tolist())[1]) >= 20
    assert alarms / 60 >= 0.3


@pytest.mark.parametrize(("draw", "n"), [(smooth, 300), (saturated, 300), (smooth, 5)])
def test_false_alarms_over_a_long_time(draw: Draw, n: int) -> None:
    alarms = 0
    for trial in range(60):
        rng, ties = np.random.default_rng(trial), random.Random(trial)
        drift = ScoreDrift(summarize_scores(draw(rng, n)), level=0.05)
        alarms += drift.after(draw(rng, 3000), ties).alarm is not None
    assert alarms / 60 <= 0.05 + 2 * (0.05 * 0.95 / 60) ** 0.5


@pytest.mark.parametrize(
    ("move", "most"),
    [
        (lambda x: x + 0.5, 150.0),
        (lambda x: x - 1.0, 80.0),
        (lambda x: 0.4 * x, 100.0),
        (lambda x: 2.5 * x, 100.0),
    ],
)
def test_shifts_of_place_and_of_spread_are_seen(
    move: Callable[[float], float], most: float
) -> None:
    found = []
    for trial in range(15):
        rng, ties = np.random.default_rng(trial), random.Random(trial)
        drift = started(smooth(rng, 2000)).after(smooth(rng, 300), ties)
        assert drift.alarm is None
        live = [1 / (1 + math.exp(-move(float(x)))) for x in rng.normal(size=800)]
        alarm = drift.after(live, ties).alarm
        found.append(math.inf if alarm is None else alarm - 300)
    assert np.median(found) <= most


def test_signals_that_go_missing_are_seen_even_if_none_was_before() -> None:
    rng, ties = np.random.default_rng(0), random.Random(0)
    drift = started(smooth(rng, 1000))
    live = [None if i % 4 == 0 else x for i, x in enumerate(smooth(rng, 800))]
    found = drift.after(live, ties)
    assert found.alarm is not None
    assert found.missing_share[0] == 0.0
    assert found.missing_share[1] == pytest.approx(0.25)


def test_saturation_is_seen() -> None:
    rng, ties = np.random.default_rng(0), random.Random(0)
    live = [1.0 if i % 2 else x for i, x in enumerate(saturated(rng, 800))]
    found = started(saturated(rng, 2000)).after(live, ties)
    assert found.alarm is not None
    then, now = found.tie_share
    assert now is not None
    assert then == pytest.approx(1.0)  # all scores but the missing come in tenths


def test_the_numbers_of_a_report_by_hand() -> None:
    drift = started([0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5, None, None])
    assert drift.shifts() == () and drift.largest_gap == 0.0
    assert drift.missing_share == (0.2, None)
    found = drift.after([0.05, 0.15, 0.25, 0.6, None], random.Random(1))
    assert found.n == 5
    assert found.missing_share == (0.2, 0.2)
    assert found.tie_share == (0.5, 0.0)
    median = found.shifts((0.5,))[0]
    assert (median.quantile, median.live_share) == (0.5, 0.75)
    assert median.score == pytest.approx(0.4, abs=0.01)
    assert median.live_score == pytest.approx(0.15, abs=0.01)
    # at .25, 3 of 4 live scores have come, and 2 of 8 before
    assert found.largest_gap == pytest.approx(0.5)


def test_the_first_p_value_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[float]] = []
    plain = Jumper.after

    def noted(self: Jumper, given: list[float]) -> tuple[Jumper, list[float]]:
        seen.append(given)
        return plain(self, given)

    monkeypatch.setattr(Jumper, "after", noted)
    twice = random.Random(3)
    v, w = twice.random(), twice.random()
    started([None, 0.2, 0.5, 0.5]).after([0.5, None], random.Random(3))
    assert seen[0] == pytest.approx([(2 + v * 3) / 5, w * 2 / 6])
    assert seen[1] == pytest.approx([abs(2 * p - 1) for p in seen[0]])


def test_going_on_from_a_stored_state_is_going_on() -> None:
    rng = np.random.default_rng(3)
    drift, live = started(saturated(rng, 500)), saturated(rng, 400)
    ties = random.Random(7)
    first = drift.after(live[:150], ties)
    stored = decode_json(ScoreDrift, encode_json(first))
    assert stored == first
    whole = drift.after(live, random.Random(7))
    assert stored.after(live[150:], ties) == whole
    assert drift.after([], ties) is drift


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="level"):
        ScoreDrift(summarize_scores([0.1, 0.2]), 0.0)
    with pytest.raises(UsageError, match="score in"):
        started([0.1, 0.2]).after([math.nan], random.Random(0))
