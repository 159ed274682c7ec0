"""Certified means certified: counted over many draws, in worlds with a known truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from surefoot.policies.certificates import NotCertified
from surefoot.policies.certifying import Certified, Gates, certify_gate, certify_paths
from surefoot.policies.ladders import Ladders
from surefoot.policies.path_search import candidate_cuts, candidate_paths
from surefoot.policies.paths import Path, RungScores, Stage, Stages, stages_of, walk
from surefoot.policies.prices import Prices
from surefoot.router.risk.targets import RiskTarget

from .simulated_worlds import World, adversarial, raw, world_a, world_a_graded, world_b

ALPHA = DELTA = 0.1
SELECTIVE = RiskTarget("selective", ALPHA, DELTA)
GRADED = replace(SELECTIVE, loss="bounded")
GATE: Path = (Stage(0, 0), Stage(1, 0))
BIG = 20_000
ABSTENTION = 60.0


def some(ladders: Ladders, at: NDArray[np.int64]) -> Ladders:
    columns = {
        name: getattr(ladders, name)[at]
        for name in ("present", "whole", "loss", "cost", "latency_s")
    }
    return replace(
        ladders,
        queries=tuple(ladders.queries[i] for i in at),
        signals={name: column[at] for name, column in ladders.signals.items()},
        prices={name: column[at] for name, column in ladders.prices.items()},
        **columns,
    )


def on(ladders: Ladders, path: Path, *, last_is_gated: bool = True) -> Stages:
    scores: RungScores = raw(ladders)
    u = np.random.default_rng(5).random(len(ladders.queries))
    return stages_of(ladders, scores, path, u, last_is_gated=last_is_gated)


def gate_trial(
    world: World,
    n: int,
    seed: int,
    truth: tuple[Ladders, NDArray[np.float64]],
    target: RiskTarget,
    *,
    with_traffic: bool = False,
) -> tuple[float, float]:
    """Coverage and true risk of the gate that is certified on `n` labels; (0, 0) where none is."""
    rng = np.random.default_rng(seed)
    labeled, traffic = world(n, rng)[0], world(2000, rng)[0]
    tested = {GATE: on(labeled, GATE, last_is_gated=False)}
    scored = {GATE: on(traffic, GATE, last_is_gated=False)} if with_traffic else tested
    gates = Gates(target, Prices(0.0, ABSTENTION), tested, scored, "somewhere", seed)
    found = certify_gate(gates)
    if isinstance(found, NotCertified):
        return 0.0, 0.0
    ladders, expected = truth
    gated = walk(on(ladders, GATE, last_is_gated=False), found.cuts).gated[0]
    return float(gated.mean()), float(expected[gated, 0].mean())


def violations(risks: list[float], alpha: float = ALPHA) -> tuple[float, float]:
    """Share of trials whose true risk is above alpha, and its Monte Carlo error."""
    share = float(np.mean([risk > alpha for risk in risks]))
    return share, float(np.sqrt(DELTA * (1 - DELTA) / len(risks)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("world", "target", "n", "least", "trials", "with_traffic"),
    [
        (world_a, SELECTIVE, 200, 0.09, 200, False),
        (world_a, SELECTIVE, 500, 0.19, 200, False),
        (world_a, SELECTIVE, 2000, 0.335, 200, False),
        (world_a, SELECTIVE, 500, 0.13, 200, True),
        (world_a, SELECTIVE, 2000, 0.33, 200, True),
        (world_a_graded, GRADED, 200, 0.56, 200, False),
        (world_a_graded, GRADED, 500, 0.68, 200, False),
        (world_a_graded, GRADED, 2000, 0.73, 150, False),
        (world_a_graded, GRADED, 2000, 0.72, 60, True),
    ],
)
def test_one_gate_keeps_its_promise_and_covers_enough(
    world: World, target: RiskTarget, n: int, least: float, trials: int, with_traffic: bool
) -> None:
    truth = world(BIG, np.random.default_rng(99))
    found = [
        gate_trial(world, n, seed, truth, target, with_traffic=with_traffic)
        for seed in range(trials)
    ]
    share, error = violations([risk for _, risk in found])
    assert share <= DELTA + 2 * error
    assert np.mean([coverage for coverage, _ in found]) >= least


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["non-monotone", "ties", "clumps"])
@pytest.mark.parametrize("n", [200, 2000])
def test_one_gate_keeps_its_promise_where_scores_mislead(shape: str, n: int) -> None:
    world = adversarial(shape)
    truth = world(BIG, np.random.default_rng(99))
    trials = [gate_trial(world, n, seed, truth, SELECTIVE) for seed in range(150)]
    share, error = violations([risk for _, risk in trials])
    assert share <= DELTA + 2 * error


@pytest.mark.slow
def test_the_naive_gate_fails_the_same_count() -> None:
    """The loosest threshold with an empirical risk of at most alpha: the control that must fail."""
    ladders, expected = world_a(BIG, np.random.default_rng(99))
    score = ladders.signals["score"][:, 0]
    risks = []
    for seed in range(200):
        drawn = world_a(500, np.random.default_rng(seed))[0]
        order = np.argsort(-drawn.signals["score"][:, 0])
        running = np.cumsum(drawn.loss[order, 0]) / np.arange(1, 501)
        fits = np.flatnonzero(running <= ALPHA)
        if len(fits):
            accepted = score >= drawn.signals["score"][order[fits[-1]], 0]
            risks.append(float(expected[accepted, 0].mean()))
        else:
            risks.append(0.0)
    assert violations(risks)[0] >= 0.40


def path_trial(
    n: int, seed: int, truth: tuple[Ladders, NDArray[np.float64]], paths: tuple[Path, ...]
) -> tuple[float, float]:
    """Objective and true risk of what is certified in world B; 91 where nothing is."""
    rng = np.random.default_rng(seed)
    labeled, traffic = world_b(n, rng)[0], world_b(2000, rng)[0]
    order = rng.permutation(n)
    tune, test = some(labeled, order[: n // 4]), some(labeled, order[n // 4 :])
    gates = Gates(
        SELECTIVE,
        Prices(0.0, ABSTENTION),
        {path: on(test, path) for path in paths},
        {path: on(traffic, path) for path in paths},
        "traffic",
        seed,
        {path: on(tune, path) for path in paths},
    )
    found = certify_paths(gates)
    if isinstance(found, NotCertified):
        return 31.0 + ABSTENTION, 0.0
    return judged(found, truth)


def judged(found: Certified, truth: tuple[Ladders, NDArray[np.float64]]) -> tuple[float, float]:
    ladders, expected = truth
    walked = walk(on(ladders, found.path), found.cuts)
    gated = walked.gated[0]
    tiers = np.array([stage.tier for stage in found.path])
    risk = expected[np.arange(len(gated)), tiers[walked.stage[0]]][gated].mean()
    objective = walked.cost[0].mean() + ABSTENTION * (walked.stage[0] < 0).mean()
    return float(objective), float(risk)


def few(n: int, wrong: float) -> Certified | NotCertified:
    """Two gates on `n` tested questions; this share of answers is wrong, whatever they score."""
    rng = np.random.default_rng(7)
    ladders = world_b(2 * n, rng)[0]
    loss = np.zeros_like(ladders.loss)
    loss[: round(wrong * 2 * n)] = 1.0
    order = rng.permutation(2 * n)
    ladders = replace(ladders, loss=loss)
    tune, test = some(ladders, order[:n]), some(ladders, order[n:])
    path: Path = (Stage(0, 0), Stage(1, 0))
    stages = {path: on(test, path)}
    target = RiskTarget("selective", 0.2, 0.1)
    return certify_paths(
        Gates(target, Prices(0.0, ABSTENTION), stages, stages, "own", 0, {path: on(tune, path)})
    )


def test_few_questions_are_tested_all_the_same() -> None:
    """Eleven right answers are enough for a fifth at a tenth; forty-five need not be expected."""
    found = few(30, 0.0)
    assert isinstance(found, Certified)
    assert found.certificate.losses == 0.0 and 11 <= found.certificate.n_accepted <= 30


def test_where_nothing_can_be_tested_the_reason_fits_the_numbers() -> None:
    found = few(10, 0.0)
    assert isinstance(found, NotCertified)
    assert "10 questions are too few" in found.why and "11 accepted labels" in found.why
    assert found.needed_accepted_labels is not None and found.needed_accepted_labels >= 11
    bad = few(30, 1.0)
    assert isinstance(bad, NotCertified)
    assert bad.needed_accepted_labels is None and "no configuration looks safe" in bad.why


@pytest.mark.slow
@pytest.mark.parametrize(("n", "most"), [(500, 63.0), (2000, 41.0)])
def test_three_tiers_keep_their_promise_at_a_good_price(n: int, most: float) -> None:
    truth = world_b(BIG, np.random.default_rng(99))
    trials = [path_trial(n, seed, truth, candidate_paths(3, 0)) for seed in range(60)]
    share, error = violations([risk for _, risk in trials])
    assert share <= DELTA + 2 * error
    assert np.mean([objective for objective, _ in trials]) <= most


@pytest.mark.slow
def test_the_best_empirical_configuration_fails_the_same_count() -> None:
    truth = world_b(BIG, np.random.default_rng(99))
    path: Path = (Stage(0, 0), Stage(1, 0), Stage(2, 0))
    risks = []
    for seed in range(40):
        drawn = world_b(500, np.random.default_rng(seed))[0]
        stages = on(drawn, path)
        cuts = candidate_cuts(stages, seed=0)
        walked = walk(stages, cuts)
        accepted = walked.gated.sum(axis=1)
        risk = np.where(walked.gated, walked.loss, 0.0).sum(axis=1) / np.maximum(accepted, 1)
        price = walked.cost.mean(axis=1) + ABSTENTION * (walked.stage < 0).mean(axis=1)
        price[(risk > ALPHA) | (accepted == 0)] = np.inf
        best = cuts.some(np.array([int(price.argmin())]))
        found = walk(on(truth[0], path), best)
        gated = found.gated[0]
        risks.append(float(truth[1][np.arange(BIG), found.stage[0]][gated].mean()))
    assert violations(risks)[0] >= 0.50
