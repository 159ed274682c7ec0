"""Combinations and notes in a profile: they come back, run, and are protected where they decide."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from surefoot.policies.choosing import AUTOMATIC, Calibrating
from surefoot.policies.fit import Prices, fit_uncertified
from surefoot.policies.fitted import FitNote, FittedCalibrator, Quality
from surefoot.policies.outcomes import OutcomeTable
from surefoot.policies.profile import (
    FittedRung,
    FittedTier,
    Profile,
    load_profile,
    save_profile,
)
from surefoot.policies.replay import serve_table
from surefoot.policies.threshold import BuyBand
from surefoot.router.calibration import BetaCalibrator, HistogramCalibrator, PlattCalibrator
from surefoot.router.calibration.combination import fit_boosted_combination
from surefoot.router.calibration.combining import LogisticCombination
from surefoot.router.decisions import Rung
from surefoot.router.errors import BadInput, ProfileMismatch, UsageError
from surefoot.router.signals import Estimate, Reading, Signal
from surefoot.router.testing import FixedEstimator

from .worlds import outcome, settings_of, sigmoid, table_of

GOOD, BETTER = Quality(0.03, 0.04, 0.15, 0.45), Quality(0.01, 0.02, 0.12, 0.40)
NOTE = FitNote("by hand", BETTER, GOOD, "m-1", "2026-01-01")
BOTH = LogisticCombination(
    ("a", "b"), (1, 2), 100, 60, 0.5, (1.0, 2.0), (1.0, 2.0), (None, -0.5), 3.0
)
TREES = fit_boosted_combination(
    [(i / 60, (i % 7) / 7) for i in range(60)], [int(i > 25) for i in range(60)], signals=("a", "b")
)
PLATT = PlattCalibrator("combined(a, b)", 1, 100, 60, 1.0, 0.0)
COMBINED = FittedCalibrator(PLATT, 0.4, 0.8, BOTH, NOTE)
GROWN = FittedCalibrator(
    BetaCalibrator("combined(a, b)", 1, 100, 60, 1.0, 1.0, 0.0), 0.4, 0.8, TREES
)
SINGLE = FittedCalibrator(HistogramCalibrator("a", 1, 100, 60, (0.5,), (0.2, 0.8), k=5), 0.5, 0.7)

PROFILE = Profile(
    (FittedTier("small", "m-1"),),
    (
        FittedRung(0, False, 0.5, (), (), (COMBINED, SINGLE)),
        FittedRung(0, True, 0.5, (), (), (GROWN, SINGLE)),
    ),
    {"names": ["a", "b"], "versions": {"a": 1, "b": 2}, "how": "abc"},
)


def saved(tmp_path: Path, profile: Profile = PROFILE) -> Path:
    path = tmp_path / "profile.json"
    save_profile(profile, path)
    return path


def test_combinations_and_notes_come_back(tmp_path: Path) -> None:
    path = saved(tmp_path)
    assert load_profile(path) == PROFILE
    entries = json.loads(path.read_text())["calibrators"][0]["signals"]
    assert entries[0]["combination"]["kind"] == "logistic"
    assert entries[0]["fit"]["cross_fitted"]["ece"] == 0.03
    assert entries[1]["k"] == 5 and "combination" not in entries[1] and "fit" not in entries[1]


def test_a_note_decides_nothing_and_may_differ() -> None:
    rung = replace(PROFILE.rungs[0], calibrators=(replace(COMBINED, note=None), SINGLE))
    assert replace(PROFILE, rungs=(rung, PROFILE.rungs[1])).fingerprint == PROFILE.fingerprint


def change_at(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        place: Any = data["calibrators"]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        change_at(0, "signals", 0, "combination", "intercept", value=0.6),
        change_at(0, "signals", 0, "combination", "a", value=[1.0, 2.5]),
        change_at(0, "signals", 0, "combination", "missing", value=[None, None]),
        change_at(0, "signals", 0, "combination", value=None),
        change_at(1, "signals", 0, "combination", "baseline", value=0.1),
        change_at(0, "signals", 0, "combination", "b", value=[1.0, -2.0]),
        change_at(0, "signals", 0, "combination", "kind", value="forest"),
        change_at(0, "signals", 0, "combination", value=5),
        change_at(0, "signals", 1, "k", value=20),
        change_at(0, "signals", 0, "fit", value={"method": 5}),
    ],
)
def test_a_file_that_was_changed_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    path = saved(tmp_path)
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(BadInput):
        load_profile(path)


def test_it_runs_as_it_was_fitted(tmp_path: Path) -> None:
    assessor = load_profile(saved(tmp_path)).assessor()
    signals: dict[str, Reading] = {"a": Signal("a", 0.8, 0.8), "b": Signal("b", 0.3, 0.3)}
    for rung, fitted in ((Rung(0, 0, False), COMBINED), (Rung(0, 1, True), GROWN)):
        found = assessor.assess(rung, signals)
        assert fitted.combination is not None
        p = fitted.curve.at(sigmoid(fitted.combination.log_odds([0.8, 0.3])))
        assert isinstance(found, Estimate) and found.p == pytest.approx(p)
        assert (found.signal, found.calibrator) == ("combined(a, b)", fitted.fingerprint)
    assert len({COMBINED.fingerprint, GROWN.fingerprint, PLATT.fingerprint}) == 3


def test_a_signal_of_another_k_is_refused() -> None:
    assert SINGLE.probability(Signal("a", 0.9, 0.9, details={"k": 5})) == 0.8
    with pytest.raises(UsageError, match="fitted with k = 5"):
        SINGLE.probability(Signal("a", 0.9, 0.9, details={"k": 20}))


def test_every_part_of_what_is_preferred_must_be_configured() -> None:
    a, b = FixedEstimator("a"), FixedEstimator("b", version=2)
    PROFILE.check(("m-1",), [a, b], "abc")
    with pytest.raises(ProfileMismatch, match="fitted on b"):
        PROFILE.check(("m-1",), [a], "abc")
    with pytest.raises(ProfileMismatch, match=r"'b': .* on version 2, but version 1 is"):
        PROFILE.check(("m-1",), [a, FixedEstimator("b")], "abc")


# --- from a table to what is served --------------------------------------------------------------


def ladder(n: int, seed: int = 0) -> OutcomeTable:
    """A small tier with two free views of a question's ease and a bought one; a sure, dear tier."""
    rng = random.Random(seed)
    rows = []
    for number in range(n):
        ease = rng.gauss(0.0, 2.0)
        wrong = float(rng.random() >= sigmoid(ease))
        told = {name: sigmoid(ease + rng.gauss(0.0, 2.0)) for name in ("one", "two", "paid")}
        rows.append(outcome(f"q{number}", loss=wrong, signals=told, signal_costs={"paid": 0.2}))
        late = {name: rng.random() for name in told}
        loss = float(rng.random() >= 0.95)
        rows.append(
            outcome(f"q{number}", 1, loss=loss, cost=20.0, signals=late, signal_costs={"paid": 0.2})
        )
    return table_of(rows)


