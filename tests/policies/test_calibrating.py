"""Calibrators per rung: judged out of fold, the most telling signal first, no leak."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from surefoot.policies import calibrating
from surefoot.policies.calibrating import CalibratedRung, calibrate_rungs, with_out_of_fold
from surefoot.policies.outcomes import Outcome, OutcomeTable
from surefoot.router.calibration import fit_isotonic
from surefoot.router.decisions import Rung
from surefoot.router.errors import UsageError
from surefoot.router.metrics import auroc, log_loss

from .worlds import outcome, shuffled, sigmoid, table_of


def graded(n: int, seed: int = 0) -> OutcomeTable:
    """P(right) is `strong`; `weak` is half noise, `noise` all of it; `shy` needs another base."""
    rng = random.Random(seed)
    rows = []
    for number in range(n):
        ease = rng.gauss(0.0, 2.0)
        p = sigmoid(ease)
        signals = {
            "noise": rng.random(),
            "weak": sigmoid(ease + rng.gauss(0.0, 3.0)),
            "strong": p,
            "shy": sigmoid(ease - 3.0 + rng.gauss(0.0, 1.0)),
        }
        rows.append(outcome(f"q{number}", loss=float(rng.random() >= p), signals=signals))
    return table_of(rows)


def only_rung(table: OutcomeTable, seed: int = 0) -> CalibratedRung:
    (rung,) = calibrate_rungs(table, {}, seed=seed)
    return rung


def test_signals_are_ordered_by_what_they_tell_out_of_fold() -> None:
    rung = only_rung(graded(600))
    losses = [fitted.log_loss for fitted in rung.calibrators]

    order = [fitted.curve.signal for fitted in rung.calibrators]
    assert order == ["strong", "shy", "weak", "noise"]
    assert losses == sorted(losses)
    assert losses[0] < 0.55 < 0.65 < losses[-1]


def test_the_kind_that_fits_is_kept() -> None:
    kinds = {
        fitted.curve.signal: fitted.curve.kind for fitted in only_rung(graded(600)).calibrators
    }

    assert kinds["strong"] == "temperature"  # its values are probabilities already
    assert kinds["shy"] == "isotonic"  # no temperature can move one half


def test_the_stated_loss_and_area_can_be_computed_from_what_is_given_out() -> None:
    table = graded(200)
    rung = only_rung(table)
    right = [int(row.loss == 0) for row in table.rows()]

    for fitted in rung.calibrators:
        name = fitted.curve.signal
        out = [rung.out_of_fold[name][query_id, 0] for query_id in table.queries]
        assert fitted.log_loss == pytest.approx(log_loss(out, right))
        values = [row.signals[name] or 0.0 for row in table.rows()]
        assert fitted.auroc == pytest.approx(auroc(values, right))
        assert (fitted.curve.n, fitted.curve.positives) == (200, sum(right))


def test_every_rung_has_its_own_calibrators_and_rounds_share_them() -> None:
    rng = random.Random(1)
    rows = [
        outcome(f"q{q}", tier, round, loss=float(rng.random() < 0.4), signals={"s": rng.random()})
        for q in range(60)
        for tier in (0, 1)
        for round in (0, 1, 2)
    ]
    rungs = calibrate_rungs(table_of(rows), {"s": 4}, seed=0)

    assert [(rung.tier, rung.retrieved) for rung in rungs] == [
        (0, False),
        (0, True),
        (1, False),
        (1, True),
    ]
    assert [rung.calibrators[0].curve.n for rung in rungs] == [60, 120, 60, 120]
    assert {rung.calibrators[0].curve.version for rung in rungs} == {4}
    assert set(rungs[1].out_of_fold["s"]) == {
        (f"q{q}", round) for q in range(60) for round in (1, 2)
    }


def test_shuffled_rows_give_the_same_calibrators() -> None:
    table = graded(150)

    for seed in range(3):
        assert only_rung(shuffled(table, seed)) == only_rung(table)
    assert only_rung(table, seed=1) != only_rung(table, seed=2)


# --- no leak -------------------------------------------------------------------------------------


def noise_table(questions: int, rounds: int = 3) -> OutcomeTable:
    """One value per question that has nothing to do with whether its rows are right."""
    rng = random.Random(7)
    rows = []
    for number in range(questions):
        value, wrong = rng.random(), float(rng.random() < 0.5)
        rows += [
            outcome(f"q{number}", 0, round, loss=wrong, signals={"s": value})
            for round in range(1, rounds + 1)
        ]
    return table_of(rows)


@dataclass(frozen=True)
class SpyCurve:
    """Knows which values it was fitted on, and notes those that it is asked for."""

    signal: str
    fitted_on: frozenset[float]
    asked: list[float]

    def at(self, x: float) -> float:
        self.asked.append(x)
        return 0.5


def test_no_question_is_judged_by_a_curve_that_saw_one_of_its_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    curves: list[SpyCurve] = []

    def fit(
        values: Sequence[float], labels: Sequence[int], *, signal: str, version: int
    ) -> SpyCurve:
        curves.append(SpyCurve(signal, frozenset(values), []))
        return curves[-1]

    monkeypatch.setattr(calibrating, "_FITS", (fit,))
    table = noise_table(40)
    values = {row.signals["s"] for row in table.rows()}
    only_rung(table)

    *folds, final = curves
    assert len(folds) == 5 and final.asked == []
    assert final.fitted_on == values
    for curve in folds:
        assert not curve.fitted_on & set(curve.asked)
        assert curve.fitted_on | set(curve.asked) == values
    assert sum(len(curve.asked) for curve in folds) == 40 * 3


def test_noise_looks_good_in_sample_and_not_out_of_fold() -> None:
    table = noise_table(120)
    rows = list(table.rows())
    values = [row.signals["s"] or 0.0 for row in rows]
    right = [int(row.loss == 0) for row in rows]
    curve = fit_isotonic(values, right, signal="s")
    in_sample = log_loss([curve.at(value) for value in values], right)
    share = sum(right) / len(right)
    base = -(share * math.log(share) + (1 - share) * math.log(1 - share))
    out = only_rung(table).out_of_fold["s"]
    probabilities = [out[row.query_id, row.round] for row in rows]

    assert isinstance(in_sample, float) and in_sample < base - 0.01
    found = log_loss(probabilities, right)
    assert isinstance(found, float) and found > base - 0.002
    area = auroc(probabilities, right)
    assert isinstance(area, float) and area < 0.58


# --- rungs that cannot be calibrated -------------------------------------------------------------


def labelled(n: int, wrong: int, **told: float | None) -> list[Outcome]:
    return [outcome(f"q{i}", loss=float(i < wrong), signals={"s": i / n, **told}) for i in range(n)]


def refusal(rows: Sequence[Outcome]) -> str:
    with pytest.raises(UsageError) as caught:
        calibrate_rungs(table_of(rows), {}, seed=0)
    return str(caught.value)


def test_too_few_rows_say_how_many_there_are() -> None:
    words = refusal(labelled(19, 9))

    assert words.startswith("no signal can be calibrated for tier 0 without passages: s: ")
    assert "19 judged rows have it, 20 are needed" in words
    assert only_rung(table_of(labelled(20, 9))).calibrators


def test_rows_without_a_loss_or_the_signal_do_not_count() -> None:
    rows = labelled(24, 9)
    unjudged = [replace(row, loss=None) for row in rows[:3]]
    silent = [replace(row, signals={"s": None}) for row in rows[3:5]]

    assert "19 judged rows" in refusal([*unjudged, *silent, *rows[5:]])


@pytest.mark.parametrize("wrong", [0, 30])
def test_rows_of_one_class_are_refused(wrong: int) -> None:
    words = refusal(labelled(30, wrong))

    assert "tier 0 without passages" in words
    assert "expected right and wrong answers to fit on" in words


def test_a_single_wrong_row_is_too_few_to_leave_out() -> None:
    assert "expected right and wrong answers" in refusal(labelled(30, 1))


def test_losses_between_right_and_wrong_are_refused_by_name() -> None:
    words = refusal([*labelled(30, 9), outcome("half", loss=0.5)])

    assert "query 'half' has loss 0.5" in words


def test_the_rung_that_fails_is_named() -> None:
    bad = [outcome(f"q{i}", 1, 1, loss=0.0, signals={"s": i / 30}) for i in range(30)]

    assert "tier 1 with passages" in refusal([*labelled(30, 9), *bad])


def test_one_usable_signal_is_enough() -> None:
    rung = only_rung(table_of(labelled(30, 9, dead=None)))

    assert [fitted.curve.signal for fitted in rung.calibrators] == ["s"]


# --- the table that thresholds are chosen on -----------------------------------------------------


def test_signals_become_their_out_of_fold_probabilities() -> None:
    table = graded(100)
    rungs = calibrate_rungs(table, {}, seed=0)
    changed, orders = with_out_of_fold(table, rungs)

    assert orders == {(0, False): ("strong", "shy", "weak", "noise")}
    for query_id, ladder in changed.queries.items():
        before, after = table.queries[query_id][Rung(0, 0, False)], ladder[Rung(0, 0, False)]
        assert replace(after, signals={}) == replace(before, signals={})
        for name in orders[0, False]:
            assert after.signals[name] == rungs[0].out_of_fold[name][query_id, 0]


def test_a_row_that_no_calibrator_judged_has_no_signal() -> None:
    rows = [
        *labelled(30, 9),
        outcome("unjudged", loss=None),
        outcome("silent", signals={"s": None}),
    ]
    table = table_of(rows)
    changed, _ = with_out_of_fold(table, calibrate_rungs(table, {}, seed=0))

    for query_id in ("unjudged", "silent"):
        assert changed.queries[query_id][Rung(0, 0, False)].signals == {"s": None}
