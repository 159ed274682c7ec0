"""Confidence-gated routing for LLM applications: answer, retrieve, escalate or abstain.

Names are imported when they are first used, so that `import surefoot` stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .graphs.chat_model import RouterChatModel
    from .graphs.config import Built, Surroundings, build, demo_settings
    from .graphs.configured_graph import build_graph
    from .graphs.gate_models import GateTier
    from .graphs.middleware import ConfidenceMiddleware
    from .graphs.settings import Settings, load_settings, parse_settings
    from .policies.threshold import RungRule, ThresholdPolicy
    from .policies.tool_risk import ToolRisk
    from .router.budget import Budget
    from .router.decisions import Action, Attempt, Decision, Result, Rung
    from .router.drive import Router
    from .router.errors import SurefootError
    from .router.evidence import Evidence, Generation, Passage, Token
    from .router.offers import Judgement, Offer
    from .router.perform import Session
    from .router.shared_budget import SharedBudget
    from .router.signals import Estimate, Signal, Unavailable

__all__ = [
    "Action",
    "Attempt",
    "Budget",
    "Built",
    "ConfidenceMiddleware",
    "Decision",
    "Estimate",
    "Evidence",
    "GateTier",
    "Generation",
    "Judgement",
    "Offer",
    "Passage",
    "Result",
    "Router",
    "RouterChatModel",
    "Rung",
    "RungRule",
    "Session",
    "Settings",
    "SharedBudget",
    "Signal",
    "SurefootError",
    "Surroundings",
    "ThresholdPolicy",
    "Token",
    "ToolRisk",
    "Unavailable",
    "build",
    "build_graph",
    "demo_settings",
    "load_settings",
    "parse_settings",
]

_HOMES = {
    "graphs.chat_model": ("RouterChatModel",),
    "graphs.config": ("Built", "Surroundings", "build", "demo_settings"),
    "graphs.gate_models": ("GateTier",),
    "graphs.configured_graph": ("build_graph",),
    "graphs.middleware": ("ConfidenceMiddleware",),
    "graphs.settings": ("Settings", "load_settings", "parse_settings"),
    "policies.threshold": ("RungRule", "ThresholdPolicy"),
    "policies.tool_risk": ("ToolRisk",),
    "router.budget": ("Budget",),
    "router.decisions": ("Action", "Attempt", "Decision", "Result", "Rung"),
    "router.drive": ("Router",),
    "router.errors": ("SurefootError",),
    "router.evidence": ("Evidence", "Generation", "Passage", "Token"),
    "router.offers": ("Judgement", "Offer"),
    "router.perform": ("Session",),
    "router.shared_budget": ("SharedBudget",),
    "router.signals": ("Estimate", "Signal", "Unavailable"),
}


def __getattr__(name: str) -> Any:
    import importlib

    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f".{home}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
