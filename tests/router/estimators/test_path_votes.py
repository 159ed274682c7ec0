"""Votes among weighed paths: shares by hand, pruning on data of known origin, ties, degeneracy."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.batch import Batch
from surefoot.router.estimators.path_pruning import prune
from surefoot.router.estimators.path_votes import PplVote, Rpc
from surefoot.router.evidence import Evidence, Generation, Token
from surefoot.router.protocols import Estimator, Needs
from surefoot.router.signals import Signal, Unavailable


def path(text: str, p: float) -> Generation:
    return Generation(text, (Token(text, math.log(p)),))


def walked(*paths: tuple[str, float], greedy: str = "Bonn") -> Evidence:
    samples = tuple(path(text, p) for text, p in paths)
    return Evidence("Which city?", Generation(greedy), samples=samples)


def read(found: Estimator, given: Evidence) -> Signal:
    signal = found.estimate(given)
    assert isinstance(signal, Signal), signal
    return signal


def test_rpc_sums_probabilities_over_different_texts() -> None:
    given = walked(("Rome", 0.6), ("rome", 0.4), ("Rome", 0.5), ("Oslo", 0.9))
    signal = read(Rpc(), given)
    # "Rome" counts once, by its largest r; "rome" is another path to the same answer.
    assert signal.raw == signal.value == pytest.approx((0.6 + 0.4) / (0.6 + 0.4 + 0.9))
    assert signal.direction == "confidence"
    assert signal.details == {
        "majority": "Rome",
        "greedy_agrees": False,
        "m": 4,
        "classes": 2,
        "pruned": 0,
        "filter": "on",
        "not_pruned": "fewer than 8 paths",
    }


def test_rpc_and_the_majority_may_differ() -> None:
    given = walked(("Oslo", 0.9), ("Rome", 0.3), ("rome", 0.3), ("rome.", 0.2))
    assert read(Rpc(), given).details["majority"] == "Oslo"


def drawn(seed: int, good: int = 40, bad: int = 24) -> tuple[list[float], list[float]]:
    """Probabilities of right and of wrong paths, the two components of the paper's model."""
    numbers = random.Random(seed)
    # A lone logprob of 0 would be taken for a placeholder.
    high = [min(numbers.weibullvariate(0.85, 25), 0.999) for _ in range(good)]
    return high, [numbers.weibullvariate(0.45, 6) for _ in range(bad)]


@pytest.mark.parametrize("seed", range(10))
def test_pruning_removes_the_improbable_component_and_spares_the_other(seed: int) -> None:
    high, low = drawn(seed)
    (pruning,) = prune([[math.log(p) for p in (*high, *low)]])
    assert pruning.skipped is None
    assert sum(pruning.dropped[len(high) :]) >= 0.9 * len(low)
    assert sum(pruning.dropped[: len(high)]) <= 0.1 * len(high)


def test_pruned_paths_have_no_vote() -> None:
    """24 improbable paths agree on Oslo; 40 probable ones are split over three answers."""
    high, low = drawn(1)
    names = ("Rome", "Rome", "Paris", "Bonn")
    paths = [(f"{names[i % 4]}{'.' * i}", p) for i, p in enumerate(high)]
    paths += [(f"Oslo{'!' * i}", p) for i, p in enumerate(low)]
    signal = read(Rpc(), walked(*paths, greedy="Oslo"))
    assert signal.details["majority"] == "Rome"
    assert "not_pruned" not in signal.details
    assert 22 <= int(signal.details["pruned"]) <= 28
    mass = sum(p for text, p in paths if text.startswith("Rome"))
    assert signal.value > mass / sum(p for _, p in paths)
    assert signal.value == pytest.approx(mass / sum(high), rel=0.05)


def test_a_path_at_least_as_probable_as_the_mean_is_never_pruned() -> None:
    for seed in range(10):
        numbers = random.Random(seed)
        probabilities = [numbers.betavariate(8, 2) for _ in range(32)]
        (pruning,) = prune([[math.log(p) for p in probabilities]])
        mean = sum(probabilities) / 32
        assert not any(
            dropped and p >= mean for p, dropped in zip(probabilities, pruning.dropped, strict=True)
        )


def test_pruning_is_skipped_rather_than_trusted() -> None:
    assert prune([[-0.1] * 3])[0].skipped == "fewer than 8 paths"
    assert prune([[-0.1] * 8])[0].skipped == "no spread"
    assert prune([[-9000.0 + i for i in range(8)]])[0].skipped == "no spread"
    repeated = prune([[math.log(0.5)] * 30 + [math.log(0.9)] * 34])[0]
    assert (repeated.skipped, any(repeated.dropped)) == ("fit failed", False)
    signal = read(Rpc(), walked(*[("Rome", 0.5)] * 8))
    assert (signal.value, signal.details["not_pruned"]) == (1.0, "no spread")


