"""What to label next: allocations by hand, unbiasedness, and how many labels they save."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from surefoot.policies.label_choice import (
    LabelCandidate,
    LabelUse,
    choose_labels,
    label_propensities,
    relative_variance,
)
from surefoot.router.errors import UsageError
from surefoot.router.risk.audit_log import AuditLog
from surefoot.router.risk.off_policy import OffPolicyEstimate, estimate_off_policy
from surefoot.router.risk.targets import RiskTarget

from .simulated_worlds import world_a

Floats = NDArray[np.float64]
GATE = RiskTarget("selective", 0.1, 0.1)


def candidate(name: str, margin: float | None, p: float, **more: Any) -> LabelCandidate:
    return replace(LabelCandidate(name, 0, margin, p), **more)


# --- by hand -------------------------------------------------------------------------------------


def test_propensities_follow_the_spread_of_the_loss() -> None:
    # sqrt(p (1 - p)): .5, .4, .3; what is not accepted gets nothing.
    offered = [candidate("a", 0.1, 0.5), candidate("b", 0.0, 0.8), candidate("c", 0.2, 0.9)]
    offered += [candidate("d", -0.1, 0.5), candidate("e", None, 0.5)]
    found = label_propensities(offered, 1.2, use="predicted")

    assert found == pytest.approx([0.5, 0.4, 0.3, 0.0, 0.0])


def test_the_distance_from_the_risk_counts_where_nothing_is_predicted() -> None:
    # R = .3: p(1-p) + (1-p-R)^2 = .25 + .04 and .09 + .04.
    offered = [candidate("a", 0.0, 0.5), candidate("b", 0.0, 0.9)]
    found = label_propensities(offered, 0.5, use="weighted")

    assert found.sum() == pytest.approx(0.5)
    assert found[0] / found[1] == pytest.approx(math.sqrt(0.29 / 0.13))


def test_two_margins_weigh_what_both_accept() -> None:
    # At 0 both count, 1/2 each; at 1 only a, alone: need_a^2 = (1/4 + 1) / 2, need_b^2 = (1/4) / 2.
    offered = [candidate("a", 1.0, 0.5), candidate("b", 0.0, 0.5)]
    found = label_propensities(offered, 0.5, margins=(0.0, 1.0), use="predicted")

    assert found[0] / found[1] == pytest.approx(math.sqrt(5.0))


def test_floor_ceiling_and_earlier_draws_are_kept_and_the_budget_spent() -> None:
    offered = [
        candidate("a", 0.0, 0.5),
        candidate("b", 0.0, 1.0),  # cannot be wrong, they say: the floor all the same
        candidate("c", 0.0, 0.9, drawn_with=0.8),
        candidate("d", None, 0.9, drawn_with=0.2),
    ]
    found = label_propensities(offered, 0.5, use="predicted", pi_min=0.05)

    assert found == pytest.approx([0.45, 0.05, 0.8, 0.2])
    all_of_it = label_propensities(offered, 100.0, use="predicted", pi_min=0.05)
    assert all_of_it == pytest.approx([1.0, 0.05, 1.0, 0.2])


@given(
    st.lists(
        st.tuples(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 0.3)), min_size=1, max_size=30
    ),
    st.floats(0.0, 10.0),
    st.sampled_from(["weighted", "predicted"]),
)
def test_the_budget_is_met_and_no_propensity_leaves_its_range(
    told: list[tuple[float, float, float]], budget: float, use: LabelUse
) -> None:
    offered = [
        candidate(f"{i}", margin, p, drawn_with=held) for i, (margin, p, held) in enumerate(told)
    ]
    held = np.array([one.drawn_with for one in offered])
    inside = np.array([one.margin is not None and one.margin >= 0 for one in offered])
    least = float(np.where(inside, np.maximum(held, 0.02), held).sum() - held.sum())
    if least > budget:
        with pytest.raises(UsageError, match="pi_min"):
            label_propensities(offered, budget, use=use, pi_min=0.02)
        return
    found = label_propensities(offered, budget, use=use, pi_min=0.02)

    assert bool((found >= held).all() and (found <= 1.0).all())
    assert bool((found[inside] >= 0.02).all())
    assert float((found - held).sum()) <= budget + 1e-6
    assert found[~inside] == pytest.approx(held[~inside])


def test_no_other_allocation_of_the_budget_does_better() -> None:
    rng = np.random.default_rng(2)
    offered = [candidate(f"{i}", 0.0, float(p)) for i, p in enumerate(rng.uniform(0.5, 1, 40))]
    best = label_propensities(offered, 10.0)
    least = relative_variance(offered, best)

    assert least < 1.0
    for _ in range(200):
        other = np.clip(best * np.exp(0.2 * rng.normal(size=40)), 0.01, 1.0)
        other = other * (10.0 / other.sum())
        assert relative_variance(offered, other) >= least - 1e-9
    assert relative_variance(offered, np.full(40, 0.25)) == pytest.approx(1.0)


# --- the draw ------------------------------------------------------------------------------------


def test_draws_are_the_same_everywhere_and_new_in_every_wave() -> None:
    offered = [candidate(f"q{i}", 0.0, 0.7) for i in range(200)]
    one = choose_labels(offered, 60.0, secret="s", wave=1)

    assert one == choose_labels(offered[::-1], 60.0, secret="s", wave=1)
    chosen = [choice.chosen for choice in one]
    assert chosen != [choice.chosen for choice in choose_labels(offered, 60.0, secret="s", wave=2)]
    assert 35 < sum(chosen) < 85


def test_a_second_draw_makes_up_the_propensity_in_all() -> None:
    """Those drawn at .2 before and wanted at .5 are labelled with probability .5 in the end."""
    rng = np.random.default_rng(6)
    n = 20_000
    hit = rng.random(n) < 0.2
    offered = [
        candidate(f"q{i}", 0.0, 0.7, drawn_with=0.2, labelled=bool(hit[i])) for i in range(n)
    ]
    found = choose_labels(offered, 0.3 * n, secret="s", wave=1)
    labelled = [choice.chosen or bool(hit[int(choice.query_id[1:])]) for choice in found]

    assert all(choice.propensity == pytest.approx(0.5) for choice in found)
    assert not any(choice.chosen and hit[int(choice.query_id[1:])] for choice in found)
    assert sum(labelled) / n == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / n))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"p": 1.2}, "p and drawn_with"),
        ({"p": float("nan")}, "p and drawn_with"),
        ({"drawn_with": -0.1}, "p and drawn_with"),
        ({"query_id": "b"}, "one candidate a question"),
    ],
)
def test_candidates_that_cannot_be(change: dict[str, Any], words: str) -> None:
    offered = [replace(candidate("a", 0.0, 0.5), **change), candidate("b", 0.0, 0.5)]
    with pytest.raises(UsageError, match=words):
        choose_labels(offered, 1.0, secret="s", wave=1)


def test_budgets_and_margins_that_cannot_be() -> None:
    offered = [candidate("a", 0.0, 0.5)]
    for budget, margins, pi_min in ((-1.0, (0.0,), 0.1), (1.0, (), 0.1), (1.0, (0.0,), 0.0)):
        with pytest.raises(UsageError, match="budget"):
            label_propensities(offered, budget, margins=margins, pi_min=pi_min)
    with pytest.raises(UsageError, match="no propensity"):
        relative_variance(offered, np.zeros(1))


# --- labels saved in world A ---------------------------------------------------------------------


@lru_cache(maxsize=1)
def curve() -> tuple[Floats, Floats, float]:
    """Edges of score bins, mean loss in them, and the threshold of risk .1."""
    ladders, expected = world_a(400_000, np.random.default_rng(1))
    score, wrong = ladders.signals["score"][:, 0], expected[:, 0]
    edges = np.quantile(score, np.linspace(0.0, 1.0, 201))
    place = np.clip(np.searchsorted(edges, score) - 1, 0, 199)
    order = np.argsort(-score)
    running = np.cumsum(wrong[order]) / np.arange(1, len(wrong) + 1)
    threshold = float(score[order][int(np.searchsorted(running, 0.1))])
    means = np.bincount(place, wrong, 200) / np.bincount(place, minlength=200)
    return edges, means, threshold


def draw_world(n: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Scores, predicted losses, losses."""
    edges, means, _ = curve()
    ladders, _ = world_a(n, np.random.default_rng(seed))
    score = ladders.signals["score"][:, 0]
    return score, means[np.clip(np.searchsorted(edges, score) - 1, 0, 199)], ladders.loss[:, 0]


