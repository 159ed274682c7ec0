"""The examination of one tier: whether it answers, and what it can and cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..router.errors import SurefootError
from .common import show_license_notices

if TYPE_CHECKING:
    from ..graphs.config import Surroundings
    from ..graphs.settings import Settings, TierSettings
    from ..router.capabilities import Capabilities
    from ..router.protocols import Estimator

__all__ = ["PROBE", "Finding", "TierAsked", "examine_tier"]

PROBE = "What is the capital of France?"
_CALLER = "caller:"
_OPENAI = "openai:"


Facts = Mapping[str, int | str | bool]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part; `facts` are further keys of the JSON document."""

    part: str
    ok: bool
    detail: str
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TierAsked:
    """A tier with what is configured around it.

    Attributes:
        signals: that are to be read of its answers.
    """

    number: int
    tier: TierSettings
    settings: Settings
    signals: tuple[Estimator, ...]


def examine_tier(asked: TierAsked, around: Surroundings, *, thorough: bool = False) -> Finding:
    """Ask the tier for one short answer, and tell what it can do.

    Args:
        thorough: ask again, for as many candidates as there are and for two samples.
    """
    import asyncio

    tier = asked.tier
    part = f"tier.{tier.name}"
    facts: Facts = {"number": asked.number, "price_known": tier.price != "unknown"}
    if tier.model.startswith(_CALLER):
        detail = f"{tier.model}: its answers come from the application; {_price(tier)}"
        return Finding(part, True, detail, {**facts, "logprobs": 0})
    try:
        can = asyncio.run(_asked(asked, around, thorough))
    except SurefootError as error:
        return Finding(part, False, f"{tier.model}: {error}", facts)
    words = [f"{tier.model}: answers, {can.in_words()}", _price(tier), *can.notes]
    words += _context(tier, can)
    lost = _lost(asked, can)
    if lost:
        words += _words_for(lost, asked)
        out_of_reach = ",".join(name for _, names in lost for name in names)
        facts = {**facts, "out_of_reach": out_of_reach}
    return Finding(part, True, "; ".join(words), {**_facts(can), **facts})


async def _asked(asked: TierAsked, around: Surroundings, thorough: bool) -> Capabilities:
    from ..adapters.capabilities import probe
    from ..graphs.prompter import TemplatePrompter
    from ..graphs.tiers import api_key, build_model, known_of

    tier, settings = asked.tier, asked.settings
    prompt = TemplatePrompter((tier.style,)).prompt(0, PROBE, (), ())
    model = build_model(tier, around)
    show_license_notices(settings.model_copy(update={"tiers": (tier,)}), around)
    try:
        await probe(model, prompt, top_logprobs=settings.signals.top_logprobs, thorough=thorough)
        found = known_of(model)
    finally:
        await model.aclose()
    if tier.model.startswith(_OPENAI) and tier.base_url is not None:
        from ..adapters.capabilities_endpoint import endpoint_facts

        name = tier.model.removeprefix(_OPENAI)
        found = found.updated(await endpoint_facts(tier.base_url, name, api_key(tier, around)))
    return found


def _facts(can: Capabilities) -> Facts:
    """What is known, by the names of the JSON document; candidates per token are `logprobs`."""
    known = {
        "n": can.n,
        "hidden": can.hidden,
        "streaming": can.streaming,
        "context": can.context,
        "tools": can.tools,
    }
    found = {name: value for name, value in known.items() if value is not None}
    return {"logprobs": (can.top_logprobs or 0) if can.logprobs else 0, **found}


def _price(tier: TierSettings) -> str:
    if tier.price == "unknown":
        return "price unknown: money budgets are off"
    if not tier.price.input and not tier.price.output:
        return "free of charge"
    return f"{tier.price.input:g} in, {tier.price.output:g} out {tier.price.unit}"


def _context(tier: TierSettings, can: Capabilities) -> list[str]:
    if can.context is None or can.context >= tier.context:
        return []
    return [f"context = {tier.context} is configured, which is more than it takes"]


def _lost(asked: TierAsked, can: Capabilities) -> tuple[tuple[str, tuple[str, ...]], ...]:
    from ..router.capabilities import out_of_reach

    return out_of_reach(asked.signals, can)


def _words_for(lost: tuple[tuple[str, tuple[str, ...]], ...], asked: TierAsked) -> list[str]:
    """What is out of reach, and what is left to judge the tier's answers by."""
    words = [f"{why}: {', '.join(names)} cannot be read" for why, names in lost]
    gone = {name for _, names in lost for name in names}
    given = asked.settings.signals
    within = [one.name for one in asked.signals if one.name not in gone]
    stand_ins = [name for name in given.fallback if name in within]
    if not any(name not in given.fallback for name in within) and not given.given:
        words.append(
            f"{', '.join(stand_ins)} stands in"
            if stand_ins
            else "nothing stands in, so that none of its answers is served for being sure; name "
            "signals.fallback"
        )
    return words
