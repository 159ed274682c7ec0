"""The policies that Surefoot ships, under the suite for all of them."""

from __future__ import annotations

import pytest

from surefoot.policies.threshold import BuyBand, RungRule, ThresholdPolicy
from surefoot.router.decisions import Action
from surefoot.router.protocols import Policy

from .policy_suite import PolicyContract

NAMES = ("small", "large")


class TestThresholdPolicy(PolicyContract):
    @pytest.fixture
    def policy(self) -> Policy:
        return ThresholdPolicy((RungRule(0, 0.7), RungRule(1, 0.5)), NAMES)


class TestThresholdPolicyWithPurchasesAndAFloor(PolicyContract):
    @pytest.fixture
    def policy(self) -> Policy:
        band = (BuyBand("votes", 0.3, 0.9),)
        rules = (
            RungRule(0, 0.8, False, (Action.ESCALATE, Action.RETRIEVE), band),
            RungRule(0, 0.6, True, (), band),
            RungRule(1, 0.0, None, (Action.RETRIEVE,)),
        )
        return ThresholdPolicy(rules, NAMES, floor=0.3)