def allocations(score: Floats, wrong: Floats, budget: float) -> dict[str, Floats]:
    """Propensities of each design for the same expected number of labels."""
    inside = score >= curve()[2]
    offered = [
        candidate(f"q{i:06}", float(s - curve()[2]), float(1.0 - e))
        for i, (s, e) in enumerate(zip(score, wrong, strict=True))
    ]
    least = 0.1 * budget / inside.sum()
    return {
        "all traffic": np.full(len(score), budget / len(score)),
        "accepted": np.where(inside, budget / inside.sum(), 0.0),
        "weighted": label_propensities(offered, budget, pi_min=least),
        "predicted": label_propensities(offered, budget, use="predicted", pi_min=least),
    }


DESIGNS = (("all traffic", False), ("accepted", False), ("weighted", False), ("predicted", True))


def estimates(trials: int) -> dict[str, list[float]]:
    """Of each design, over draws of questions and audits."""
    n, budget = 2000, 200.0
    found: dict[str, list[float]] = {design: [] for design, _ in DESIGNS}
    for seed in range(trials):
        score, wrong, loss = draw_world(n, 1000 + seed)
        allocated = allocations(score, wrong, budget)
        u = np.random.default_rng(seed).random(n)
        for design, doubly_robust in DESIGNS:
            drawn = u < allocated[design]
            known = np.where(drawn, loss, np.nan)
            log = AuditLog(score >= curve()[2], allocated[design], drawn, known, wrong)
            estimate = estimate_off_policy(log, GATE, doubly_robust=doubly_robust)
            assert isinstance(estimate, OffPolicyEstimate) and estimate.risk is not None
            found[design].append(estimate.risk)
    return found


