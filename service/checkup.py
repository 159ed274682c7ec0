"""The examination behind `surefoot doctor`: every part on its own, so that one fault hides none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, get_args

from ..adapters.public_url import public_address
from ..router.errors import SurefootError
from ..router.requests import CompareKind
from .checkup_tiers import PROBE, Finding, TierAsked, examine_tier
from .common import Choices, find_settings

if TYPE_CHECKING:
    from ..graphs.config import Surroundings
    from ..graphs.settings import Settings
    from ..router.protocols import Estimator

__all__ = ["Finding", "examine"]

_MOST_RUNS = 1000
_COMPARE_KINDS: tuple[CompareKind, ...] = get_args(CompareKind)
_PAIRS = (("It is Paris.", "Paris is the capital."), ("It is Paris.", "It is Rome."))


def examine(choices: Choices, *, thorough: bool = False) -> Iterator[Finding]:
    """Examine the configuration, then every part of it, one after the other.

    Where the configuration cannot be read, that is the only finding.

    Args:
        thorough: ask each tier for more than one short answer, to learn what it can do.
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
    yield from _gates(settings, around)
    yield _documents(settings, around)
    yield _history(settings, around)
    for kind in _COMPARE_KINDS:
        yield _comparer(kind, settings, around)
    yield _critic(settings, around)
    signals = _signals(settings)
    for index, tier in enumerate(settings.tiers):
        yield examine_tier(TierAsked(index, tier, settings, signals), around, thorough=thorough)


def _policy(settings: Settings, around: Surroundings) -> Finding:
    from ..graphs.config import build_policy

    try:
        profile = build_policy(settings, around).profile
    except SurefootError as error:
        return Finding("profile", False, str(error))
    if profile is None:
        return Finding("profile", True, "none: bare thresholds, not calibrated, uncertified")
    date, n = profile.fitted_on.get("date"), profile.fitted_on.get("questions")
    found = profile.certificate
    vouched = "uncertified" if found is None else f"certificate {found.id}"
    fingerprint = profile.fingerprint
    words = f"{fingerprint[:12]}, fitted on {n} questions at {date}, {vouched}"
    return Finding("profile", True, words, {"fingerprint": fingerprint})


def _gates(settings: Settings, around: Surroundings) -> Iterator[Finding]:
    """What judges drafts while they are written, where anything does."""
    from ..graphs.config import build_policy
    from ..graphs.live_gate import build_release_gate
    from ..graphs.stepping import build_step_gate

    steps, live = settings.steps, settings.live
    try:
        is_certified = build_policy(settings, around).certificate is not None
    except SurefootError:
        is_certified = False  # a finding of the profile
    for part, tiers, make in (
        ("steps", (*steps.gates, *steps.thresholds), build_step_gate),
        ("live", tuple(live.gates), build_release_gate),
    ):
        if not tiers:
            continue
        try:
            make(settings, is_certified, around)
        except SurefootError as error:
            yield Finding(part, False, str(error))
        else:
            yield Finding(part, True, f"drafts of {', '.join(tiers)} are judged as they come")


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

    from ..graphs.remembering import configured_history, history_url

    url = history_url(settings, around)
    if url is None:
        return Finding("history", True, "none: nothing is remembered")

    async def count() -> int:
        history = configured_history(settings, around)
        assert history is not None
        try:
            return len(await history.runs("default", _MOST_RUNS))
        finally:
            await history.aclose()

    try:
        runs = asyncio.run(count())
    except SurefootError as error:
        return Finding("history", False, str(error))
    many = "1 run" if runs == 1 else f"{runs} runs" + (" or more" if runs == _MOST_RUNS else "")
    where = url if url.startswith(("sqlite:", "memory:")) else public_address(url)
    words = f"{where}: {many}"
    return Finding("history", True, words, {"runs": runs})


def _critic(settings: Settings, around: Surroundings) -> Finding:
    import time

    from ..adapters.critics import DEFAULT_CRITIC, open_critic
    from ..router.critic.states import CriticState

    model = settings.critic.model
    if model is None:
        return Finding("critic", True, "none: signals of the critic are out")
    path = DEFAULT_CRITIC if model == DEFAULT_CRITIC else str(around.path(model))
    state = CriticState(PROBE, "Paris", "", (), 0)
    try:
        critic = open_critic(path, device=settings.critic.device)
        critic.judge((state,))  # loads what is loaded at first use
        began = time.perf_counter()
        critic.judge((state,))
    except SurefootError as error:
        return Finding("critic", False, str(error))
    ms = round(1000.0 * (time.perf_counter() - began))
    return Finding("critic", True, f"{critic.version}: {ms} ms a judgment", {"judgment_ms": ms})


def _signals(settings: Settings) -> tuple[Estimator, ...]:
    """The configured estimators, as far as their names are known."""
    from ..router.estimators.catalogue import Options, estimator

    found = []
    given = settings.signals
    for name in (*given.free, *given.buy, *given.fallback):
        try:
            found.append(estimator(name, Options(given.content_filter, given.samples)))
        except SurefootError:
            continue  # a finding of the profile, where everything that decides is built
    return tuple(found)


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
