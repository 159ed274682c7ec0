"""How often certified promises are broken, and what they cover, in worlds with a known truth.

    python benchmarks/certified_worlds.py [TRIALS]

One gate over two tiers, 0/1 and graded losses, without and with unlabeled traffic, adversarial
scores; three tiers with abstention. alpha = delta = 0.1. The rows that must fail (naive thresholds)
are in the tests: tests/policies/test_certifying.py and tests/router/risk.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path as FilePath

import numpy as np

sys.path.insert(0, str(FilePath(__file__).parents[1]))

from surefoot.policies.path_search import candidate_paths
from tests.policies.simulated_worlds import adversarial, world_a, world_a_graded, world_b
from tests.policies.test_certifying import (
    BIG,
    GRADED,
    SELECTIVE,
    gate_trial,
    path_trial,
    violations,
)


def main() -> None:
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(
        f"{trials} trials a row; violation: true risk above .10; s.e. of the violation in brackets"
    )
    began = time.process_time()
    for name, world, target in (
        ("two tiers, 0/1", world_a, SELECTIVE),
        ("two tiers, graded", world_a_graded, GRADED),
        ("non-monotone error", adversarial("non-monotone"), SELECTIVE),
        ("four tied scores", adversarial("ties"), SELECTIVE),
        ("two clumps", adversarial("clumps"), SELECTIVE),
    ):
        truth = world(BIG, np.random.default_rng(99))
        for traffic in (False, True):
            for n in (200, 500, 2000):
                found = [
                    gate_trial(world, n, seed, truth, target, with_traffic=traffic)
                    for seed in range(trials)
                ]
                broken, error = violations([risk for _, risk in found])
                covered = np.array([coverage for coverage, _ in found])
                print(
                    f"{name:20} {'traffic' if traffic else 'own scores':10} n {n:5}  coverage "
                    f"{covered.mean():.3f}  nothing {np.mean(covered == 0):.3f}  violation "
                    f"{broken:.3f} ({error:.3f})",
                    flush=True,
                )
    truth = world_b(BIG, np.random.default_rng(99))
    for n in (500, 2000):
        some = max(20, trials * 3 // 10)
        runs = [path_trial(n, seed, truth, candidate_paths(3, 0)) for seed in range(some)]
        broken, error = violations([risk for _, risk in runs])
        price = np.array([objective for objective, _ in runs])
        print(
            f"three tiers, 60 per abstention, n {n:5}, {some} trials: objective {price.mean():.1f} "
            f"+- {price.std() / some**0.5:.1f}  nothing {np.mean(price == 91.0):.3f}  violation "
            f"{broken:.3f} ({error:.3f})",
            flush=True,
        )
    print(f"{time.process_time() - began:.0f} s CPU")


if __name__ == "__main__":
    main()
