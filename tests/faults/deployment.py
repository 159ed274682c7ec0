"""A deployment of endpoints as a user configures it, for faults that reach the router."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from surefoot.graphs.config import Built, build
from surefoot.graphs.places import Places, Surroundings
from surefoot.graphs.settings import parse_settings

__all__ = ["deployed"]

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
url = "none"
[policy]
thresholds = {{ {thresholds} }}
[budget]
deadline_s = {deadline_s}
[resilience]
{resilience}
"""


@asynccontextmanager
async def deployed(
    folder: Path,
    *tiers: tuple[str, str, str],
    resilience: str = "",
    deadline_s: float = 5.0,
    threshold: float = 0.5,
    contexts: dict[str, int] | None = None,
    more: str = "",
) -> AsyncIterator[Built]:
    """A built deployment, closed at the end.

    Args:
        tiers: name, model and base URL of each, cheapest first.
        resilience: lines of its table.
        threshold: of every tier; the scripted answers' perplexity is about .69.
        contexts: by tier name, 2048 where none is given.
        more: further tables.
    """
    known = contexts or {}
    text = "".join(
        _TIER.format(name=name, model=model, url=url, context=known.get(name, 2048))
        for name, model, url in tiers
    )
    text += _REST.format(
        thresholds=", ".join(f"{name} = {threshold}" for name, _, _ in tiers),
        deadline_s=deadline_s,
        resilience=resilience,
    )
    around = Surroundings(folder, Places(folder / "cache", folder / "data"), {})
    built = build(parse_settings(text + more), around)
    try:
        yield built
    finally:
        await built.router.aclose()
