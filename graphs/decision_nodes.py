"""Nodes of other people's graphs: how sure an answer is, what the policy would do, where to go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ..router.decisions import Action
from ..router.drive import Router
from ..router.estimators.catalogue import estimator
from ..router.offers import Judgement, Offer
from ..router.reading import read_signals
from ..router.signals import Estimate, Reading, Signal
from .draft_reading import DraftReader
from .sync_door import SyncDoor

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableLambda

__all__ = ["assess_node", "decide_edge", "decide_node"]

ReadDraft = Callable[[Any, Sequence[str]], Offer]
"""From a state and the tiers' names to a draft."""


def assess_node(
    signals: Sequence[str] = ("perplexity",),
    *,
    read: ReadDraft | None = None,
    key: str = "assessment",
) -> RunnableLambda[Any, dict[str, Any]]:
    """A node that reads signals of the answer in a graph's state; no deployment is needed.

    It writes `{key: {"confidence", "signal", "signals"}}`, plain JSON values: the first signal that
    can be read is the confidence (uncalibrated, in [0, 1]; None where none can), and each signal is
    `{"value", "raw", "direction"}` or `{"unavailable": why}`.

    Args:
        signals: of the catalogue, the preferred one first; what they need must be in the state.
        read: from your state to a draft; a `DraftReader` that knows the usual keys by default.

    Raises:
        ConfigurationError: a signal is unknown; suggests the nearest.
    """
    from langchain_core.runnables import RunnableLambda

    estimators = tuple(estimator(name) for name in signals)
    reader = DraftReader() if read is None else read

    def assess(state: Any) -> dict[str, Any]:
        (found,) = read_signals(estimators, [reader(state, ()).evidence])
        first = next((name for name in found if isinstance(found[name], Signal)), None)
        told = {name: _reading(one) for name, one in found.items()}
        confidence = None if first is None else told[first]["value"]
        return {key: {"confidence": confidence, "signal": first, "signals": told}}

    return RunnableLambda(assess, name="assess")


def decide_node(
    router: Router,
    names: Sequence[str] = (),
    *,
    read: ReadDraft | None = None,
    key: str = "decision",
) -> RunnableLambda[Any, dict[str, Any]]:
    """A node that says what the router's policy would do with the answer in a graph's state.

    Nothing is generated, searched for or recorded: acting on it is the graph's. The critic and
    comparisons run where the deployment has them. It writes `{key: {"action", "confidence",
    "reason", "escalate_to", "gated", "certificate", "signals", "degraded"}}`, plain JSON values.

    Args:
        router: of a built deployment, whose tiers may be `caller:NAME`, judged and never asked.
        names: of its tiers (`Built.names`); numbers stand for them otherwise.
        read: from your state to a draft; a `DraftReader` that knows the usual keys by default.
    """
    from langchain_core.runnables import RunnableLambda

    reader = DraftReader() if read is None else read
    door = SyncDoor()

    async def adecide(state: Any) -> dict[str, Any]:
        return {key: _decision(await router.judge(reader(state, names)), names)}

    def decide(state: Any) -> dict[str, Any]:
        return door.call(adecide(state))

    return RunnableLambda(decide, adecide, name="decide")


def decide_edge(
    *, answer: str, retrieve: str, escalate: str, abstain: str, key: str = "decision"
) -> Callable[[Any], str]:
    """A path for `add_conditional_edges`, by the action that `decide_node` wrote.

    Whatever is no decision leads to `abstain`: none was written, it was cleared, or it is damaged.
    A decision stays in the state until another is written: let the node that drafts clear it.

    Args:
        answer, retrieve, escalate, abstain: names of nodes, or END.
        key: where the decision is in the state.
    """
    where = {
        Action.ANSWER.value: answer,
        Action.RETRIEVE.value: retrieve,
        Action.ESCALATE.value: escalate,
    }

    def edge(state: Any) -> str:
        found = state.get(key) if isinstance(state, Mapping) else getattr(state, key, None)
        action = found.get("action") if isinstance(found, Mapping) else None
        return where.get(action, abstain) if isinstance(action, str) else abstain

    # Where the edge can lead, so that LangGraph checks the names and draws no other arrows.
    edge.__annotations__["return"] = Literal[answer, retrieve, escalate, abstain]
    return edge


def _decision(judged: Judgement, names: Sequence[str]) -> dict[str, Any]:
    target = judged.escalate_to
    estimate = judged.estimate
    return {
        "action": judged.action.value,
        "confidence": judged.confidence,
        "calibrated": isinstance(estimate, Estimate) and estimate.calibrated,
        "reason": judged.reason,
        "escalate_to": names[target] if target is not None and target < len(names) else target,
        "gated": judged.gated,
        "certificate": judged.certificate,
        "signals": {name: _reading(one) for name, one in judged.signals.items()},
        "degraded": list(judged.degraded),
    }


def _reading(reading: Reading) -> dict[str, Any]:
    if isinstance(reading, Signal):
        return {"value": reading.value, "raw": reading.raw, "direction": reading.direction}
    return {"unavailable": reading.reason}
