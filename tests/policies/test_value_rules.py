"""Value policies in a profile: written, read back, refused, and told where to enter."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from surefoot.policies.cascade_routing import CascadeRoutingPolicy
from surefoot.policies.fit import fit_uncertified
from surefoot.policies.prices import Prices
from surefoot.policies.profile import load_profile, save_profile
from surefoot.policies.table_facts import fit_settings
from surefoot.policies.utility import UtilityPolicy
from surefoot.policies.value_rules import ValueKind, ValueRules, value_rules_data, value_rules_of
from surefoot.router.budget import Forecast
from surefoot.router.decisions import Action
from surefoot.router.errors import UsageError
from surefoot.router.protocols import Opening

from .value_situations import FLAT, NAMES, attempt, situation
from .worlds import outcome, table_of


@pytest.mark.parametrize("kind", ["utility", "cascade_routing"])
def test_rules_come_back_from_json_as_they_were(kind: ValueKind) -> None:
    rules = ValueRules(kind, FLAT, 0.25)

    assert value_rules_of(json.loads(json.dumps(value_rules_data(rules)))) == rules


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "threshold"}, "kind utility or cascade_routing"),
        ({"trade": True}, "number as trade"),
        ({"trade": -1.0}, "finite number from 0"),
        ({"trade": None}, "number as trade"),
        ({"models": None}, "no models"),
        ({"models": {"costs": 3}}, "costs"),
    ],
)
def test_other_rules_are_refused(change: dict[str, Any], words: str) -> None:
    data = value_rules_data(ValueRules("utility", FLAT))
    with pytest.raises(UsageError, match=words):
        value_rules_of({**data, **change})


def test_each_kind_runs_under_its_own_prices() -> None:
    prices = Prices(10.0, 0.1)
    utility = ValueRules("utility", FLAT).policy(prices, NAMES)
    routing = ValueRules("cascade_routing", FLAT, 0.1).policy(prices, NAMES)
    assert isinstance(utility, UtilityPolicy) and isinstance(routing, CascadeRoutingPolicy)
    unsure = situation(attempt(0.2), escalate=(), retrieve=False)

    # -10 x .8 is worse than -.1; routing has no price of an abstention.
    assert utility.decide(unsure).action is Action.ABSTAIN  # type: ignore[union-attr] # no purchase
    assert routing.decide(unsure).action is Action.ANSWER  # type: ignore[union-attr] # no purchase


def test_each_kind_enters_by_its_own_prices() -> None:
    """Large is right in .9 for 4, small in .6 for 1: worth it from a price of an error of 10."""
    tiers = tuple((tier, Forecast()) for tier in range(2))
    opening = Opening("run-1", "?", prior=None, tiers=tiers)
    routing = ValueRules("cascade_routing", FLAT, 0.2)

    for price, tier in ((9.0, 0), (11.0, 1)):
        plain = Prices(price, 100.0 * price)
        assert ValueRules("utility", FLAT).entry(plain, NAMES).enter(opening).tier == tier
        assert routing.entry(plain, NAMES).enter(opening).tier == 0


@pytest.mark.parametrize("kind", ["utility", "cascade-routing"])
def test_a_fitted_profile_is_loaded_as_it_was_saved(kind: str, tmp_path: Path) -> None:
    table = table_of(
        outcome(
            f"q{number:03}",
            tier,
            loss=float(number % 7 > 3 + 2 * tier),
            cost=1.0 + 9.0 * tier,
            signals={"s": 1.0 - (number % 7) / 7},
        )
        for number in range(120)
        for tier in range(2)
    )
    settings = replace(
        fit_settings(table, Prices(50.0, 25.0), 0),
        policy=kind,  # type: ignore[arg-type]  # a known kind
    )
    profile = fit_uncertified(table, settings, {})
    save_profile(profile, tmp_path / "profile.json")
    loaded = load_profile(tmp_path / "profile.json")

    assert loaded.values == profile.values is not None
    assert loaded.fingerprint == profile.fingerprint and loaded.kind == kind.replace("-", "_")
    moved = replace(loaded, values=replace(loaded.values, trade=0.5))  # type: ignore[type-var]
    assert moved.fingerprint != profile.fingerprint
