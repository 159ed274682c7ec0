"""The signals that stand in for others, made from their settings."""

from __future__ import annotations

from collections.abc import Mapping

from ..policies.profile import Profile
from ..policies.threshold import RungRule, ThresholdPolicy
from ..router.errors import ConfigurationError
from ..router.protocols import Policy

__all__ = ["check_stand_ins", "own_policies"]


def own_policies(
    bounds: Mapping[str, float | Mapping[str, float]], tiers: tuple[str, ...]
) -> Mapping[str, Policy]:
    """By signal the thresholds that its bare values are held against.

    Without a floor: what is better than no answer was said of another signal.
    """
    found: dict[str, Policy] = {}
    for name, given in bounds.items():
        by_tier = given if isinstance(given, Mapping) else dict.fromkeys(tiers, given)
        rules = tuple(RungRule(number, by_tier[tier]) for number, tier in enumerate(tiers))
        found[name] = ThresholdPolicy(rules, tiers)
    return found


def check_stand_ins(profile: Profile, names: tuple[str, ...]) -> None:
    """Refuse signals to stand in whose values the profile cannot turn into a probability.

    Raises:
        ConfigurationError: names the signal and the rung.
    """
    if profile.certificate is not None or any(rung.score is not None for rung in profile.rungs):
        raise ConfigurationError(
            "signals.fallback: the profile promises an error rate for the signals that it was "
            "certified on, and for no others; remove the fallback, or fit one `--uncertified`",
            field="signals.fallback",
        )
    for rung in profile.rungs:
        calibrated = {fitted.name for fitted in rung.calibrators}
        lacking = [name for name in names if name not in calibrated]
        if rung.gated and lacking:
            seen = "with" if rung.retrieved else "without"
            raise ConfigurationError(
                f"signals.fallback: the profile has no calibrator for '{lacking[0]}' on tier "
                f"'{profile.names[rung.tier]}' {seen} passages; record with this configuration and "
                "fit again, or remove it",
                field="signals.fallback",
            )
