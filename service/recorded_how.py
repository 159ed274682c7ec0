"""What recorded rows are bound to: prompts, signal settings and the searches they went through."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..graphs.config import Built

__all__ = ["how_recorded"]


def how_recorded(deployment: Built, rounds: int = 0) -> str:
    """Fingerprint of prompts and signal settings, as a deployment with these rounds has it.

    Where the next query comes from counts from the second search on, so a recording that makes
    more searches than its configuration allows is bound like a deployment that makes as many.
    """
    from ..graphs.config import signal_fingerprint

    settings, critic = deployment.settings, deployment.critic
    if rounds > settings.budget.rounds:
        budget = settings.budget.model_copy(update={"rounds": rounds})
        settings = settings.model_copy(update={"budget": budget})
    comparers = deployment.router.performer.comparers
    return signal_fingerprint(settings, comparers, None if critic is None else critic.version)
