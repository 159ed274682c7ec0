"""Further policies over the same tiers, each under a name of its own, and tiers without a gate."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

from ..policies.entry import FixedEntry
from ..policies.release_gate import AtOnce
from ..policies.threshold import RungRule, ThresholdPolicy
from ..router.drive import Router
from ..router.plan import Plan
from .deciding import build_policy
from .places import Surroundings
from .settings import Settings

__all__ = ["TIER", "named_routers"]

TIER = "tier:"
"""What the name of a tier begins with where tiers are exposed."""


def named_routers(settings: Settings, around: Surroundings, router: Router) -> Mapping[str, Router]:
    """A router for each name: the same models, retriever and history, another policy.

    No certificate is told under these names: the service's monitor watches the one of the main
    policy, and a promise that nobody watches is none.

    Args:
        router: of the main policy; it closes what all of them share.

    Raises:
        ConfigurationError, BadInput: as `build_policy`; names the policy.
    """
    found: dict[str, Router] = {}
    for name, policy in settings.policies.items():
        decides = build_policy(settings.model_copy(update={"policy": policy}), around)
        profile = decides.profile
        plan = replace(
            router.plan,
            policy=decides.policy,
            assessor=decides.assessor,
            certificate=None,
            prior=None if profile is None else profile.prior,
            entry=None if profile is None else profile.entry_policy(),
            fallback=decides.fallback,
        )
        how = policy.model_dump() if profile is None else profile.fingerprint
        found[name] = _beside(router, plan, f"policy:{name}", how)
    if settings.serve.expose_tiers:
        for number, tier in enumerate(settings.tiers):
            plan = _ungated(router.plan, number)
            found[f"{TIER}{tier.name}"] = _beside(router, plan, f"{TIER}{tier.name}", None)
    return found


def _ungated(plan: Plan, tier: int) -> Plan:
    """Whatever this tier writes is served, as it is written where somebody watches, and nothing
    vouches for it; no other tier stands in."""
    names = tuple(one.name for one in plan.tiers)
    rules = tuple(
        RungRule(number, 1.0, None, (), gated=number != tier) for number in range(len(names))
    )
    return replace(
        plan,
        policy=ThresholdPolicy(rules, names),
        entry=FixedEntry(tier, names[tier]),
        prior=None,
        retrieval=None,
        certificate=None,
        prefix_gate=None,
        release_gate=AtOnce(),
    )


def _beside(router: Router, plan: Plan, policy_id: str, how: object) -> Router:
    parts = json.dumps([router.performer.fingerprint, policy_id, how], sort_keys=True)
    fingerprint = hashlib.sha256(parts.encode()).hexdigest()
    performer = router.performer.under(plan, fingerprint=fingerprint, policy_id=policy_id)
    return router.beside(plan, performer)
