"""The examination behind `surefoot doctor`: every part on its own, so that one fault hides none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from ..router.errors import SurefootError
from ..router.requests import CompareKind
from .common import Choices, find_settings, show_license_notices

if TYPE_CHECKING:
    from ..graphs.config import Surroundings
    from ..graphs.settings import Settings, TierSettings
    from ..router.evidence import Generation

__all__ = ["Finding", "examine"]

_PROBE = "What is the capital of France?"
_MOST_RUNS = 1000
_COMPARE_KINDS: tuple[CompareKind, ...] = get_args(CompareKind)
_PAIRS = (("It is Paris.", "Paris is the capital."), ("It is Paris.", "It is Rome."))


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part."""

    part: str
    ok: bool
    detail: str
    numbers: Mapping[str, int] = field(default_factory=dict)


def examine(choices: Choices) -> Iterator[Finding]:
    """Examine the configuration, then every part of it, one after the other.

    Where the configuration cannot be read, that is the only finding.
    """
    from ..graphs.config import Surroundings

    try:
        settings, folder, source = find_settings(choices)
    except SurefootError as error:
        yield Finding("configuration", False, str(error))
        return
    around = Surroundings(folder)
    names = ", ".join(tier.name for tier in settings.tiers)
    yield Finding("configuration", True, f"{source}: tiers {names}")
    yield _policy(settings, around)
    yield _documents(settings, around)
    yield _history(settings, around)
    for kind in _COMPARE_KINDS:
        yield _comparer(kind, settings, around)
    yield Finding("critic", True, "none: this version has no critic")
    for index, tier in enumerate(settings.tiers):
        yield _tier(index, tier, settings, around)


def _policy(settings: Settings, around: Surroundings) -> Finding:
    from ..graphs.config import build_policy

    try:
        profile = build_policy(settings, around).profile
    except SurefootError as error:
        return Finding("profile", False, str(error))
    if profile is None:
        return Finding("profile", True, "none: bare thresholds, not calibrated, uncertified")
    date, n = profile.fitted_on.get("date"), profile.fitted_on.get("questions")
    words = f"{profile.fingerprint[:12]}, fitted on {n} questions at {date}, uncertified"
    return Finding("profile", True, words)


def _documents(settings: Settings, around: Surroundings) -> Finding:
    from ..graphs.config import build_retriever

    try:
        retriever = build_retriever(settings, around)
    except SurefootError as error:
        return Finding("documents", False, str(error))
    if retriever is None:
        return Finding("documents", True, "retrieval is switched off")
    given = settings.retrieval
    source = given.langchain or given.docs or "the standard library's documentation"
    if retriever.size is None:
        return Finding("documents", True, "; ".join([f"searched by {source}", *retriever.notes]))
    noun = "passage" if retriever.size == 1 else "passages"
    detail = "; ".join([f"{retriever.size} {noun} of {source}", *retriever.notes])
    return Finding("documents", True, detail, {"passages": retriever.size})


def _history(settings: Settings, around: Surroundings) -> Finding:
    import asyncio

    from ..adapters.histories import open_history
    from ..graphs.config import history_url

    url = history_url(settings, around)
    if url is None:
        return Finding("history", True, "none: nothing is remembered")

    async def count() -> int:
        history = open_history(url)
        try:
            return len(await history.runs("default", _MOST_RUNS))
        finally:
            await history.aclose()

    try:
        runs = asyncio.run(count())
    except SurefootError as error:
        return Finding("history", False, str(error))
    many = "1 run" if runs == 1 else f"{runs} runs" + (" or more" if runs == _MOST_RUNS else "")
    words = f"{_without_password(url)}: {many}"
    return Finding("history", True, words, {"runs": runs})


def _without_password(url: str) -> str:
    """The URL as it may be shown: a server's without user, password and options."""
    from urllib.parse import urlsplit

    if url.startswith(("sqlite:", "memory:")):
        return url
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _comparer(kind: CompareKind, settings: Settings, around: Surroundings) -> Finding:
    import time

    from ..graphs.config import build_comparer
    from ..router.comparisons import checked_values

    part = f"comparison.{kind}"
    try:
        comparer = build_comparer(settings.comparison, kind, around)
        if comparer is None:
            return Finding(part, True, f"none: signals that compare by {kind} are out")
        comparer.compare(_PAIRS[:1])  # loads the model, which is not what a pair takes
        began = time.perf_counter()
        checked_values(kind, _PAIRS[1:], comparer.compare(_PAIRS[1:]))
    except SurefootError as error:
        return Finding(part, False, str(error))
    pair_ms = round(1000.0 * (time.perf_counter() - began))
    return Finding(part, True, f"{comparer.name}: {pair_ms} ms a pair", {"pair_ms": pair_ms})


def _tier(index: int, tier: TierSettings, settings: Settings, around: Surroundings) -> Finding:
    import asyncio

    from ..graphs.config import build_model
    from ..graphs.prompter import TemplatePrompter
    from ..router.protocols import ModelCall

    part = f"tier.{tier.name}"
    prompt = TemplatePrompter((tier.style,)).prompt(0, _PROBE, (), ())
    call = ModelCall(prompt, 8, top_logprobs=settings.signals.top_logprobs, timeout_s=60.0)

    async def probe() -> Generation:
        model = build_model(tier, around)
        show_license_notices(settings.model_copy(update={"tiers": (tier,)}), around)
        try:
            return (await model.generate(call)).generations[0]
        finally:
            await model.aclose()

    try:
        generation = asyncio.run(probe())
    except SurefootError as error:
        return Finding(part, False, f"{tier.model}: {error}")
    logprobs = min((len(token.top_logprobs) for token in generation.tokens), default=0)
    known = any(token.logprob is not None for token in generation.tokens)
    words = f"{tier.model}: answers, " + (
        f"{logprobs} candidates per token" if known else "no logprobs: white-box signals are out"
    )
    return Finding(part, True, words, {"logprobs": logprobs if known else 0, "number": index})
