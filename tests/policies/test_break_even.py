"""Break-even of pairs of tiers: by hand, at its edges, and on stored outcomes."""

from __future__ import annotations

import numpy as np
import pytest

from surefoot.policies.break_even import BreakEven, break_even, break_evens
from surefoot.policies.pair_rows import PairRows, pair_rows
from surefoot.policies.scores import raw_scores
from surefoot.router.errors import UsageError

from .pairs import SIGNALS, questions, stored_table
from .worlds import outcome, table_of


def rows_of(
    score: list[float],
    small: list[float],
    large: list[float],
    *,
    costs: tuple[float, float, float] = (1.0, 10.0, 0.0),
    repeat: int = 1,
    prior: list[float] | None = None,
) -> PairRows:
    """Costs are of the small draft, of the large one, and of the signal."""

    def column(values: list[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return np.array(values * repeat, dtype=float)

    n = len(score)
    return PairRows(
        0,
        1,
        column(score),
        column([costs[2]] * n),
        column(small),
        column([costs[0]] * n),
        column(large),
        column([costs[1]] * n),
        None if prior is None else column(prior),
    )


# Ten questions: the large tier is right on nine, the small one on five; the score errs on two.
SCORE = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]
SMALL = [1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
LARGE = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]


def test_break_even_by_hand() -> None:
    found = break_even(rows_of(SCORE, SMALL, LARGE, costs=(1.0, 10.0, 0.5)), reps=20)
    # Deferring the lowest three mends three of four, the lowest five all four.
    # m - d - (c_signal + m c_small) / c_large: 3 of 10: .75 - .3 - (.5 + .75) / 10 = .325;
    # 5 of 10: 1 - .5 - (.5 + 1) / 10 = .35.
    assert (found.small_quality, found.large_quality) == pytest.approx((0.5, 0.9))
    assert (found.deferral, found.gain) == pytest.approx((0.5, 1.0))
    assert found.margin == pytest.approx(0.35)
    # The signal may cost (m - d) c_large - m c_small = 5 - 1.
    assert found.most_signal_cost == pytest.approx(4.0)
    assert found.most_deferral == pytest.approx(1.0 - 1.5 / 10.0)
    assert found.n == 10


@pytest.mark.parametrize("price", [3.99, 4.01])
def test_the_signal_may_cost_just_so_much(price: float) -> None:
    """At the break-even price the cascade's best point lies on the line of the random mix."""
    found = break_even(rows_of(SCORE, SMALL, LARGE, costs=(1.0, 10.0, price)), reps=20)
    cost = 1.0 + price + found.deferral * 10.0
    share = (cost - 1.0) / 9.0  # of the large tier in a mix of the same cost
    beats = 0.5 + 0.4 * found.gain > 0.5 + 0.4 * share
    assert beats == (price < 4.0) == (found.margin > 0.0)


def test_a_good_gate_a_useless_one_and_a_dear_one() -> None:
    good = break_even(rows_of(SCORE, SMALL, LARGE, repeat=20), reps=200)
    assert good.verdict == "gate" and not good.is_flagged
    useless = break_even(rows_of([0.5] * 10, SMALL, LARGE, costs=(3.0, 10.0, 0.0), repeat=20))
    assert useless.verdict == "skip this tier" and useless.skip == 0
    dear = break_even(rows_of(SCORE, SMALL, LARGE, costs=(1.0, 10.0, 9.0), repeat=20))
    assert dear.verdict == "skip this tier" and dear.is_flagged


def test_a_prior_routes_where_a_gate_does_not_pay() -> None:
    costs = (1.0, 10.0, 9.0)
    telling = [small - large for small, large in zip(SMALL, LARGE, strict=True)]
    found = break_even(rows_of(SCORE, SMALL, LARGE, costs=costs, repeat=20, prior=telling))
    assert found.verdict == "route before generation" and found.skip is None
    # It finds the four that the large tier mends first: an area of 1 - .4 / 2.
    assert found.prior_nauc == pytest.approx(0.8)
    misleading = [-one for one in telling]
    found = break_even(rows_of(SCORE, SMALL, LARGE, costs=costs, repeat=20, prior=misleading))
    assert found.verdict == "skip this tier"


def test_few_labels_are_undecided() -> None:
    rng = np.random.default_rng(3)
    score = rng.random(40).tolist()
    small = (rng.random(40) > np.array(score) * 0.4 + 0.3).astype(float).tolist()
    large = (rng.random(40) > 0.75).astype(float).tolist()
    found = break_even(rows_of(score, small, large, costs=(1.0, 10.0, 0.0)))
    assert found.verdict == "undecided" and found.n == 40
    low, high = found.nauc_interval or (0.0, 0.0)
    assert low < 0.5 < high


def test_a_dominated_tier_is_skipped_whichever_it_is() -> None:
    worse = break_even(rows_of(SCORE, LARGE, SMALL, repeat=20))  # the dearer tier is the worse one
    assert worse.nauc is None and worse.verdict == "skip this tier" and worse.skip == 1
    cheaper = break_even(rows_of(SCORE, SMALL, LARGE, costs=(10.0, 10.0, 0.0), repeat=20))
    assert cheaper.verdict == "skip this tier" and cheaper.skip == 0


def test_missing_scores_are_deferred_first_and_broken_answers_count_as_missing() -> None:
    table = table_of(
        outcome(
            f"q{number:02}",
            tier,
            loss=float(tier == 0 and number < 10),
            cost=1.0 + 9.0 * tier,
            answer=" " if number < 10 and tier == 0 else "yes",
            signals={"s": 0.99 if number < 10 else 0.5},
        )
        for number in range(30)
        for tier in range(2)
    )
    asked = questions(table, "s")
    found = break_even(pair_rows(asked.ladders, asked.scores, 0, 1), reps=20)
    assert (found.deferral, found.gain) == pytest.approx((1 / 3, 1.0))


def test_too_few_common_questions_are_refused() -> None:
    table = table_of(outcome(f"q{n}", t, loss=0.0) for n in range(19) for t in range(2))
    asked = questions(table, "s")
    with pytest.raises(UsageError, match="19 judged questions in common; 20"):
        pair_rows(asked.ladders, asked.scores, 0, 1)


def of_train(name: str) -> dict[tuple[int, int], BreakEven]:
    table = stored_table(name, "train")
    asked = questions(table, SIGNALS[name])
    signals = {(tier, False): SIGNALS[name] for tier in range(5)}
    scores = raw_scores(asked.ladders, signals, table.bought)
    return {(one.small, one.large): one for one in break_evens(asked.ladders, scores)}


def test_stored_pairs_that_never_pay_are_flagged_from_train_rows() -> None:
    """Against the 5 % to 95 % intervals that were computed elsewhere."""
    found = of_train("triviaqa")
    assert len(found) == 10
    for pair, low, high in (
        ((0, 3), 0.19, 0.22),
        ((1, 3), 0.32, 0.38),
        ((2, 3), 0.09, 0.14),
        ((3, 4), 0.00, 0.00),
    ):
        one = found[pair]
        assert one.is_flagged and one.skip == pair[0]
        assert one.nauc_interval == pytest.approx((low, high), abs=0.011)
    assert not found[1, 4].is_flagged and not found[2, 4].is_flagged


def test_stored_pairs_that_pay_are_never_flagged_from_train_rows() -> None:
    found = of_train("mmlu")
    weak = found[0, 3]
    assert weak.is_flagged or weak.verdict == "undecided"
    assert weak.nauc_interval == pytest.approx((0.44, 0.53), abs=0.011)
    for pair in ((1, 3), (2, 3), (1, 4), (2, 4), (3, 4)):
        assert not found[pair].is_flagged
    assert found[1, 4].verdict == found[2, 4].verdict == "gate"
