"""The quality report of signals, by hand, against the plain measures, and on stored answers."""

from __future__ import annotations

import gzip
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from surefoot.policies import signal_quality
from surefoot.policies.signal_quality import (
    Calibration,
    Measured,
    SignalQuality,
    judge,
    quality_document,
)
from surefoot.router import metrics
from surefoot.router.calibration import cross_fitted, fit_beta, fit_isotonic
from surefoot.router.errors import UsageError
from surefoot.router.signals import Unavailable

STORED = Path(__file__).resolve().parents[3] / "shared" / "data" / "uq"


def world(
    n: int = 400, seed: int = 0
) -> tuple[dict[str, list[float | None]], list[int], list[str]]:
    """A good signal, the same with a third missing, one that is a coin, and one that never is."""
    rng = random.Random(seed)
    labels = [int(rng.random() < 0.6) for _ in range(n)]
    good: list[float | None] = [round(rng.gauss(label, 1.0), 1) for label in labels]
    signals: dict[str, list[float | None]] = {
        "coin": [rng.random() for _ in range(n)],
        "nowhere": [None] * n,
        "good": good,
        "gappy": [None if i % 3 == 0 else score for i, score in enumerate(good)],
    }
    return signals, labels, [f"q{i // 2}" for i in range(n)]


def by_name(found: Sequence[SignalQuality]) -> dict[str, SignalQuality]:
    return {one.name: one for one in found}


def test_every_number_is_that_of_the_plain_measures() -> None:
    signals, labels, groups = world()
    found = by_name(judge(signals, labels, groups, seed=3, reps=50))["gappy"]
    rows = [i for i in range(400) if i % 3]
    scores = [float(signals["good"][i] or 0.0) for i in rows]
    right = [labels[i] for i in rows]
    losses = [1 - label for label in right]

    assert (found.n, found.share_unavailable) == (266, 134 / 400)
    assert found.questions == len({groups[i] for i in rows})
    assert found.share_correct == sum(right) / 266
    for name, slow in (
        ("auroc", metrics.auroc(scores, right)),
        ("aurc", metrics.aurc(scores, losses)),
        ("excess_aurc", metrics.excess_aurc(scores, losses)),
        ("prr", metrics.prr(scores, losses)),
        ("prr_half", metrics.prr(scores, losses, 0.5)),
    ):
        assert getattr(found, name).value == pytest.approx(slow), name
    assert found.curve[-1] == pytest.approx((1.0, sum(losses) / 266))
    assert len(found.curve) == 200
    assert set(found.curve) <= set(metrics.risk_coverage(scores, losses))


def test_probabilities_are_those_of_curves_that_did_not_see_the_question() -> None:
    signals, labels, groups = world()
    scores = [float(score or 0.0) for score in signals["good"]]
    found = by_name(judge(signals, labels, groups, seed=3, reps=20))["good"].calibrated
    out = cross_fitted(
        lambda x, y: fit_isotonic(x, y, signal="good"), scores, labels, groups, seed=3
    )

    assert isinstance(found, Calibration)
    assert found.method == "isotonic"
    assert found.brier.value == pytest.approx(metrics.brier(out, labels))
    assert found.log_loss.value == pytest.approx(metrics.log_loss(out, labels))
    assert found.parts == metrics.brier_parts(out, labels, 10)
    assert found.parts.brier == pytest.approx(found.brier.value)
    assert found.ece.value == pytest.approx(metrics.ece(out, labels))
    assert found.ace.value == pytest.approx(metrics.ace(out, labels))
    assert found.mce == metrics.mce(out, labels)
    assert found.bins == metrics.equal_width_bins(out, labels)
    assert (found.ece.bins, found.ece.non_empty) == (10, len(found.bins))
    assert found.ace.non_empty == len(metrics.equal_mass_bins(out, labels))


def test_few_rows_with_values_are_calibrated_by_three_numbers() -> None:
    signals, labels, groups = world(200)
    squashed: list[float | None] = [
        None if score is None else 1 / (1 + math.exp(-score)) for score in signals["gappy"]
    ]
    (found,) = judge(
        {"gappy": signals["gappy"]}, labels, groups, seed=0, values={"gappy": squashed}, reps=20
    )
    rows = [i for i, value in enumerate(squashed) if value is not None]
    right, names = [labels[i] for i in rows], [groups[i] for i in rows]
    values = [float(squashed[i] or 0.0) for i in rows]
    out = cross_fitted(lambda x, y: fit_beta(x, y, signal="gappy"), values, right, names)

    assert isinstance(found.calibrated, Calibration) and isinstance(found.uncalibrated, Calibration)
    assert (found.calibrated.method, found.uncalibrated.method) == ("beta", "none")
    assert found.calibrated.log_loss.value == pytest.approx(metrics.log_loss(out, right))
    assert found.uncalibrated.brier.value == pytest.approx(metrics.brier(values, right))
    # Of many rows the steps of isotonic regression can be trusted.
    many, more_labels, more_groups = world(1000)
    saturated: list[float | None] = [0.5] * 1000
    (big,) = judge(
        {"good": many["good"]}, more_labels, more_groups, seed=0, values={"good": saturated}, reps=5
    )
    assert isinstance(big.calibrated, Calibration) and big.calibrated.method == "isotonic"
    # Ranked and calibrated on the score: a value that saturates costs nothing.
    assert isinstance(big.auroc, Measured) and big.auroc.value > 0.7


