"""The step gate, made from its settings."""

from __future__ import annotations

from dataclasses import asdict

from ..policies.prefix_gate_file import load_prefix_gate, step_reader
from ..policies.step_gate import StepGate, StepRule
from ..router.errors import ConfigurationError
from .places import Surroundings
from .prompter import step_prompts_fingerprint
from .settings import Settings

__all__ = ["build_step_gate", "steps_data"]


def build_step_gate(
    settings: Settings, is_certified: bool, around: Surroundings
) -> StepGate | None:
    """What ends drafts at their first weak step; None where nothing does.

    Raises:
        ConfigurationError: a signal or position is unknown, or the profile is certified: what was
            certified over whole answers knows no such stop.
        ProfileMismatch: a gate was fitted on something else.
        BadInput: a gate's file cannot be read.
    """
    steps, filtered = settings.steps, settings.signals.content_filter
    if not steps.gates and not steps.thresholds:
        return None
    if is_certified:
        raise ConfigurationError(
            "steps: the profile is certified over whole answers, and its promise would not hold "
            "for drafts that are stopped; leave the section out, fit with --uncertified, or buy "
            "the same caution with the signal weakest_step, which a certificate can cover",
            field="steps",
        )
    rules: dict[int, StepRule] = {}
    for number, tier in enumerate(settings.tiers):
        if tier.name in steps.gates:
            fitted = load_prefix_gate(around.path(steps.gates[tier.name]), "steps")
            reader = fitted.reader(tier.model, content_filter=filtered)
            rules[number] = StepRule(reader, fitted.threshold)
        elif tier.name in steps.thresholds:
            try:
                reader = step_reader(steps.signal, steps.positions, content_filter=filtered)
            except ConfigurationError as error:
                field = f"steps.{'positions' if error.field == 'positions' else 'signal'}"
                raise ConfigurationError(f"{field}: {error}", field=field) from error
            rules[number] = StepRule(reader, steps.thresholds[tier.name])
    return StepGate(rules)


def steps_data(settings: Settings, around: Surroundings) -> dict[str, object]:
    """What a repeated question must agree on, of all this."""
    steps = settings.steps
    return {
        **steps.model_dump(),
        "gates": {
            name: asdict(load_prefix_gate(around.path(file), "steps"))
            for name, file in steps.gates.items()
        },
        "prompts": step_prompts_fingerprint() if steps.finish else None,
    }
