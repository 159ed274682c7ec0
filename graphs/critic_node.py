"""The critic as a node of other people's graphs, and the edge that its verdict takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from ..router.critic.critics import Critic, CriticService
from ..router.critic.states import CriticState
from ..router.evidence import CriticVerdict
from .critic_asking import CriticAsker, checked_threshold
from .critic_reading import Read, StateReader

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableLambda

__all__ = ["VerdictState", "Write", "critic_edge", "critic_node"]


class VerdictState(TypedDict):
    """What the node writes: plain JSON values.

    Attributes:
        p_accept: probability that the answer is right; None where there is no answer, or of a
            critic that judges the passages alone.
        p_sufficient: probability that the documents suffice to answer the question.
        gap: what they lack, in words; None where the critic cannot say.
        version: of the critic.
        verdict: `accept` from the threshold on, else `refuse`.
    """

    p_accept: float | None
    p_sufficient: float
    gap: str | None
    version: str
    verdict: Literal["accept", "refuse"]


Write = Callable[[VerdictState], Mapping[str, Any]]
"""From a verdict to the update of the graph's state."""


def critic_node(
    critic: Critic | CriticService,
    *,
    threshold: float,
    read: Read | None = None,
    write: Write | None = None,
) -> RunnableLambda[Any, dict[str, Any]]:
    """A node that has the critic judge the answer in a graph's state.

    `invoke`, `ainvoke`, `batch` and `abatch` run the same step, and states that are judged at the
    same time share a batch. Give a `BatchingCritic` to set its size, window and deadline, and to
    share it with other nodes.

    A state that cannot be read (UsageError) and a critic that fails (RunError) raise, so nothing is
    written and the graph's own retry policy and error handler apply.

    Args:
        threshold: `p_accept` from which an answer is accepted, in [0, 1]. It is not calibrated for
            your graph: probabilities hold for the models, documents and questions that the critic
            was trained on. Choose it on recorded states of your own, by `surefoot critic eval`.
        read: from your state to what is judged; a `StateReader` that knows the usual keys by
            default.
        write: from the verdict to the update; `{"critic": verdict}` by default.

    Raises:
        ConfigurationError: the threshold is no number in [0, 1].
    """
    from langchain_core.runnables import RunnableLambda

    asker = CriticAsker(critic, StateReader() if read is None else read)
    least = checked_threshold(threshold)
    update: Write = _under_critic if write is None else write

    def judge(state: Any) -> dict[str, Any]:
        return dict(update(_written(*asker.judge_sync(state), least)))

    async def ajudge(state: Any) -> dict[str, Any]:
        return dict(update(_written(*await asker.judge(state), least)))

    return RunnableLambda(judge, ajudge, name="critic")


def critic_edge(
    threshold: float | None = None, *, accept: str, refuse: str, key: str = "critic"
) -> Callable[[Any], str]:
    """A path for `add_conditional_edges`: `accept` for an accepted answer, else `refuse`.

    Whatever is no verdict is a refusal: none was written, it was cleared, or it is damaged.
    A verdict stays in the state until another is written. In a graph with rounds, let the node that
    writes an answer write `{"critic": None}` with it, and no answer is served on the verdict of the
    one before.

    Args:
        threshold: accept from this `p_accept` on, in [0, 1], whatever the node's own threshold
            said; None goes by the verdict as the node wrote it. No more calibrated than the node's.
        accept: name of the node for accepted answers, or END.
        refuse: name of the node for all others, or END.
        key: where the verdict is in the state.

    Raises:
        ConfigurationError: the threshold is no number in [0, 1].
    """
    least = None if threshold is None else checked_threshold(threshold)

    def edge(state: Any) -> str:
        found = state.get(key) if isinstance(state, Mapping) else getattr(state, key, None)
        return accept if _is_accepted(found, least) else refuse

    # Where the edge can lead, so that LangGraph checks the names and draws no other arrows.
    edge.__annotations__["return"] = Literal[accept, refuse]
    return edge


def _under_critic(verdict: VerdictState) -> dict[str, Any]:
    return {"critic": verdict}


def _written(state: CriticState, found: CriticVerdict, least: float) -> VerdictState:
    p = None if found.p_accept is None or not state.answer.strip() else float(found.p_accept)
    return VerdictState(
        p_accept=p,
        p_sufficient=float(found.p_sufficient),
        gap=found.gap,
        version=found.version,
        verdict="accept" if p is not None and p >= least else "refuse",
    )


def _is_accepted(found: object, least: float | None) -> bool:
    if not isinstance(found, Mapping):
        return False
    p = found.get("p_accept")
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0.0 <= p <= 1.0:
        return False
    return found.get("verdict") == "accept" if least is None else p >= least
