"""Metrics by hand, against brute force over the orders of tied rows, and against sklearn."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from surefoot.router.errors import UsageError
from surefoot.router.metrics import (
    Bin,
    ace,
    auarc,
    aurc,
    auroc,
    bootstrap_difference,
    bootstrap_interval,
    brier,
    coverage_at_risk,
    ece,
    equal_mass_bins,
    equal_width_bins,
    excess_aurc,
    log_loss,
    mce,
    prr,
    risk_coverage,
    selective_accuracy,
)
from surefoot.router.signals import Unavailable

Row = tuple[float, int]
some = settings(max_examples=60, deadline=None)
tied_rows = st.lists(
    st.tuples(st.integers(0, 3).map(lambda i: i / 4), st.integers(0, 1)), min_size=1, max_size=6
)


def split(rows: Sequence[Row]) -> tuple[list[float], list[int]]:
    return [score for score, _ in rows], [label for _, label in rows]


def orders(rows: Sequence[Row]) -> list[list[int]]:
    """The labels of every order, surest first, that the scores allow."""
    found = [list(order) for order in itertools.permutations(rows)]
    return [
        [label for _, label in order]
        for order in found
        if all(a[0] >= b[0] for a, b in itertools.pairwise(order))
    ]


def mixed(n: int, seed: int) -> list[Row]:
    rng = random.Random(seed)
    scores = [rng.randrange(21) / 20 for _ in range(n)]
    return [(score, int(rng.random() < score)) for score in scores]


def test_auroc_by_hand() -> None:
    # Right: .9, .5; wrong: .5, .1. Pairs: 1, 1, 1/2, 1.
    assert auroc([0.9, 0.5, 0.5, 0.1], [1, 1, 0, 0]) == 3.5 / 4
    assert auroc([1.0, 2.0], [0, 1]) == 1.0
    assert auroc([1.0, 2.0], [1, 0]) == 0.0
    assert auroc([0.3] * 5, [1, 0, 0, 1, 0]) == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_auroc_agrees_with_sklearn(seed: int) -> None:
    scores, labels = split(mixed(200, seed))
    assert auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))


def test_what_does_not_exist_is_unavailable() -> None:
    assert auroc([0.1, 0.2], [1, 1]) == Unavailable("only one class")
    assert prr([0.1, 0.2], [1, 1]) == Unavailable("only one class")
    assert prr([0.1, 0.2], [0, 0]) == Unavailable("only one class")
    for measure in (auroc, aurc, auarc, excess_aurc, prr, brier, log_loss, ece, ace, mce):
        assert measure([], []) == Unavailable("no rows")
    assert selective_accuracy([], [], 0.5) == Unavailable("no rows")
    assert coverage_at_risk([], [], 0.5) == Unavailable("no rows")
    assert risk_coverage([], []) == ()
    assert equal_mass_bins([], []) == equal_width_bins([], []) == ()


def test_risk_coverage_by_hand() -> None:
    # Surest: right; then a pair of which one is wrong; then wrong.
    curve = risk_coverage([0.9, 0.5, 0.5, 0.1], [0, 1, 0, 1])
    assert curve == ((0.25, 0.0), (0.5, 0.25), (0.75, 1 / 3), (1.0, 0.5))
    assert aurc([0.9, 0.5, 0.5, 0.1], [0, 1, 0, 1]) == pytest.approx((0.25 + 1 / 3 + 0.5) / 4)
    # At best: right, right, wrong, wrong.
    best = (1 / 3 + 1 / 2) / 4
    assert excess_aurc([0.9, 0.5, 0.5, 0.1], [0, 1, 0, 1]) == pytest.approx(
        (0.25 + 1 / 3 + 0.5) / 4 - best
    )


@some
@given(rows=tied_rows)
def test_aurc_is_the_mean_over_all_orders_of_tied_rows(rows: list[Row]) -> None:
    scores, losses = split(rows)
    n = len(rows)
    areas = [math.fsum(sum(order[:i]) / i for i in range(1, n + 1)) / n for order in orders(rows)]
    assert aurc(scores, losses) == pytest.approx(math.fsum(areas) / len(areas))


@some
@given(rows=tied_rows, kept=st.integers(1, 6))
def test_selective_accuracy_is_the_mean_over_all_orders(rows: list[Row], kept: int) -> None:
    scores, correct = split(rows)
    kept = min(kept, len(rows))
    shares = [sum(order[:kept]) / kept for order in orders(rows)]
    found = selective_accuracy(scores, correct, kept / len(rows))
    assert found == pytest.approx(math.fsum(shares) / len(shares))


def test_selective_accuracy_keeps_the_ceiling_of_the_share() -> None:
    scores = [float(-i) for i in range(30)]
    correct = [1, 1, 1, 0] + [0] * 26
    assert selective_accuracy(scores, correct, 0.1) == 1.0
    assert selective_accuracy(scores, correct, 0.101) == 0.75
    assert selective_accuracy(scores, correct, 1e-9) == 1.0
    assert selective_accuracy(scores, correct, 1.0) == pytest.approx(0.1)
    assert selective_accuracy([float(-i) for i in range(100)], [1] * 7 + [0] * 93, 0.07) == 1.0


@some
@given(rows=tied_rows)
def test_prr_is_what_its_areas_say(rows: list[Row]) -> None:
    scores, losses = split(rows)
    found = prr(scores, losses)
    if len(set(losses)) < 2:
        assert isinstance(found, Unavailable)
        return
    errors, n = sum(losses), len(losses)
    best = math.fsum((i - (n - errors)) / i for i in range(n - errors + 1, n + 1)) / n
    area = aurc(scores, losses)
    assert isinstance(area, float)
    assert found == pytest.approx((errors / n - area) / (errors / n - best))
    assert excess_aurc(scores, losses) == pytest.approx(area - best, abs=1e-12)


def test_prr_at_its_landmarks() -> None:
    losses = [0, 0, 1, 1]
    assert prr([4.0, 3.0, 2.0, 1.0], losses) == pytest.approx(1.0)
    assert prr([1.0] * 4, losses) == pytest.approx(0.0)
    assert prr([1.0, 2.0, 3.0, 4.0], losses) == pytest.approx(-1.0)


@some
@given(rows=tied_rows, share=st.sampled_from([0.25, 0.5, 0.7, 1.0]))
def test_partial_prr_is_the_mean_over_all_orders(rows: list[Row], share: float) -> None:
    scores, losses = split(rows)
    n = len(rows)
    sizes = range(n - math.floor(share * n) + 1, n + 1)
    if len(set(losses)) < 2 or len(sizes) < 2:
        assert isinstance(prr(scores, losses, share), Unavailable)
        return

    def kept_right(order: Sequence[int]) -> float:
        return math.fsum(1 - sum(order[:k]) / k for k in sizes) / len(sizes)

    every = [kept_right(order) for order in orders(rows)]
    anyhow = [kept_right(order) for order in itertools.permutations(losses)]
    chance, best = math.fsum(anyhow) / len(anyhow), kept_right(sorted(losses))
    found = math.fsum(every) / len(every)
    assert prr(scores, losses, share) == pytest.approx((found - chance) / (best - chance))


def test_partial_prr_by_hand() -> None:
    # Two sizes are looked at, 3 and 4. With the last one wrong 2/3 and 1/2 are right, which is
    # the best; with the last one right 1/3 and 1/2; by chance 1/2 and 1/2.
    losses = [1, 0, 0, 1]
    assert prr([4.0, 3.0, 2.0, 1.0], losses, 0.5) == pytest.approx(1.0)
    assert prr([4.0, 2.0, 1.0, 3.0], losses, 0.5) == pytest.approx((5 / 12 - 1 / 2) * 12)
    # A right and a wrong one share the last place: halfway between.
    assert prr([4.0, 2.0, 1.0, 1.0], losses, 0.5) == pytest.approx(0.0)
    # Over all sizes the order of the surer ones counts too.
    assert prr([4.0, 3.0, 2.0, 1.0], losses) == pytest.approx(
        (0.5 - (1 + 1 / 2 + 1 / 3 + 1 / 2) / 4) / (0.5 - (1 / 3 + 1 / 2) / 4)
    )
    assert prr([1.0] * 4, losses, 0.5) == pytest.approx(0.0)


def test_partial_prr_counts_sizes_as_whole_numbers() -> None:
    # 0.29 * 100 is 28.999999999999996 in floats, and means 29 sizes, 72 to 100.
    losses = [0.0] * 71 + [1.0] + [0.0] * 28
    sizes = range(72, 101)
    area = math.fsum(1 / k for k in sizes) / 29
    expected = (0.01 - area) / (0.01 - 0.01 / 29)
    assert prr([float(-i) for i in range(100)], losses, 0.29) == pytest.approx(expected)
    assert prr([1.0, 2.0], [0, 1], 0.5) == Unavailable("nothing is rejected of 2 rows up to 0.5")
    for share in (0.0, 1.01, math.nan):
        with pytest.raises(UsageError, match="max_rejection above 0"):
            prr([1.0, 2.0], [0, 1], share)


@some
@given(rows=tied_rows)
def test_accuracy_and_risk_curves_share_an_area(rows: list[Row]) -> None:
    scores, losses = split(rows)
    area, rest = aurc(scores, losses), auarc(scores, losses)
    assert isinstance(area, float) and isinstance(rest, float)
    accuracies = [
        selective_accuracy(scores, [1 - x for x in losses], (i + 1) / len(rows))
        for i in range(len(rows))
    ]
    assert rest == pytest.approx(1 - area) == pytest.approx(sum(accuracies) / len(rows))  # type: ignore[arg-type]  # there are rows


@some
@given(rows=tied_rows, seed=st.integers(0, 5))
def test_no_measure_depends_on_the_order_of_rows(rows: list[Row], seed: int) -> None:
    shuffled = random.Random(seed).sample(rows, len(rows))
    for measure in (auroc, aurc, auarc, excess_aurc, prr, brier, log_loss, ece, ace, mce):
        assert measure(*split(shuffled)) == measure(*split(rows)), measure
    assert prr(*split(shuffled), 0.5) == prr(*split(rows), 0.5)
    assert coverage_at_risk(*split(shuffled), 0.3) == coverage_at_risk(*split(rows), 0.3)
    assert selective_accuracy(*split(shuffled), 0.4) == selective_accuracy(*split(rows), 0.4)
    assert risk_coverage(*split(shuffled)) == risk_coverage(*split(rows))


def test_mce_is_the_largest_gap() -> None:
    probabilities, labels = [0.05, 0.15, 0.15, 0.95], [0, 1, 0, 1]
    assert mce(probabilities, labels) == pytest.approx(0.35)
    assert mce(probabilities, labels, bins=1) == ece(probabilities, labels, bins=1)


def test_coverage_at_risk_keeps_tied_rows_together() -> None:
    scores, losses = [0.9, 0.8, 0.8, 0.8, 0.1], [0, 1, 0, 0, 0]
    assert coverage_at_risk(scores, losses, 0.0) == pytest.approx(1 / 5)
    assert coverage_at_risk(scores, losses, 0.2) == 1.0
    assert coverage_at_risk(scores, losses, 0.19) == pytest.approx(1 / 5)
    assert coverage_at_risk([0.9, 0.1], [1, 1], 0.5) == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_brier_and_log_loss_agree_with_sklearn(seed: int) -> None:
    rng = random.Random(seed)
    probabilities = [rng.uniform(0.01, 0.99) for _ in range(100)]
    labels = [int(rng.random() < p) for p in probabilities]
    assert brier(probabilities, labels) == pytest.approx(brier_score_loss(labels, probabilities))
    assert log_loss(probabilities, labels) == pytest.approx(sklearn_log_loss(labels, probabilities))


def test_log_loss_of_a_wrong_certainty_is_clipped() -> None:
    assert brier([1.0, 0.25], [0, 1]) == pytest.approx((1 + 0.5625) / 2)
    assert log_loss([1.0, 0.0], [0, 1]) == pytest.approx(-math.log(1e-7))
    assert log_loss([1.0, 0.0], [1, 0]) == pytest.approx(1e-7)


def test_equal_width_bins_are_closed_above() -> None:
    probabilities = [0.0, 0.1, 0.100001, 0.7, 0.3, 1.0]
    bins = equal_width_bins(probabilities, [0, 1, 1, 1, 0, 1])
    assert [found.n for found in bins] == [2, 1, 1, 1, 1]
    assert bins[0] == Bin(2, 0.05, 0.5)
    assert [found.mean_probability for found in bins[1:]] == [0.100001, 0.3, 0.7, 1.0]
    assert ece(probabilities, [0, 1, 1, 1, 0, 1]) == pytest.approx(
        (2 * 0.45 + 0.899999 + 0.3 + 0.3 + 0.0) / 6
    )


@pytest.mark.parametrize("bins", [3, 7, 10, 15])
def test_every_edge_belongs_to_the_bin_below(bins: int) -> None:
    edges = [i / bins for i in range(bins + 1)]
    found = equal_width_bins(edges, [0] * len(edges), bins)
    assert [one.n for one in found] == [2] + [1] * (bins - 1)


def test_equal_mass_bins_never_split_ties() -> None:
    probabilities = [0.1, 0.2, 0.2, 0.2, 0.2, 0.6, 0.8, 0.9]
    labels = [0, 0, 1, 0, 1, 1, 1, 0]
    bins = equal_mass_bins(probabilities, labels, bins=4)
    # Targets are 2, 4, 6 and 8 rows: the four equal ones reach past the first two of them.
    assert [found.n for found in bins] == [5, 1, 2]
    gaps = [abs(2 / 5 - 0.9 / 5), abs(1 - 0.6), abs(1 / 2 - 0.85)]
    assert [found.gap for found in bins] == pytest.approx(gaps)
    assert ace(probabilities, labels, bins=4) == pytest.approx(
        (5 * gaps[0] + gaps[1] + 2 * gaps[2]) / 8
    )


def test_equal_mass_bins_without_ties_have_equal_mass() -> None:
    probabilities = [i / 100 for i in range(100)]
    bins = equal_mass_bins(probabilities, [0] * 100)
    assert [found.n for found in bins] == [10] * 10
    assert ace(probabilities, [0] * 100) == pytest.approx(0.495)
    few = equal_mass_bins([0.1, 0.2, 0.3], [0, 0, 1])
    assert [found.n for found in few] == [1, 1, 1]


def test_one_probability_makes_one_bin_of_both_kinds() -> None:
    labels = [1, 1, 1, 0]
    assert ece([0.5] * 4, labels) == ace([0.5] * 4, labels) == 0.25


@some
@given(rows=tied_rows, seed=st.integers(0, 99))
def test_no_metric_depends_on_the_order_of_the_rows(rows: list[Row], seed: int) -> None:
    shuffled = random.Random(seed).sample(rows, len(rows))
    for measure in (auroc, aurc, prr, brier, log_loss, ece, ace, risk_coverage):
        assert measure(*split(rows)) == measure(*split(shuffled))
    for share in (0.3, 0.5, 1.0):
        assert selective_accuracy(*split(rows), share) == selective_accuracy(
            *split(shuffled), share
        )
        assert coverage_at_risk(*split(rows), share) == coverage_at_risk(*split(shuffled), share)


def test_rows_that_make_no_sense_are_refused() -> None:
    for measure in (auroc, aurc, brier, log_loss, ece, ace):
        for scores, labels in [([0.1], [0, 1]), ([math.nan], [1]), ([0.5], [2]), ([0.5], [-1])]:
            with pytest.raises(UsageError):
                measure(scores, labels)
    for measure in (brier, log_loss, ece, ace):
        with pytest.raises(UsageError, match="in row 1"):
            measure([0.5, 1.1], [1, 1])
    with pytest.raises(UsageError, match="labels of 0 or 1"):
        auroc([0.5], [0.5])  # type: ignore[list-item]  # the point is that it is no label
    with pytest.raises(UsageError, match="coverage"):
        selective_accuracy([0.5], [1], 0.0)
    with pytest.raises(UsageError, match="bin"):
        ece([0.5], [1], bins=0)


def mean(rows: Sequence[tuple[str, float]]) -> float:
    return math.fsum(value for _, value in rows) / len(rows)


def name(row: tuple[str, float]) -> str:
    return row[0]


def test_the_bootstrap_of_a_mean_has_its_textbook_width() -> None:
    rng = random.Random(1)
    rows = [(f"q{i}", rng.gauss(0.0, 1.0)) for i in range(200)]
    found = bootstrap_interval(mean, rows, name, seed=0)
    assert not isinstance(found, Unavailable)
    center = mean(rows)
    spread = math.sqrt(math.fsum((value - center) ** 2 for _, value in rows) / 200)
    half = 1.96 * spread / math.sqrt(200)
    assert found == pytest.approx((center - half, center + half), abs=0.1 * half)
    inner = bootstrap_interval(mean, rows, name, seed=0, level=0.5)
    assert not isinstance(inner, Unavailable)
    assert found[0] < inner[0] < inner[1] < found[1]


def test_rows_of_a_question_are_drawn_together() -> None:
    rng = random.Random(2)
    rows = [(f"q{i}", rng.random()) for i in range(50)]
    once = bootstrap_interval(mean, rows, name, seed=0, reps=300)
    repeated = bootstrap_interval(mean, rows * 10, name, seed=0, reps=300)
    assert not isinstance(once, Unavailable)
    assert repeated == pytest.approx(once)


def test_the_bootstrap_depends_on_the_seed_and_not_on_the_order_of_rows() -> None:
    rng = random.Random(3)
    rows = [(f"q{i % 20}", rng.random()) for i in range(60)]
    first = bootstrap_interval(mean, rows, name, seed=5, reps=200)
    assert bootstrap_interval(mean, rows[::-1], name, seed=5, reps=200) == first
    assert bootstrap_interval(mean, rows, name, seed=6, reps=200) != first


def test_draws_without_a_statistic_are_left_out_until_they_are_most() -> None:
    def share(rows: Sequence[tuple[str, float]]) -> float | Unavailable:
        return auroc([value for _, value in rows], [int(value > 0.5) for _, value in rows])

    rare = [("q0", 0.9), ("q1", 0.1), ("q2", 0.2)]
    found = bootstrap_interval(share, rare, name, seed=0, reps=200)
    assert found == (1.0, 1.0)
    hopeless = bootstrap_interval(share, rare[1:], name, seed=0, reps=200)
    assert hopeless == Unavailable("undefined in most draws")

    def all_three(rows: Sequence[tuple[str, float]]) -> float | Unavailable:
        return 1.0 if len(set(rows)) == 3 else Unavailable("two of ten draws have this")

    mostly_not = bootstrap_interval(all_three, rare, name, seed=0, reps=200)
    assert mostly_not == Unavailable("undefined in most draws")
    assert bootstrap_interval(share, [], name, seed=0) == Unavailable("no rows")


@pytest.mark.parametrize(("level", "reps"), [(0.0, 10), (1.0, 10), (0.9, 0)])
def test_the_bootstrap_refuses_settings_out_of_range(level: float, reps: int) -> None:
    with pytest.raises(UsageError, match="expected a level"):
        bootstrap_interval(mean, [("q", 1.0)], name, seed=0, reps=reps, level=level)


def test_a_paired_difference_is_narrower_than_two_intervals() -> None:
    rng = random.Random(4)
    hard = [rng.gauss(0.0, 1.0) for _ in range(80)]
    rows = [(f"q{i}", one + rng.gauss(0.0, 0.05), one) for i, one in enumerate(hard)]

    def first(drawn: Sequence[tuple[str, float, float]]) -> float:
        return math.fsum(row[1] for row in drawn) / len(drawn)

    def second(drawn: Sequence[tuple[str, float, float]]) -> float:
        return math.fsum(row[2] for row in drawn) / len(drawn)

    paired = bootstrap_difference(first, second, rows, lambda row: row[0], seed=0, reps=500)
    alone = bootstrap_interval(first, rows, lambda row: row[0], seed=0, reps=500)
    assert not isinstance(paired, Unavailable) and not isinstance(alone, Unavailable)
    assert paired[1] - paired[0] < 0.1 * (alone[1] - alone[0])
    assert paired[0] < first(rows) - second(rows) < paired[1]
    nothing = bootstrap_difference(
        first, lambda drawn: Unavailable("no"), rows, lambda row: row[0], seed=0, reps=10
    )
    assert nothing == Unavailable("undefined in most draws")
