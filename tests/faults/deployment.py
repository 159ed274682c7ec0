"""A deployment of endpoints as a user configures it, for faults that reach the router."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from surefoot.graphs.config import Built, build
from surefoot.graphs.places import Places, Surroundings
from surefoot.graphs.settings import parse_settings

__all__ = ["Tier", "configuration", "deployed"]

_TIER = """
[[tiers]]
name = "{name}"
model = "openai:{model}"
base_url = "{url}"
price = {{ input = 1.0, output = 2.0 }}
context = {context}
"""
_REST = """
[retrieval]
enabled = false
[history]
url = "{history}"
[policy]
thresholds = {{ {thresholds} }}
[budget]
deadline_s = {deadline_s}
[resilience]
{resilience}
"""

Tier = tuple[str, str, str]
"""Name, model and base URL."""


def configuration(
    *tiers: Tier,
    resilience: str = "",
    deadline_s: float = 5.0,
    thresholds: str | None = None,
    contexts: dict[str, int] | None = None,
    history: str = "none",
) -> str:
    """The TOML of a deployment.

    Args:
        tiers: cheapest first.
        resilience: lines of its table.
        thresholds: 0.5 for every tier where None; the scripted answers' perplexity is about .69.
        contexts: by tier name, 2048 where none is given.
    """
    known = contexts or {}
    text = "".join(
        _TIER.format(name=name, model=model, url=url, context=known.get(name, 2048))
        for name, model, url in tiers
    )
    if thresholds is None:
        thresholds = ", ".join(f"{name} = 0.5" for name, _, _ in tiers)
    return text + _REST.format(
        thresholds=thresholds, deadline_s=deadline_s, resilience=resilience, history=history
    )


@asynccontextmanager
async def deployed(folder: Path, *tiers: Tier, **how: Any) -> AsyncIterator[Built]:
    """A built deployment, closed at the end; `how` as for `configuration`."""
    around = Surroundings(folder, Places(folder / "cache", folder / "data"), {})
    built = build(parse_settings(configuration(*tiers, **how)), around)
    try:
        yield built
    finally:
        await built.router.aclose()
