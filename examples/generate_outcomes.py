"""Make outcome tables of a world whose truth is known, to try fitting and replaying on.

    python examples/generate_outcomes.py tables
    python examples/generate_outcomes.py tables --tiers 3 --graded --seed 7

Writes `fit.jsonl` and `held_out.jsonl`, which are judged, and `traffic.jsonl`, of which nobody has
judged anything. Needs Python alone. Equal arguments write equal files.

Each question has an ease z, normal around a mean that depends on its topic. Tier k is right with
probability p_k = S(a_k + b_k z), S being the logistic function. Its free signal `confidence` is a
distorted, noisy view of p_k, as real ones are; `self_check` sees better and has a price.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Tier:
    """One model: its logits a and b, the mean price of an answer, and seconds to give it."""

    model: str
    a: float
    b: float
    price: float
    latency_s: float


TIERS = (
    Tier("small-model", 1.25, 1.5, 0.001, 0.4),
    Tier("medium-model", 2.0, 1.35, 0.004, 0.8),
    Tier("large-model", 2.9, 1.2, 0.010, 1.6),
)
TOPICS = {"billing": (0.6, 0.3), "technical": (0.3, -0.2), "legal": (0.1, -0.8)}
"""Share of the questions, and their mean ease."""

REGIONS = ("north", "south")

CHECK_PRICE = 0.2  # of `self_check`, in prices of the answer that it checks


def logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def logit(p: float) -> float:
    return math.log(p / (1.0 - p))


def signal(rng: random.Random, p: float, noise: float) -> float:
    """A view of p: too bold by a factor of 1.4 and a shift of .6, and noisy."""
    return round(logistic(1.4 * logit(p) + 0.6 + noise * rng.gauss(0.0, 1.0)), 4)


def loss(rng: random.Random, p: float, graded: bool) -> float:
    """0 or 1; graded, a beta variable of mean 1 - p."""
    if not graded:
        return float(rng.random() >= p)
    return round(rng.betavariate(6.0 * (1.0 - p) + 0.05, 6.0 * p + 0.05), 3)


def rows(
    prefix: str, n: int, tiers: tuple[Tier, ...], rng: random.Random, *, graded: bool, judged: bool
) -> Iterator[dict[str, Any]]:
    """The rows of n questions, one for each tier."""
    for number in range(n):
        query_id = f"{prefix}-{number:05}"
        (topic,) = rng.choices(list(TOPICS), [share for share, _ in TOPICS.values()])
        z = rng.gauss(TOPICS[topic][1], 1.0)
        for at, tier in enumerate(tiers):
            p = logistic(tier.a + tier.b * z)
            length = rng.uniform(0.5, 1.5)
            yield {
                "query_id": query_id,
                "question": f"{topic} question {number}",
                "group": {"topic": topic, "region": REGIONS[number % 2]},
                "tier": at,
                "tier_name": tier.model.removesuffix("-model"),
                "model": tier.model,
                "round": 0,
                "retrieved": False,
                "answer": f"what {tier.model} says to {query_id}",
                "loss": loss(rng, p, graded) if judged else None,
                "cost": round(tier.price * length, 6),
                "latency_s": round(tier.latency_s * length, 3),
                "signals": {"confidence": signal(rng, p, 0.9), "self_check": signal(rng, p, 0.5)},
                "signal_costs": {"self_check": round(CHECK_PRICE * tier.price * length, 6)},
                **({} if judged else {"audited": False}),
            }


def chosen(count: int) -> tuple[Tier, ...]:
    """So many tiers, the smallest and the largest among them."""
    return TIERS if count == 3 else (TIERS[0], TIERS[-1])


def write(path: Path, table: Iterator[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in table:
            file.write(json.dumps(row) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path, help="where the three tables are written")
    parser.add_argument("--tiers", type=int, choices=(2, 3), default=2)
    parser.add_argument("--graded", action="store_true", help="losses between 0 and 1")
    parser.add_argument("--questions", type=int, default=1000, help="in fit.jsonl")
    parser.add_argument("--held-out", type=int, default=2000)
    parser.add_argument("--traffic", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    for part, n in (
        ("fit", asked.questions),
        ("held_out", asked.held_out),
        ("traffic", asked.traffic),
    ):
        # A generator for each file, so that the length of one changes no other.
        rng = random.Random(f"{asked.seed} {part}")
        is_judged = part != "traffic"
        table = rows(part, n, chosen(asked.tiers), rng, graded=asked.graded, judged=is_judged)
        write(asked.folder / f"{part}.jsonl", table)
        print(f"{asked.folder / part}.jsonl: {n} questions, {asked.tiers} tiers")


if __name__ == "__main__":
    main()