def test_expected_savings_in_world_a() -> None:
    """The share of labels that does as well, by the variance formula, on many questions."""
    score, wrong, _ = draw_world(40_000, 3)
    inside = score >= curve()[2]
    offered = [candidate(f"q{i:06}", 0.0, float(1 - e)) for i, e in enumerate(wrong[inside])]
    budget = 0.05 * len(offered)
    weighted = label_propensities(offered, budget, pi_min=0.005)
    predicted = label_propensities(offered, budget, use="predicted", pi_min=0.005)
    plain = wrong[inside]
    by_predicting = (plain * (1 - plain)).mean() / (plain.mean() * (1 - plain.mean()))

    assert relative_variance(offered, weighted) == pytest.approx(0.94, abs=0.015)
    both = relative_variance(offered, predicted, use="predicted") * by_predicting
    assert both == pytest.approx(0.90, abs=0.02)
    assert inside.mean() == pytest.approx(0.42, abs=0.01)


@pytest.mark.slow
def test_chosen_labels_narrow_the_estimate_and_leave_it_unbiased() -> None:
    trials = 400
    found = estimates(trials)
    spread = {design: float(np.var(values)) for design, values in found.items()}

    assert spread["accepted"] < 0.6 * spread["all traffic"]
    assert spread["predicted"] < spread["accepted"]
    assert spread["weighted"] < 1.05 * spread["accepted"]
    for design, values in found.items():
        error = 3.0 * math.sqrt(spread[design] / trials)
        assert abs(float(np.mean(values)) - 0.1) < error + 1e-3


def test_the_plain_mean_of_chosen_labels_is_biased() -> None:
    """The control: these labels are not a sample of the traffic."""
    score, wrong, loss = draw_world(100_000, 7)
    propensity = allocations(score, wrong, 20_000.0)["weighted"]
    drawn = np.random.default_rng(8).random(100_000) < propensity

    assert float(loss[drawn].mean()) > 0.1 + 3.0 * math.sqrt(0.09 / drawn.sum())
