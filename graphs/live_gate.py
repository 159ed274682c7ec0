"""The gate that lets drafts be shown while they are written, made from its settings."""

from __future__ import annotations

from dataclasses import asdict

from ..policies.prefix_gate_file import load_prefix_gate
from ..policies.release_gate import ReleaseGate, ReleaseRule
from ..router.errors import ConfigurationError
from .places import Surroundings
from .settings import Settings

__all__ = ["build_release_gate", "live_data"]


def build_release_gate(
    settings: Settings, is_certified: bool, around: Surroundings
) -> ReleaseGate | None:
    """What lets drafts be shown while they are written; None where nothing does.

    Raises:
        ConfigurationError: the profile is certified: what it promises of answers that passed its
            gate does not hold of the rest once some are answered with before they reach it.
        ProfileMismatch: a gate was fitted on something else.
        BadInput: a gate's file cannot be read.
    """
    filtered, rules = settings.signals.content_filter, dict[int, ReleaseRule]()
    if settings.live.gates and is_certified:
        raise ConfigurationError(
            "live: the profile is certified over whole answers, and its promise would not hold "
            "beside answers that are shown before they are whole; leave the section out, or fit "
            "the profile with --uncertified",
            field="live",
        )
    for number, tier in enumerate(settings.tiers):
        if tier.name in settings.live.gates:
            fitted = load_prefix_gate(around.path(settings.live.gates[tier.name]), "live")
            reader = fitted.reader(tier.model, content_filter=filtered)
            rules[number] = ReleaseRule(reader, fitted.threshold, bool(fitted.retrieved))
    return ReleaseGate(rules) if rules else None


def live_data(settings: Settings, around: Surroundings) -> dict[str, object]:
    """What a repeated question must agree on, of all this."""
    return {
        name: asdict(load_prefix_gate(around.path(file), "live"))
        for name, file in settings.live.gates.items()
    }
