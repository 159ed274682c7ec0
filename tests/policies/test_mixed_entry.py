"""Entering by lot."""

from __future__ import annotations

import numpy as np
import pytest

from surefoot.policies.entry import FixedEntry, PriorEntry
from surefoot.policies.mixed_entry import MixedEntry, entry_draw
from surefoot.router.budget import Forecast
from surefoot.router.protocols import Opening
from surefoot.router.risk.tie_break import tie_break
from surefoot.router.wire import decode, encode

NAMES = ("small", "large")


def opening(run_id: str, prior: tuple[float, ...] | None = None) -> Opening:
    forecast = Forecast()
    return Opening(run_id, "?", prior, ((0, forecast), (1, forecast)))


def test_the_share_enters_inside_and_the_rest_at_the_last_tier() -> None:
    entry = MixedEntry(0.3, FixedEntry(0, "small"), FixedEntry(1, "large"), 5)
    entered = [entry.enter(opening(f"r{i}")) for i in range(4000)]
    assert np.mean([one.tier == 0 for one in entered]) == pytest.approx(0.3, abs=0.025)
    for i, one in enumerate(entered[:50]):
        drawn = one.compared[0]
        assert drawn.value == entry_draw(5, f"r{i}")
        assert (drawn.relation == "<") == (one.tier == 0)
    assert entered[0] == entry.enter(opening("r0"))


def test_the_lot_is_independent_of_the_draw_among_ties() -> None:
    pairs = np.array([(entry_draw(0, f"r{i}"), tie_break(0, f"r{i}")) for i in range(3000)])
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.06


def test_a_prior_inside_decides_for_its_share() -> None:
    inside = PriorEntry(NAMES, (1.0, 10.0), 0.05)
    entry = MixedEntry(0.5, inside, FixedEntry(1, "large"))
    for i in range(40):
        one = entry.enter(opening(f"r{i}", (0.8, 0.9)))
        assert one.tier == (0 if entry_draw(0, f"r{i}") < 0.5 else 1)


def test_it_survives_the_way_to_a_file_and_back() -> None:
    for inside in (FixedEntry(0, "small"), PriorEntry(NAMES, (1.0, 10.0), 0.05, (0.0, -1.0))):
        entry = MixedEntry(0.4, inside, FixedEntry(1, "large"), 3)
        assert decode(MixedEntry, encode(entry)) == entry