def test_sets_are_pruned_in_any_company_as_alone() -> None:
    sets = [[math.log(p) for p in (*high, *low)] for high, low in map(drawn, range(3))]
    sets.insert(1, [-0.5, -0.1])
    sets.append(sets[0][:20])
    together = prune(sets)
    assert together == [prune([one])[0] for one in sets]
    backward = prune([one[::-1] for one in sets])
    assert [one.dropped[::-1] for one in backward] == [one.dropped for one in together]


def test_improbable_paths_keep_their_shares_where_probabilities_vanish() -> None:
    samples = tuple(
        Generation(text, (Token(text, logprob),))
        for text, logprob in (("Rome", -2000.0), ("Oslo", -2000.0 - math.log(3)))
    )
    given = Evidence("q", Generation("Rome"), samples=samples)
    assert read(Rpc(), given).value == pytest.approx(0.75)
    assert read(PplVote(), given).value == math.exp(-700)


def test_ppl_vote_returns_the_answer_of_the_likeliest_path() -> None:
    given = walked(("Rome", 0.6), ("rome", 0.6), ("Oslo", 0.7), greedy="Oslo")
    signal = read(PplVote(), given)
    assert signal.raw == signal.value == pytest.approx(0.7)
    assert signal.details == {
        "majority": "Oslo",
        "greedy_agrees": True,
        "m": 3,
        "classes": 2,
        "filter": "on",
    }
    alone = read(PplVote(), walked(("Rome", 0.25)))
    assert alone.value == pytest.approx(0.25)
    assert alone.details["one_sample"] is True


def test_the_length_of_a_path_is_no_matter_and_its_formatting_neither() -> None:
    tokens = (Token("New", math.log(0.5)), Token(" York", math.log(0.125)), Token(".", -9.0))
    given = Evidence("q", Generation("x"), samples=(Generation("New York.", tokens),))
    assert read(PplVote(), given).value == pytest.approx(0.25)
    unfiltered = read(PplVote(content_filter=False), given)
    assert unfiltered.value == pytest.approx(math.exp((math.log(1 / 16) - 9.0) / 3))


@pytest.mark.parametrize("found", [Rpc(), PplVote()])
def test_ties_go_to_the_greedy_answer_then_to_the_first_in_the_alphabet(found: Estimator) -> None:
    paths = (("Rome", 0.5), ("Oslo", 0.5), ("Bonn", 0.25))
    for order in (paths, paths[::-1]):
        details = read(found, walked(*order, greedy="x")).details
        assert (details["majority"], details["tied"]) == ("Oslo", "oslo | rome")
    signal = read(found, walked(*paths, greedy="rome"))
    assert (signal.details["majority"], signal.details["greedy_agrees"]) == ("Rome", True)


@pytest.mark.parametrize("found", [Rpc(), PplVote()])
def test_what_it_cannot_judge(found: Estimator) -> None:
    bare = Evidence("q", Generation("Rome"), samples=(path("Rome", 0.5), Generation("Rome")))
    assert found.estimate(bare) == Unavailable("a sample: no logprobs")
    assert found.estimate(walked()) == Unavailable("no samples")
    silent = walked(("Rome", 0.5), ("Rome", 0.5), greedy=" ")
    assert found.estimate(silent) == Unavailable("empty answer")
    assert found.needs == Needs(logprobs=True, samples=5)
    assert isinstance(found, Rpc | PplVote)
    good = walked(("Rome", 0.5), ("Oslo", 0.6))
    readings = found.estimate_batch(Batch([bare, good, silent]))
    assert readings[1] == found.estimate(good)
    assert isinstance(readings[0], Unavailable) and isinstance(readings[2], Unavailable)


def test_the_share_of_one_path_would_be_1_whatever_it_says() -> None:
    assert Rpc().estimate(walked(("Rome", 0.5))) == Unavailable("needs 2 samples")


some_paths = st.lists(
    st.tuples(st.sampled_from(["Rome", "rome", "Oslo", "Bonn", "oslo."]), st.floats(1e-9, 0.999)),
    min_size=2,
    max_size=14,
)


@given(paths=some_paths, seed=st.integers(0, 99))
def test_order_changes_nothing_and_shares_are_shares(
    paths: list[tuple[str, float]], seed: int
) -> None:
    shuffled = list(paths)
    random.Random(seed).shuffle(shuffled)
    for found in (Rpc(), PplVote()):
        signal = read(found, walked(*paths))
        assert read(found, walked(*shuffled)) == signal
        assert 0.0 <= signal.value <= 1.0
    share = read(Rpc(), walked(*paths))
    assert share.value >= 1 / int(share.details["classes"]) - 1e-12
