"""Calibrators per rung: judged out of fold, the most telling signal first, no leak."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from surefoot.policies import calibrating
from surefoot.policies.calibrating import CalibratedRung, calibrate_rungs
from surefoot.policies.choosing import AUTOMATIC, KINDS, Calibrating
from surefoot.policies.outcomes import Outcome, OutcomeTable
from surefoot.router.assessing import CalibratedAssessor, RungCalibrators
from surefoot.router.calibration import fit_isotonic
from surefoot.router.decisions import Rung
from surefoot.router.errors import UsageError
from surefoot.router.metrics import ace, auroc, brier, ece, log_loss
from surefoot.router.signals import Estimate, Reading, Signal

from .out_of_fold import OutOfFoldAssessor, with_out_of_fold
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

    monkeypatch.setattr(calibrating, "_FITS", {"platt": fit})
    table = noise_table(40)
    values = {row.signals["s"] for row in table.rows()}
    calibrate_rungs(table, {}, seed=0, choice=Calibrating(("platt",)))

    *folds, final = curves
    assert len(folds) == 5
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


def test_losses_that_are_all_alike_are_refused() -> None:
    words = refusal([replace(row, loss=0.25) for row in labelled(30, 9)])

    assert "expected better and worse answers to fit on, got 24 labels, only 0.75" in words


def test_graded_losses_are_calibrated_as_shares_of_right_answers() -> None:
    """Two levels of the signal with mean qualities of .8 and .3, Platt fitted through both."""
    rows = [
        outcome(f"q{i}", loss=loss + (0.1 if i % 4 < 2 else -0.1), signals={"s": value})
        for i, (value, loss) in enumerate([(0.9, 0.2), (0.2, 0.7)] * 200)
    ]
    (rung,) = calibrate_rungs(table_of(rows), {}, seed=0, choice=Calibrating(("platt",)))

    (fitted,) = rung.calibrators
    assert (fitted.curve.n, fitted.auroc) == (400, None)
    assert fitted.curve.positives == pytest.approx(200 * 0.8 + 200 * 0.3)
    assert fitted.curve.at(0.9) == pytest.approx(0.8, abs=0.01)
    assert fitted.curve.at(0.2) == pytest.approx(0.3, abs=0.01)
    best = -0.5 * (
        0.8 * math.log(0.8) + 0.2 * math.log(0.2) + 0.3 * math.log(0.3) + 0.7 * math.log(0.7)
    )
    assert fitted.log_loss == pytest.approx(best, abs=1e-3) and fitted.log_loss > best


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


# --- what is tried -------------------------------------------------------------------------------


def test_of_all_kinds_the_simplest_that_is_not_clearly_worse_is_kept() -> None:
    (rung,) = calibrate_rungs(graded(600), {}, seed=0, choice=AUTOMATIC)
    kinds = {one.name: one.curve.kind for one in rung.calibrators if one.combination is None}

    assert kinds["strong"] == "temperature"
    assert kinds["shy"] == "platt"  # another base rate, and nothing else


def test_only_the_kinds_that_are_named_are_tried() -> None:
    for kind in KINDS:
        (rung,) = calibrate_rungs(graded(60), {}, seed=0, choice=Calibrating((kind,)))
        assert {one.curve.kind for one in rung.calibrators} == {kind}


def test_a_calibrator_says_how_good_it_is_out_of_fold_and_on_its_own_rows() -> None:
    rows = [replace(row, model="m-1") for row in graded(100).rows()]
    table = table_of(rows)
    (rung,) = calibrate_rungs(
        table, {}, seed=3, choice=Calibrating(("isotonic",)), date="2026-01-01"
    )
    right = [int(row.loss == 0) for row in rows]

    for one in rung.calibrators:
        note = one.note
        assert note is not None and (note.model, note.date) == ("m-1", "2026-01-01")
        assert note.method == "isotonic, cross-fitted over 5 folds of questions, seed 3"
        out = [rung.out_of_fold[one.name][row.query_id, 0] for row in rows]
        values = [row.signals[one.name] or 0.0 for row in rows]
        inside = [one.curve.at(value) for value in values]
        for measured, p in ((note.cross_fitted, out), (note.in_sample, inside)):
            assert measured.log_loss == pytest.approx(log_loss(p, right))
            assert measured.ece == pytest.approx(ece(p, right))
            assert measured.ace == pytest.approx(ace(p, right))
            assert measured.brier == pytest.approx(brier(p, right))
        assert note.cross_fitted.log_loss == one.log_loss > note.in_sample.log_loss


# --- combinations --------------------------------------------------------------------------------


def views(n: int, seed: int = 0, *, spread: float = 1.5, gaps: float = 0.0) -> OutcomeTable:
    """`one` and `two` are free views of a question's ease, `paid` is a bought one.

    `two` is missing on a share of the questions, and `paid` where the answer is cut.
    """
    rng = random.Random(seed)
    rows = []
    for number in range(n):
        ease = rng.gauss(0.0, 2.0)
        wrong = float(rng.random() >= sigmoid(ease))
        told: dict[str, float | None] = {
            name: sigmoid(ease + rng.gauss(0.0, spread)) for name in ("one", "two", "paid")
        }
        if rng.random() < gaps:
            told["two"] = None
        if number % 20 == 0:
            told["paid"] = None
        rows.append(outcome(f"q{number:03}", loss=wrong, signals=told, signal_costs={"paid": 0.5}))
    return table_of(rows)


LOGISTIC = Calibrating(("platt",), "logistic")
FREE, ALL = "combined(one, two)", "combined(one, two, paid)"


def test_views_that_complement_each_other_are_combined_and_preferred() -> None:
    (rung,) = calibrate_rungs(views(500), {"two": 7}, seed=0, choice=AUTOMATIC)
    names = [one.name for one in rung.calibrators]

    assert names[:2] == [ALL, FREE]
    assert set(names[2:]) == {"one", "two", "paid"}
    assert rung.calibrators[0].log_loss < rung.calibrators[1].log_loss
    assert rung.calibrators[1].parts == ("one", "two")
    combination = rung.calibrators[1].combination
    assert combination is not None and combination.versions == (1, 7)
    # Rows that lack what was bought are not fitted on; the free signals are everywhere.
    assert rung.calibrators[0].curve.n == 475 and rung.calibrators[1].curve.n == 500


def test_a_copy_adds_nothing_and_is_not_combined_unless_told_to() -> None:
    rows = []
    for row in graded(300).rows():
        twins = {"strong": row.signals["strong"], "copy": row.signals["strong"]}
        rows.append(replace(row, signals=twins))
    table = table_of(rows)

    (rung,) = calibrate_rungs(table, {}, seed=0, choice=AUTOMATIC)
    assert [one.name for one in rung.calibrators] == ["copy", "strong"]
    (told,) = calibrate_rungs(table, {}, seed=0, choice=LOGISTIC)
    assert [one.name for one in told.calibrators] == ["combined(copy, strong)", "copy", "strong"]
    (never,) = calibrate_rungs(table, {}, seed=0)
    assert all(one.combination is None for one in never.calibrators)


def test_a_signal_that_is_often_missing_has_an_indicator_and_a_rare_gap_has_not() -> None:
    often, rare = (
        calibrate_rungs(views(300, gaps=gaps), {}, seed=0, choice=LOGISTIC)[0]
        for gaps in (0.3, 0.01)
    )
    saw = []
    for rung in (often, rare):
        (free,) = [one for one in rung.calibrators if one.name == FREE]
        assert free.combination is not None
        saw.append(free.combination.saw_missing)
        lacking = 300 - len(rung.out_of_fold["two"])
        assert free.curve.n == (300 if saw[-1][1] else 300 - lacking)
    assert saw == [(False, True), (False, False)]


def test_combinations_need_rows_of_both_kinds() -> None:
    (few,) = calibrate_rungs(views(59), {}, seed=0, choice=LOGISTIC)
    assert all(one.combination is None for one in few.calibrators)
    (enough,) = calibrate_rungs(views(60), {}, seed=0, choice=LOGISTIC)
    assert FREE in [one.name for one in enough.calibrators]


def test_shuffled_rows_give_the_same_combinations() -> None:
    table = views(120, gaps=0.3)
    first = calibrate_rungs(table, {}, seed=0, choice=LOGISTIC)

    assert calibrate_rungs(shuffled(table, 1), {}, seed=0, choice=LOGISTIC) == first


def test_trees_are_grown_where_they_are_asked_for() -> None:
    boosted = Calibrating(("platt",), "boosted")
    (rung,) = calibrate_rungs(views(200), {}, seed=0, choice=boosted)
    kinds = [one.combination.kind for one in rung.calibrators if one.combination is not None]
    assert kinds == ["boosted", "boosted"]


def test_a_combination_is_one_more_free_signal_of_the_table_that_thresholds_are_chosen_on() -> None:
    table = views(200)
    rungs = calibrate_rungs(table, {}, seed=0, choice=LOGISTIC)
    changed, orders = with_out_of_fold(table, rungs)

    assert orders[0, False][:2] == (ALL, FREE)
    assert changed.bought == table.bought == {"paid"}
    row = changed.queries["q003"][Rung(0, 0, False)]
    assert row.signals[ALL] == rungs[0].out_of_fold[ALL]["q003", 0]
    assert changed.queries["q000"][Rung(0, 0, False)].signals[ALL] is None


def test_what_the_search_sees_is_what_the_profile_does() -> None:
    """On a signal that was bought, and on one that was not: the same rows of the ladder."""
    table = views(200)
    (rung,) = calibrate_rungs(table, {}, seed=0, choice=LOGISTIC)
    order = tuple((one.name, one.running()) for one in rung.calibrators)
    assessor = CalibratedAssessor((RungCalibrators(0, False, order),))
    _, orders = with_out_of_fold(table, (rung,))
    search = OutOfFoldAssessor(orders, {ALL: "paid"})
    here = Rung(0, 0, False)

    for bought in (False, True):
        readings: dict[str, Reading] = {
            "one": Signal("one", 0.4, 0.4),
            "two": Signal("two", 0.3, 0.3),
        }
        if bought:
            readings["paid"] = Signal("paid", 0.2, 0.2)
        online = assessor.assess(here, readings)
        columns = {**readings, FREE: Signal(FREE, 0.5, 0.5), ALL: Signal(ALL, 0.6, 0.6)}
        offline = search.assess(here, columns)
        assert isinstance(online, Estimate) and isinstance(offline, Estimate)
        assert online.signal == offline.signal == (ALL if bought else FREE)
        assert online.fallback is None