def test_scores_that_could_be_values_stand_for_themselves() -> None:
    signals, labels, groups = world()
    found = by_name(judge(signals, labels, groups, seed=0, reps=10))

    assert isinstance(found["coin"].uncalibrated, Calibration)
    assert found["good"].uncalibrated == Unavailable("no values in [0, 1]")


def test_the_best_comes_first_and_what_no_row_has_last() -> None:
    signals, labels, groups = world()
    found = judge(signals, labels, groups, seed=0, reps=20)
    areas = [one.auroc.value for one in found if isinstance(one.auroc, Measured)]

    assert areas == sorted(areas, reverse=True) and len(areas) == 3
    assert [one.name for one in found][2:] == ["coin", "nowhere"]
    nowhere = found[-1]
    assert (nowhere.n, nowhere.share_unavailable, nowhere.share_correct) == (0, 1.0, None)
    assert nowhere.auroc == nowhere.calibrated == Unavailable("no rows")
    (alone,) = judge({"any": []}, [], [], seed=0)
    assert alone.auroc == Unavailable("no rows") and alone.share_unavailable == 0.0


def test_intervals_hold_the_number_and_narrow_with_more_questions() -> None:
    found = by_name(judge(*world(300), seed=0))["good"].auroc
    more = by_name(judge(*world(4800), seed=0, reps=400))["good"].auroc

    assert isinstance(found, Measured) and isinstance(more, Measured)
    assert found.interval is not None and more.interval is not None
    assert found.interval[0] < found.value < found.interval[1]
    ratio = (found.interval[1] - found.interval[0]) / (more.interval[1] - more.interval[0])
    assert ratio == pytest.approx(4.0, rel=0.3)


def test_copies_of_rows_under_one_question_narrow_nothing() -> None:
    signals, labels, groups = world(200)
    once = by_name(judge({"good": signals["good"]}, labels, groups, seed=0, reps=200))["good"]
    (copied,) = judge({"good": signals["good"] * 5}, labels * 5, groups * 5, seed=0, reps=200)

    assert isinstance(once.auroc, Measured) and isinstance(copied.auroc, Measured)
    assert copied.auroc.interval == once.auroc.interval


def test_no_number_depends_on_the_order_of_rows_or_signals() -> None:
    signals, labels, groups = world(150)
    order = random.Random(1).sample(range(150), 150)
    shuffled = {name: [column[i] for i in order] for name, column in reversed(signals.items())}
    found = judge(shuffled, [labels[i] for i in order], [groups[i] for i in order], seed=2, reps=30)

    assert found == judge(signals, labels, groups, seed=2, reps=30)
    assert found != judge(signals, labels, groups, seed=3, reps=30)


def test_a_signal_says_the_same_whoever_stands_beside_it() -> None:
    signals, labels, groups = world(150)
    together = by_name(judge(signals, labels, groups, seed=0, reps=30))

    for name, column in signals.items():
        assert judge({name: column}, labels, groups, seed=0, reps=30) == (together[name],)


def test_one_class_and_few_questions_say_so() -> None:
    (same,) = judge({"s": [0.1, 0.2, 0.3]}, [1, 1, 1], ["a", "b", "c"], seed=0, reps=5)

    assert same.auroc == same.prr == Unavailable("only one class")
    assert isinstance(same.aurc, Measured) and same.aurc.value == 0.0
    assert isinstance(same.calibrated, Unavailable) and "folds" in same.calibrated.reason
    (three,) = judge({"s": [0.1, 0.2, 0.3]}, [0, 1, 1], ["a", "b", "c"], seed=0, reps=5)
    assert three.prr_half == Unavailable("fewer than four rows")
    assert isinstance(three.auroc, Measured) and three.auroc.value == 1.0


def test_many_cells_cost_draws_and_few_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    signals, labels, groups = world(60)
    assert judge({"good": signals["good"]}, labels, groups, seed=0)[0].reps == 1000
    for cells, reps in ((60 * 2 * 400, 400), (60 * 2, 200)):
        monkeypatch.setattr(signal_quality, "_CELLS", cells)
        two = {name: signals[name] for name in ("good", "coin")}
        assert judge(two, labels, groups, seed=0)[0].reps == reps


def test_the_document_is_plain_json_and_whole() -> None:
    signals, labels, groups = world()
    found = judge(signals, labels, groups, seed=0, reps=20)
    document = quality_document(found)

    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert list(document["signals"]) == [one.name for one in found]
    best = document["signals"][found[0].name]
    assert isinstance(found[0].auroc, Measured) and isinstance(found[0].calibrated, Calibration)
    assert best["auroc"]["value"] == found[0].auroc.value
    assert best["auroc"]["interval"] == list(found[0].auroc.interval or ())
    assert best["calibrated"]["ece"]["bins"] == 10
    assert best["calibrated"]["parts"]["resolution"] == found[0].calibrated.parts.resolution
    assert best["calibrated"]["bins"][0]["n"] == found[0].calibrated.bins[0].n
    assert document["signals"]["nowhere"]["auroc"] == {"unavailable": "no rows"}


