"""What fault tests of tiers share: a protected endpoint, and a router over several of them."""

from __future__ import annotations

from collections import Counter

from surefoot.adapters.model_openai import OpenAIModel
from surefoot.adapters.resilient_model import Resilience, resilient
from surefoot.router.protocols import Message, Model, ModelCall, Prompt

__all__ = ["asking", "endpoint"]


def asking(words: str = "Which city?", timeout_s: float | None = 5.0) -> ModelCall:
    """A call of a chat endpoint."""
    return ModelCall(Prompt(messages=(Message("user", words),)), timeout_s=timeout_s)


def endpoint(
    base_url: str,
    model: str,
    counts: Counter[str] | None = None,
    settings: Resilience | None = None,
    name: str = "small",
) -> Model:
    """A tier over HTTP, protected as a deployment's is."""
    counted = Counter[str]() if counts is None else counts
    return resilient(OpenAIModel(base_url, model), name, settings or Resilience(), counted)
