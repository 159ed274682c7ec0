"""What a way of routing saves beyond a random mix of equal quality."""

from __future__ import annotations

import random

import numpy as np
import pytest

from surefoot.policies.paths import RungScores
from surefoot.policies.policy_families import GateFamilies, PriorRouting, united
from surefoot.policies.worth import Ends, Worth, best_worth, difference, worths

from .pairs import Questions, pair_table, questions, stored_table
from .worlds import outcome, sigmoid, table_of


def both_signals(n: int, *, price: float, seed: int = 0, free_noise: float = 2.5) -> Questions:
    """A free look at the small tier's chance, and a sharper one that costs `price`."""
    rng = random.Random(seed)
    rows = []
    for number in range(n):
        z = rng.gauss(0.0, 2.0)
        right = rng.random() < sigmoid(0.3 + z)
        free = sigmoid(z + rng.gauss(0.0, free_noise))
        sharp = sigmoid(1.5 * z + rng.gauss(0.0, 0.3))
        for tier in range(2):
            rows.append(
                outcome(
                    f"q{number:04}",
                    tier,
                    loss=float(not right) if tier == 0 else float(rng.random() < 0.05),
                    cost=1.0 if tier == 0 else 20.0,
                    signals={"free": free, "sharp": sharp},
                    signal_costs={"sharp": price},
                )
            )
    asked = questions(table_of(rows), "free")
    sharp_column = asked.ladders.signals["sharp"]
    scores = RungScores(
        asked.ladders.signals["free"],
        sharp_column,
        asked.ladders.prices["sharp"],
        ("sharp",) * 2,
        (None,) * 2,
    )
    return Questions(asked.ladders, scores, asked.u)


def ends(asked: Questions) -> Ends:
    return Ends(asked.first, asked.last)


def of(found: tuple[Worth, ...], purchase: str) -> Worth:
    return next(one for one in found if one.family == "gate" and one.purchase == purchase)


def test_a_mix_is_worth_nothing_and_an_oracle_what_it_saves() -> None:
    """The score tells the half that is right from the half that has to go on."""
    asked = questions(
        table_of(
            outcome(
                f"q{n:03}",
                t,
                loss=float(t == 0 and n % 2),
                cost=1.0 + 8.0 * t,
                signals={"s": 0.2 if n % 2 else 0.8},
            )
            for n in range(200)
            for t in range(2)
        ),
        "s",
    )
    found = worths(asked.gates(), ends(asked))
    gate, single = (best_worth(found, name) for name in ("gate", "one tier"))
    assert single is not None and single.saved == pytest.approx(0.0, abs=1e-9)
    # Every question right for 1 + 9 / 2 = 5.5, where the mix pays 9; cuts are 4 % apart.
    assert gate is not None and gate.saved == pytest.approx(3.5, abs=0.25)
    assert gate.of_last == pytest.approx(gate.saved / 9.0)
    assert gate.deferred == pytest.approx(0.5, abs=0.04)
    assert found[0] is gate and best_worth(found) is gate


@pytest.mark.parametrize(("price", "best"), [(0.05, "always"), (3.0, "nothing")])
def test_a_signal_is_worth_buying_up_to_its_price(price: float, best: str) -> None:
    asked = both_signals(800, price=price)
    found = worths(asked.gates(), ends(asked))
    kinds = {one.purchase: one.saved for one in found if one.family == "gate"}
    assert set(kinds) == {"nothing", "always", "in a band"}
    if best == "always":
        saved, interval = difference(ends(asked), of(found, "always"), of(found, "nothing"))
        assert saved > 0.0 and interval is not None and interval[0] > 0.0
    else:
        assert kinds["nothing"] > kinds["always"]


def test_a_band_pays_the_price_where_it_may_change_the_mind() -> None:
    asked = both_signals(1500, price=1.2, free_noise=0.8)
    found = worths(asked.gates(), ends(asked))
    band = of(found, "in a band")
    assert band.band is not None and 0.0 <= band.band[0] < band.band[1] < 1.0
    assert band.saved > of(found, "always").saved
    assert of(found, "nothing").band is None


def test_there_is_no_mix_to_beat_where_the_last_tier_is_no_better() -> None:
    asked = questions(
        table_of(outcome(f"q{n}", t, loss=0.0, cost=1.0 + t) for n in range(30) for t in range(2)),
        "s",
    )
    assert worths(asked.gates(), ends(asked)) == ()


def test_stored_pairs_gate_where_it_pays_and_not_where_the_signal_eats_the_saving() -> None:
    for small, large, pays in ((2, 4, True), (2, 3, False)):
        asked = questions(
            pair_table(stored_table("triviaqa", "train"), small, large), "self_verify"
        )
        gate = best_worth(worths(asked.gates(), ends(asked)), "gate")
        assert gate is not None and gate.interval is not None and gate.purchase == "always"
        assert (gate.interval[0] > 0.0) if pays else (gate.interval[1] < 0.0)


def test_a_noisy_prior_is_worth_nothing() -> None:
    asked = questions(pair_table(stored_table("mmlu", "train"), 1, 4), "answer_prob")
    prior = np.random.default_rng(0).uniform(0.3, 0.9, asked.ladders.loss.shape)
    families = united(
        GateFamilies(asked.ladders, asked.scores, asked.u, seed=0, prior=prior),
        PriorRouting(asked.ladders, prior),
    )
    found = worths(families, ends(asked))
    routed, both, gate = (best_worth(found, name) for name in ("prior", "prior and gate", "gate"))
    assert routed is not None and both is not None and gate is not None
    assert routed.saved < gate.saved
    assert routed.interval is not None and routed.interval[0] < 0.0