def test_rows_that_make_no_sense_are_refused() -> None:
    for signals, values, words in (
        ({"s": [0.5]}, None, "as many scores and values of 's'"),
        ({"s": [math.nan, 0.5]}, None, "finite"),
        ({"s": [0.5, 0.6]}, {"s": [0.5, None]}, "wherever it has a score"),
        ({"s": [0.5, 0.6]}, {"s": [0.5, 1.5]}, "probabilities in"),
    ):
        with pytest.raises(UsageError, match=words):
            judge(signals, [0, 1], ["a", "b"], seed=0, values=values)
    with pytest.raises(UsageError, match="label of 0 or 1"):
        judge({"s": [0.5, 0.6]}, [0, 2], ["a", "b"], seed=0)
    with pytest.raises(UsageError, match="reps of 1 or more"):
        judge({"s": [0.5, 0.6]}, [0, 1], ["a", "b"], seed=0, reps=0)


# --- stored answers (shared/data/uq/README.md); figures published or measured by others -----------


def stored(name: str) -> list[dict[str, Any]]:
    path = STORED / name
    if not path.exists():
        pytest.skip(f"{path} is not here: development data is not part of the repository")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def areas(found: Sequence[SignalQuality]) -> dict[str, float]:
    return {one.name: one.auroc.value for one in found if isinstance(one.auroc, Measured)}


def test_simpleqa_trustworthiness() -> None:
    rows = stored("simpleqa_gpt4o_dev.jsonl.gz")
    (found,) = judge(
        {"tlm": [row["tlm_trustworthiness"] for row in rows]},
        [int(row["correct_heuristic"]) for row in rows],
        [row["question"] for row in rows],
        seed=0,
    )
    before, after = found.uncalibrated, found.calibrated

    assert areas([found])["tlm"] == pytest.approx(0.711, abs=5e-4)
    assert isinstance(before, Calibration) and isinstance(after, Calibration)
    assert before.ece.value == pytest.approx(0.371, abs=5e-4)
    assert after.ece.value <= 0.05 and after.ace.value <= 0.05
    assert isinstance(found.auroc, Measured) and found.auroc.interval is not None
    # The standard error of Hanley and McNeil 1982, from the area and the class sizes alone.
    area, right, wrong = found.auroc.value, 680, 1483
    assert found.share_correct == right / (right + wrong)
    spread = area / (2 - area) - area**2, 2 * area**2 / (1 + area) - area**2
    variance = area * (1 - area) + (right - 1) * spread[0] + (wrong - 1) * spread[1]
    low, high = found.auroc.interval
    assert (high - low) / 3.92 == pytest.approx(math.sqrt(variance / (right * wrong)), rel=0.15)


def test_commonsense_answers_of_five_trainings() -> None:
    rows = stored("rlcr_csqa_dev.jsonl.gz")
    groups = [row["problem"] for row in rows]
    found = {}
    for method in rows[0]["methods"]:
        answers = [row["methods"][method] for row in rows]
        (found[method],) = judge(
            {method: [answer["confidence"] for answer in answers]},
            [int(answer["correct"]) for answer in answers],
            groups,
            seed=0,
            reps=100,
        )
    area = areas(list(found.values()))

    assert area == pytest.approx(
        {
            "RLCR": 0.728,
            "Base": 0.620,
            "Answer-Prob": 0.603,
            "RLVR-Classifier": 0.653,
            "RLVR": 0.5,
        },
        abs=5e-4,
    )
    assert area["RLVR"] == 0.5  # one confidence for all answers, and no order to break ties by
    constant = found["RLVR"].auroc
    assert isinstance(constant, Measured) and constant.interval == (0.5, 0.5)
    before, after = found["RLCR"].uncalibrated, found["RLCR"].calibrated
    assert isinstance(before, Calibration) and isinstance(after, Calibration)
    assert before.ece.value == pytest.approx(0.302, abs=5e-4)
    assert after.ece.value <= 0.05


def test_whitebox_scalars_and_their_directions() -> None:
    rows = stored("whitebox_dev.jsonl.gz")
    found = judge(
        {
            "perplexity": [-row["perplexity"] for row in rows],
            "ln_entropy": [-row["ln_entropy"] for row in rows],
            "eigen_score": [-row["eigen_score"] for row in rows],
            "energy_score": [row["energy_score"] for row in rows],
        },
        [int(row["correct_heuristic"]) for row in rows],
        [str(row["row"]) for row in rows],
        seed=0,
        reps=100,
    )

    assert areas(found) == pytest.approx(
        {"perplexity": 0.629, "ln_entropy": 0.618, "eigen_score": 0.635, "energy_score": 0.576},
        abs=5e-4,
    )
    assert found[0].name == "eigen_score"
