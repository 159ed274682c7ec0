"""The curve of a profile's kind of policy: by hand, by the loop, and beside published figures."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from surefoot.policies.break_even import break_evens
from surefoot.policies.curve_bootstrap import CurveNumber
from surefoot.policies.entry import FixedEntry, PriorEntry
from surefoot.policies.fit import FitSettings, Prices, default_prices, fit_uncertified, fitted_rungs
from surefoot.policies.gate_levels import level_cuts, levels, path_scores, profile_path
from surefoot.policies.ladders import ladders_of
from surefoot.policies.mixed_entry import MixedEntry
from surefoot.policies.outcomes import OutcomeTable
from surefoot.policies.paths import RungScores, Stage, path_rules, stages_of
from surefoot.policies.policy_curve import PolicyCurve, policy_curve
from surefoot.policies.policy_settings import settings_of
from surefoot.policies.prior import QuestionPrior
from surefoot.policies.profile import FittedRung, FittedTier, Profile
from surefoot.policies.replay import serve_table
from surefoot.policies.scores import to_buy_by_kind
from surefoot.policies.table_facts import fit_settings
from surefoot.policies.threshold import BuyBand
from surefoot.policies.trade_levels import at_trade, walk_trades
from surefoot.policies.way import chosen_way
from surefoot.router.decisions import Action, Rung
from surefoot.router.risk.tie_break import tie_break
from surefoot.router.signals import Unavailable

from .pairs import SIGNALS, pair_table, stored_table
from .worlds import outcome, sigmoid, table_of

UP = (Action.ESCALATE,)


def rung(tier: int, score: str | None = None, **options: object) -> FittedRung:
    """A rule by one raw signal, ungated without one."""
    plain = FittedRung(tier, False, 0.5, UP, (), (), score, gated=score is not None)
    return replace(plain, **options)  # type: ignore[arg-type] # names of fields


def profile_of(*rungs: FittedRung, tiers: int = 2, entry: object = None, seed: int = 0) -> Profile:
    both = tuple(replace(one, retrieved=seen) for one in rungs for seen in (False, True))
    names = tuple(FittedTier("abc"[tier]) for tier in range(tiers))
    return Profile(names, both, entry=entry, tie_seed=seed)  # type: ignore[arg-type] # of any kind


def value(curve: PolicyCurve, name: str) -> float:
    number = curve.numbers[name]
    assert isinstance(number, CurveNumber), number
    return number.value


def curve_of(table: OutcomeTable, profile: Profile) -> PolicyCurve:
    return policy_curve(table, profile, serve_table(table, profile))


# --- by hand -------------------------------------------------------------------------------------


def four_questions() -> OutcomeTable:
    """Scores of .1, .2, .3, .4; the small tier is wrong on the first two, the large on the last."""
    rows = []
    for number, (small, large) in enumerate([(1, 0), (1, 0), (0, 0), (0, 1)]):
        signals = {"s": 0.1 * (number + 1)}
        rows.append(outcome(f"q{number}", 0, loss=small, cost=1.0, signals=signals))
        rows.append(outcome(f"q{number}", 1, loss=large, cost=10.0, signals=signals))
    return table_of(rows)


def test_four_questions_by_hand() -> None:
    curve = curve_of(four_questions(), profile_of(rung(0, "s", threshold=0.25), rung(1)))

    # From all small (1, .5) over one, two, three deferred to all deferred (1 + 10, .75).
    wanted = [(1.0, 0.5), (3.5, 0.75), (6.0, 1.0), (8.5, 1.0), (11.0, 0.75)]
    assert sorted(set(curve.points)) == [pytest.approx(point) for point in wanted]
    # Heights over the costs from 1 to 10, in pieces; the last is cut at 10, where it is .85.
    area = 2.5 * 0.625 + 2.5 * 0.875 + 2.5 * 1.0 + 1.5 * (1.0 + 0.85) / 2
    assert value(curve, "nauc") == pytest.approx((area / 9 - 0.5) / 0.25)
    shares = 0.25 * (0.625 + 0.875 + 1.0 + 0.875)
    assert value(curve, "apgr") == pytest.approx((shares - 0.5) / 0.25)
    # The profile itself defers two: (6, 1.0); it gains .1 a unit, the large tier .25 / 9.
    assert value(curve, "ibc_lift") == pytest.approx(0.1 / (0.25 / 9) - 1)
    for name in ("nauc", "apgr", "aiq", "ibc_lift"):
        number = curve.numbers[name]
        assert isinstance(number, CurveNumber) and number.interval is not None
        assert number.interval[0] <= number.interval[1]


def test_the_profile_itself_is_no_point_of_its_curve() -> None:
    table = four_questions()
    loose = curve_of(table, profile_of(rung(0, "s", threshold=0.1), rung(1)))
    strict = curve_of(table, profile_of(rung(0, "s", threshold=0.9), rung(1, "s", threshold=1.0)))

    assert loose.points == strict.points
    assert value(loose, "nauc") == value(strict, "nauc")
    assert isinstance(loose.numbers["ibc_lift"], Unavailable)  # costs what the small tier costs
    assert value(strict, "ibc_lift") < -1  # abstains on all: pays, and loses quality


def test_a_signal_with_a_price_is_paid_on_every_request() -> None:
    rows = [
        replace(row, signal_costs={"s": 0.5}, signals=row.signals)
        for row in four_questions().rows()
    ]
    bought = (BuyBand("s", 0.0, 1.0),)
    curve = curve_of(table_of(rows), profile_of(rung(0, "s", buy=bought), rung(1)))

    costs = sorted({cost for cost, _ in curve.points})
    assert costs == pytest.approx([1.5, 4.0, 6.5, 9.0, 11.5])


def test_equal_scores_are_deferred_one_after_the_other_by_their_draws() -> None:
    rows = [replace(row, signals={"s": 0.5}) for row in four_questions().rows()]
    table, profile = table_of(rows), profile_of(rung(0, "s"), rung(1), seed=5)
    settings = settings_of(table, ladders_of(table), profile)

    assert sorted(set(settings.deferred.mean(axis=0))) == [0.0, 0.25, 0.5, 0.75, 1.0]
    draws = [tie_break(5, f"q{number}") for number in range(4)]
    first = int(np.argmin(draws))
    half = settings.deferred[:, np.searchsorted(settings.deferred.mean(axis=0), 0.25)]
    assert half.tolist() == [float(number == first) for number in range(4)]


def test_a_score_that_is_missing_is_never_let_through() -> None:
    rows = [
        replace(row, signals={"s": None}) if row.query_id == "q3" else row
        for row in four_questions().rows()
    ]
    table = table_of(rows)
    settings = settings_of(table, ladders_of(table), profile_of(rung(0, "s"), rung(1)))

    assert settings.deferred[3].tolist() == [1.0] * len(levels())
    assert settings.deferred[:3, 0].tolist() == [0.0] * 3


# --- without a gate ------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [None, FixedEntry(1, "b")])
def test_a_policy_that_asks_one_end_whatever_comes_is_the_random_mix(
    entry: FixedEntry | None,
) -> None:
    curve = curve_of(four_questions(), profile_of(rung(0), rung(1), entry=entry))

    assert value(curve, "nauc") == pytest.approx(0.5)
    assert value(curve, "apgr") == pytest.approx(0.5)
    assert curve.points[0] == (1.0, 0.5) and curve.points[-1] == pytest.approx((10.0, 0.75))


def test_a_middle_tier_is_mixed_with_both_ends() -> None:
    middle = [outcome(f"q{n}", 1, loss=0.0 if n else 0.5, cost=3.0) for n in range(4)]
    ends = [replace(row, tier=2 * row.tier) for row in four_questions().rows()]
    profile = profile_of(*(rung(t) for t in range(3)), tiers=3, entry=FixedEntry(1, "b"))
    curve = curve_of(table_of([*ends, *middle]), profile)

    assert (3.0, 0.875) in [pytest.approx(point) for point in curve.points]
    area = 2 * (0.5 + 0.875) / 2 + 7 * (0.875 + 0.75) / 2
    assert value(curve, "nauc") == pytest.approx((area / 9 - 0.5) / 0.25)


def test_a_lot_before_gates_is_set_aside() -> None:
    gates = rung(0, "s"), rung(1)
    mixed = MixedEntry(0.3, FixedEntry(0, "a"), FixedEntry(1, "b"))
    table = four_questions()

    assert curve_of(table, profile_of(*gates, entry=mixed)).points == (
        curve_of(table, profile_of(*gates)).points
    )


def test_gates_below_a_fixed_entry_are_the_curve_where_there_is_none_above() -> None:
    gates = rung(0, "s"), rung(1)
    table = four_questions()
    above = curve_of(table, profile_of(*gates, entry=FixedEntry(1, "b")))

    assert above.points == curve_of(table, profile_of(*gates)).points
    assert value(above, "ibc_lift") == pytest.approx(0.0)  # it is always-large


# --- undefined -----------------------------------------------------------------------------------


def reasons(table: OutcomeTable, profile: Profile) -> dict[str, str]:
    numbers = curve_of(table, profile).numbers
    return {name: one.reason for name, one in numbers.items() if isinstance(one, Unavailable)}


def test_one_tier_alone_has_no_curve() -> None:
    table = table_of(row for row in four_questions().rows() if row.tier == 0)

    assert set(reasons(table, profile_of(rung(0), tiers=1))) == {"nauc", "apgr", "aiq", "ibc_lift"}


def test_a_large_tier_that_is_no_better_leaves_nothing_to_gain() -> None:
    rows = [replace(row, loss=0.5) for row in four_questions().rows()]

    found = reasons(table_of(rows), profile_of(rung(0, "s"), rung(1)))
    assert set(found) == {"nauc", "apgr", "ibc_lift"}


def test_a_missing_row_is_named_and_the_replay_stands() -> None:
    rows = [row for row in four_questions().rows() if (row.query_id, row.tier) != ("q3", 1)]
    found = reasons(table_of(rows), profile_of(rung(0, "s", threshold=0.2), rung(1)))

    assert set(found) == {"nauc", "apgr", "aiq", "ibc_lift"}
    assert "'q3'" in found["nauc"]


def test_an_unjudged_row_that_only_another_setting_serves() -> None:
    middle = [outcome(f"q{n}", 1, loss=None, cost=3.0) for n in range(4)]
    ends = [replace(row, tier=2 * row.tier) for row in four_questions().rows()]
    gates = rung(0, "s", threshold=0.0), rung(1, "s"), rung(2)
    found = reasons(table_of([*ends, *middle]), profile_of(*gates, tiers=3))

    assert "no judged row of what a setting serves" in found["nauc"]


# --- the loop, at single settings ----------------------------------------------------------------


def drawn_rows(seed: int, questions: int = 40) -> OutcomeTable:
    """Two tiers, up to one search that may find nothing; a free and a paid signal, with gaps."""
    rng = random.Random(seed)
    rows = []
    for number in range(questions):
        ease = rng.gauss(0.0, 1.5)
        rounds = (0, 1) if rng.random() < 0.8 else (0,)
        for tier in (0, 1):
            for round in rounds:
                p = sigmoid(ease + 0.8 * tier + 0.6 * round)
                near = round_to(min(1.0, max(0.0, p + rng.gauss(0, 0.1))), 2)
                rows.append(
                    outcome(
                        f"q{number:02}",
                        tier,
                        round,
                        loss=float(rng.random() >= p),
                        cost=(1.0 + round) * 6.0**tier,
                        signals={
                            "free": None if rng.random() < 0.1 else round_to(rng.random(), 1),
                            "paid": None if rng.random() < 0.1 else near,
                        },
                        signal_costs={"paid": 0.3},
                    )
                )
    return table_of(rows)


def round_to(x: float, digits: int) -> float:
    return float(f"{x:.{digits}f}")


def at_level(table: OutcomeTable, profile: Profile, place: int) -> Profile:
    """The profile with the gates of one level of its curve, as it would be written down."""
    ladders = ladders_of(table)
    first = profile.entry.tier if isinstance(profile.entry, FixedEntry) else 0
    path = profile_path(profile.thresholds(), first, table.rounds)
    scores = path_scores(table, ladders, profile, path)
    u = np.array([tie_break(profile.tie_seed, query) for query in ladders.queries])
    stages = stages_of(ladders, scores, path, u, last_is_gated=False)
    rules = path_rules(
        path,
        level_cuts(profile, stages, levels()),
        place,
        signals=to_buy_by_kind(ladders, scores),
        scores={(one.tier, one.retrieved): one.score for one in profile.rungs},
        last_is_gated=False,
    )
    calibrators = {(one.tier, one.retrieved): one.calibrators for one in profile.rungs}
    rungs = fitted_rungs(rules, calibrators, len(profile.names))
    return replace(profile, rungs=rungs, floor=None)


def check_levels(table: OutcomeTable, profile: Profile, places: Sequence[int]) -> None:
    settings = settings_of(table, ladders_of(table), profile)
    for place in places:
        served = serve_table(table, at_level(table, profile, place))
        served.sort(key=lambda one: one.query_id)
        right = [0.0 if one.loss is None else 1.0 - one.loss for one in served]
        assert settings.cost[:, place].tolist() == pytest.approx([one.cost for one in served])
        assert settings.quality[:, place].tolist() == right
        assert settings.deferred[:, place].tolist() == [one.top_tier > 0 for one in served]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("signal", ["free", "paid"])
def test_levels_of_a_raw_signal_are_what_the_loop_does(seed: int, signal: str) -> None:
    buy = (BuyBand("paid", 0.0, 1.0),) if signal == "paid" else ()
    then = (Action.RETRIEVE, Action.ESCALATE)
    profile = profile_of(rung(0, signal, then=then, buy=buy), rung(1), seed=seed)
    table = drawn_rows(seed)

    path = profile_path(profile.thresholds(), 0, table.rounds)
    assert path == (Stage(0, 0), Stage(0, 1), Stage(1, 1))
    check_levels(table, profile, (0, 7, 25, 44, 50))


def gates_of(table: OutcomeTable, prices: Prices) -> Profile:
    """A fitted profile whose curve is that of its own gates, whatever would order traffic best."""
    profile = fit_uncertified(table, fit_settings(table, prices, 0), {})
    return replace(profile, way=None)


@pytest.mark.parametrize("price", [20.0, 100.0])
def test_levels_of_fitted_estimates_are_what_the_loop_does(price: float) -> None:
    fitted = drawn_rows(11, 200)
    profile = gates_of(fitted, Prices(price, price))
    first = profile.entry.tier if isinstance(profile.entry, FixedEntry) else 0
    assert len(profile_path(profile.thresholds(), first, 1)) > 1
    assert any(one.buy for one in profile.rungs)

    check_levels(drawn_rows(12, 60), profile, (0, 10, 30, 50))


def test_a_band_moves_with_its_threshold() -> None:
    fitted = drawn_rows(11, 200)
    profile = gates_of(fitted, Prices(8.0, 6.0))
    rungs = tuple(
        replace(one, threshold=0.5, then=UP, buy=(BuyBand("paid", 0.4, 0.6),), score=None)
        if one.tier == 0
        else replace(one, gated=False)
        for one in profile.rungs
    )
    banded = replace(profile, rungs=rungs, entry=None)
    table = drawn_rows(12, 60)
    ladders = ladders_of(table)
    path = profile_path(banded.thresholds(), 0, table.rounds)
    stages = stages_of(
        ladders, path_scores(table, ladders, banded, path), path, np.zeros(60), last_is_gated=False
    )
    cuts = level_cuts(banded, stages, levels())

    assert not np.isnan(stages.free[:, 0]).all()
    assert np.all(cuts.low[:, 0] <= cuts.high[:, 0])
    assert np.all(np.diff(cuts.low[:, 0]) >= 0.0) and np.all(np.diff(cuts.high[:, 0]) >= 0.0)
    check_levels(table, banded, (0, 20, 50))


# --- routing before a draft ----------------------------------------------------------------------


class WordsPrior:
    """P(right) written into the question, in place of a fitted prior."""

    def probabilities(self, question: str) -> tuple[float, ...]:
        return tuple(float(word) for word in question.split())


def routed(gates: bool) -> tuple[OutcomeTable, Profile]:
    rng = random.Random(4)
    rows = []
    for number in range(30):
        p = [rng.random() * 0.6, 0.6 + 0.4 * rng.random()]
        for tier in (0, 1):
            row = outcome(
                f"q{number:02}",
                tier,
                loss=float(rng.random() >= p[tier]),
                cost=1.0 + 9.0 * tier,
                signals={"s": round_to(p[0], 3)},
            )
            rows.append(replace(row, question=f"{p[0]} {p[1]}"))
    first = rung(0, "s", threshold=0.3) if gates else rung(0)
    profile = profile_of(first, rung(1), entry=PriorEntry(("a", "b"), (1.0, 10.0), 0.05))
    prior: QuestionPrior = WordsPrior()  # type: ignore[assignment] # all that is read of it
    return table_of(rows), replace(profile, prior=prior)


@pytest.mark.parametrize("gates", [False, True])
def test_levels_of_a_prior_are_trades_of_its_entry(gates: bool) -> None:
    table, profile = routed(gates)
    settings = settings_of(table, ladders_of(table), profile)
    gains = sorted(
        (b - a) / 9.0
        for a, b in (
            map(float, str(next(iter(ladder.values())).question).split())
            for ladder in table.queries.values()
        )
    )[::-1]

    for place in (10, 25, 40):
        leaving = round(levels()[place] * 30)
        trade = (gains[leaving - 1] + gains[leaving]) / 2
        entry = PriorEntry(("a", "b"), (1.0, 10.0), trade)
        single = replace(profile, entry=entry)
        if gates:
            single = replace(at_level(table, single, place), entry=entry, prior=profile.prior)
        served = sorted(serve_table(table, single), key=lambda one: one.query_id)
        assert sum(one.visited[0].tier == 1 for one in served) == leaving
        assert settings.cost[:, place].tolist() == [one.cost for one in served]
        assert settings.quality[:, place].tolist() == [1.0 - (one.loss or 0.0) for one in served]


def test_a_prior_alone_runs_from_one_tier_to_the_other() -> None:
    table, profile = routed(gates=False)
    settings = settings_of(table, ladders_of(table), profile)

    assert settings.cost[:, 0].tolist() == [1.0] * 30
    assert settings.cost[:, -1].tolist() == [10.0] * 30
    curve = policy_curve(table, profile, serve_table(table, profile))
    assert value(curve, "nauc") > 0.5


# --- the trade of a policy that weighs steps ------------------------------------------------------


def settings_with(table: OutcomeTable, kind: str) -> FitSettings:
    usual = fit_settings(table, Prices(20.0, 10.0), 0)
    return replace(usual, policy=kind)  # type: ignore[arg-type]  # a known kind


@pytest.mark.parametrize("kind", ["utility", "cascade_routing"])
def test_trades_run_from_the_cheapest_to_the_best(kind: str) -> None:
    fitted, table = drawn_rows(11, 200), drawn_rows(12, 60)
    settings = settings_with(fitted, kind)
    profile = fit_uncertified(fitted, settings, {})
    assert profile.kind == kind
    found = settings_of(table, ladders_of(table), profile)

    # Where nothing but cost counts no other draft is made; what has no estimate at all buys one.
    assert set(found.cost[:, 0].tolist()) <= {1.0, 1.3}
    costs = found.cost.mean(axis=0)
    assert costs[-1] > max(5 * costs[0], 0.98 * costs.max())
    assert 10 < len(set(costs.tolist())) <= found.cost.shape[1] == 64
    assert max(np.diff(np.sort(costs))) < 0.5 * (costs[-1] - costs[0])

    served = serve_table(table, at_trade(profile, 0.0))
    served.sort(key=lambda one: one.query_id)
    assert found.cost[:, -1].tolist() == pytest.approx([one.cost for one in served])
    assert found.quality[:, -1].tolist() == [1.0 - (one.loss or 0.0) for one in served]
    assert found.deferred[:, -1].tolist() == [float(one.top_tier > 0) for one in served]


@pytest.mark.parametrize("kind", ["utility", "cascade-routing"])
@pytest.mark.parametrize("has_questions", [False, True])
def test_single_trades_are_what_the_loop_does(kind: str, has_questions: bool) -> None:
    fitted, table = drawn_rows(11, 200), drawn_rows(12, 60)
    words = ("sum", "prove", "name", "list", "why")
    texts = {
        query: f"{words[number % 5]} {words[number % 3]} {number}"
        for number, query in enumerate(sorted(fitted.queries))
    }
    questions = texts if has_questions else None
    settings = settings_with(fitted, kind)
    profile = fit_uncertified(fitted, settings, {}, questions=questions)
    assert (profile.prior is not None) is has_questions
    assert (profile.entry_policy() is not None) is has_questions and profile.entry is None
    ladders, trades = ladders_of(table), (0.0, 0.01, 0.05, 0.2, 1e6)
    walked = walk_trades(table, ladders, profile, trades, questions)

    assert len({float(one) for one in walked.cost.mean(axis=1)}) > 2
    for row, trade in enumerate(trades):
        served = serve_table(table, at_trade(profile, trade), questions=questions)
        served.sort(key=lambda one: one.query_id)
        assert all(one.rung is not None for one in served)
        assert walked.cost[row].tolist() == pytest.approx([one.cost for one in served])
        assert walked.loss[row].tolist() == [one.loss for one in served]
        assert walked.tier[row].tolist() == [one.top_tier for one in served]


# --- stored tables -------------------------------------------------------------------------------

PUBLISHED = [
    ("mmlu", 1, 3, 0.573),
    ("mmlu", 2, 4, 0.660),
    ("triviaqa", 1, 3, 0.378),
    ("triviaqa", 2, 4, 0.599),
]


@pytest.mark.parametrize(("name", "small", "large", "figure"), PUBLISHED)
def test_stored_pairs_give_the_published_areas(
    name: str, small: int, large: int, figure: float
) -> None:
    train, test = (pair_table(stored_table(name, part), small, large) for part in ("train", "test"))
    signal = SIGNALS[name]
    bought = (BuyBand(signal, 0.0, 1.0),) if signal in test.bought else ()
    profiles = [
        profile_of(rung(0, signal, buy=bought), rung(1)),
        gates_of(train, default_prices(train)),
    ]

    for profile in profiles:
        curve = curve_of(test, profile)
        assert value(curve, "nauc") == pytest.approx(figure, abs=0.005)
        number = curve.numbers["nauc"]
        assert isinstance(number, CurveNumber) and number.interval is not None
        assert number.interval[0] < figure < number.interval[1]


def test_always_large_is_the_end_of_the_stored_curve() -> None:
    table = pair_table(stored_table("mmlu", "test"), 1, 3)
    curve = curve_of(table, profile_of(rung(0, "answer_prob"), rung(1)))
    rows = [ladder[Rung(1, 0, False)] for ladder in table.queries.values()]

    assert curve.points[-1][1] == pytest.approx(np.mean([1.0 - (row.loss or 0.0) for row in rows]))


@pytest.mark.parametrize(
    ("name", "small", "large", "kind", "figure"),
    [
        ("mmlu", 2, 4, "gate", 0.660),
        ("triviaqa", 1, 3, "lot", 0.5),
        ("triviaqa", 2, 4, "gate", 0.599),
    ],
)
def test_the_curve_is_that_of_the_way_that_the_fit_chose(
    name: str, small: int, large: int, kind: str, figure: float
) -> None:
    """Where the price of the signal eats up what it tells, a lot is no worse than a random mix."""
    train, test = (pair_table(stored_table(name, part), small, large) for part in ("train", "test"))
    profile = fit_uncertified(train, fit_settings(train, default_prices(train), 0), {})

    assert profile.way is not None and profile.way.kind == kind
    assert value(curve_of(test, profile), "nauc") == pytest.approx(figure, abs=0.005)


@pytest.mark.parametrize(
    ("gate", "prior", "kind"),
    [
        (0.40, None, "lot"),
        (0.40, 0.45, "lot"),
        (0.60, None, "gate"),
        (0.60, 0.52, "gate"),
        (0.60, 0.58, "prior and gate"),
        (0.52, 0.60, "prior"),
        (0.45, 0.52, "prior"),
        (0.52, 0.48, "gate"),
    ],
)
def test_the_way_by_hand(gate: float, prior: float | None, kind: str) -> None:
    table = table_of([outcome(f"q{i}", t, cost=1.0 + t) for i in range(40) for t in range(2)])
    ladders = ladders_of(table)
    nothing = np.zeros_like(ladders.cost)
    flat = RungScores(ladders.signals["s"], ladders.signals["s"], nothing, (None,) * 2, (None,) * 2)
    (pair,) = break_evens(ladders, flat, reps=10)
    found = chosen_way([replace(pair, nauc=gate, prior_nauc=prior)], (1.0, 2.0))
    assert found is not None and found.kind == kind
    assert chosen_way([replace(pair, nauc=None)], (1.0, 2.0)) is None