PRICES = Prices(100.0, 60.0)


@pytest.mark.parametrize("choice", [AUTOMATIC, Calibrating(("platt",), "logistic")])
def test_a_combined_profile_is_fitted_replayed_and_buys_its_bought_part(
    choice: Calibrating, tmp_path: Path
) -> None:
    table = ladder(300)
    fit = replace(settings_of(PRICES), calibrating=choice)
    profile = fit_uncertified(table, fit, {"date": "2026-02-03"})
    path = saved(tmp_path, profile)
    assert load_profile(path) == profile

    best = profile.rungs[0].calibrators[0]
    assert best.name == "combined(one, two, paid)"
    assert best.note is not None and best.note.date == "2026-02-03"
    assert [band.signal for band in profile.rungs[0].buy] == ["paid"]
    assert isinstance(profile.rungs[0].buy[0], BuyBand)
    served = serve_table(table, load_profile(path))
    bought = [one for one in served if one.rung == Rung(0, 0, False) and one.cost > 1.0]
    assert 0 < len(bought) < 300
    price = sum(one.cost + 100.0 * (one.loss or 0.0) for one in served) / 300

    plain = fit_uncertified(table, settings_of(PRICES), {})
    alone = serve_table(table, plain)
    assert price < sum(one.cost + 100.0 * (one.loss or 0.0) for one in alone) / 300 + 1.0
