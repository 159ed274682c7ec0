"""The gate as middleware of LangChain agents: `create_agent(..., middleware=[gate])`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NotRequired

from langgraph.errors import GraphBubbleUp
from langgraph.types import interrupt

from ..policies.profile import Profile
from ..policies.tool_risk import ToolRisk
from ..router.budget import Budget, Price
from ..router.critic.critics import CriticService
from ..router.errors import ConfigurationError, DeadlineExceeded, MissingExtra
from ..router.evidence import FinishReason
from ..router.perform import Session
from ..router.protocols import Comparer, History, Policy
from ..router.requests import CompareKind, Record, Reply
from ..router.shared_budget import SharedBudget
from .gate_building import GateManner, GateParts, GatePolicy, GateSignals, build_gate
from .gate_human import ask_person, is_abstention
from .gate_models import GateTier
from .gate_plan import GateMode, Thresholds
from .gate_run import GateRun, GateStep, Perform, Raised
from .gate_state import GateDecision, session_of
from .sync_door import SyncDoor

try:
    from langchain.agents.middleware import AgentMiddleware, AgentState, hook_config
except ImportError as error:
    raise MissingExtra("langchain", "agents") from error

__all__ = ["ConfidenceMiddleware", "GateState"]

# Without it an agent that wants a structured answer asks for one again and again.
_END = {"jump_to": "end"}

ABSTAINED = "I am not sure enough of any answer to give one."


class GateState(AgentState[Any]):
    """An agent's state with the gate's last decision."""

    gate: NotRequired[GateDecision]


class ConfidenceMiddleware(AgentMiddleware[GateState, Any, Any]):
    """Gates the calls of an agent's model: answer, retrieve, escalate or abstain.

    The agent's own model is the first tier. A draft of which it is not sure enough is thrown away:
    the same request goes to the model again with passages that were found, or to the next tier,
    with tools, response format and tool choice as they were. Where nothing is left, the agent says
    that it abstains. What was decided is in the state, under `gate` (a `GateDecision`).

    A call of a tool passes, unless its risk is declared; then the model must be sure of the
    arguments, or a further tier is asked, and at last a person, by an `interrupt`, for which the
    agent needs a checkpointer. The answer to it has the form that LangChain's human-in-the-loop
    middleware has. Structured answers are judged by their least sure field.

    Confidence is read from the logprobs of the answer's tokens. A model that reports none gives no
    estimate, and its drafts are taken for unsure ones.

    Drafts are kept out of token streams until one is accepted; the accepted one is then streamed as
    one message. `astream_events` is a trace and shows all calls.

    Args:
        threshold: how sure a draft must be, in [0, 1]: one for all tiers, or by tier name, the
            agent's own model being `agent`. It is compared with the first signal as it is; such
            numbers are no probabilities.
        escalate_to: further models, cheapest first: chat models, names for `init_chat_model`, or
            `GateTier`s with price and name.
        profile: instead of thresholds: a file as `surefoot fit` writes it, or one loaded.
        floor: where nothing is left to try, serve the best draft that is at least so sure.
        tools: tools whose calls are risky.
        retriever: any LangChain retriever, runnable or function of the query; or a `Retriever`.
        signals: estimators, the preferred one first; `buy` names those that cost calls, which only
            a profile's or a caller's own policy asks for.
        mode: `observe` decides and records, and changes nothing of what the agent gets.
        history: where runs are recorded: a URL (`sqlite:///gate.db`) or a history.
        on_decision: called with each decision.
        abstain: what the agent says where the gate abstains, or a function of the decision.
        policy: decides instead of thresholds or a profile.
        price: of the agent's own model, per token.
        budget: limits of one call of the agent's model with everything that the gate adds to it.
        shared: limits of all calls together, also of other agents' gates that have the same.
            In sync agents the deadline is checked between calls only.
        unmarked: how an answer ended that does not say so; None takes it for one that broke off.
        top_logprobs: candidates per token to ask models for; what the signals read where None.
        session: tenant, thread and user of recorded runs; the thread is the agent's own where none
            is given.
        conversation_limit: wrong answers to expect in one thread at most, by the confidences of
            its answers; beyond it a further tier is asked, or the gate abstains.

    Raises:
        ConfigurationError: names the argument that is wrong.
        MissingExtra: langchain is not installed.
    """

    state_schema = GateState

    def __init__(
        self,
        *,
        threshold: Thresholds | None = None,
        escalate_to: Sequence[Any] = (),
        profile: Profile | str | Path | None = None,
        floor: float | None = None,
        tools: Sequence[ToolRisk] = (),
        retriever: object | None = None,
        rounds: int = 1,
        k: int = 3,
        signals: Sequence[str] = ("perplexity",),
        buy: Sequence[str] = (),
        mode: GateMode = "gate",
        history: History | str | None = None,
        on_decision: Callable[[GateDecision], None] | None = None,
        abstain: str | Callable[[GateDecision], str] = ABSTAINED,
        policy: Policy | None = None,
        price: Price | None = None,
        budget: Budget | None = None,
        shared: SharedBudget | None = None,
        critic: CriticService | None = None,
        comparers: Mapping[CompareKind, Comparer] | None = None,
        unmarked: FinishReason | None = None,
        top_logprobs: int | None = None,
        temperature: float = 1.0,
        session: Session | None = None,
        conversation_limit: float | None = None,
    ) -> None:
        super().__init__()
        if mode == "observe" and history is None and on_decision is None:
            raise ConfigurationError(
                "observing needs somewhere to tell: history='sqlite:///gate.db' or on_decision",
                field="history",
            )
        self._door = SyncDoor()
        self._shared = shared
        self._gate = build_gate(
            GateTier(None, "agent", price),
            escalate_to,
            GatePolicy(threshold, profile, floor, policy),
            GateSignals(tuple(signals), tuple(buy), tuple(tools), top_logprobs, temperature),
            GateParts(retriever, k, history, critic, comparers),
            GateManner(
                mode, abstain, on_decision, unmarked, session or Session(), conversation_limit
            ),
            budget or Budget(max_rounds=rounds),
        )

    # --- what create_agent calls ---------------------------------------------------------------

    def wrap_model_call(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        """Gate one call of the agent's model."""
        with closing(self._steps(request)) as steps:
            try:
                step = next(steps)
                while True:
                    step = steps.send(self._done(step, handler))
            except StopIteration as stop:
                return stop.value

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """The same for agents that await."""
        with closing(self._steps(request)) as steps:
            try:
                step = next(steps)
                while True:
                    step = steps.send(await self._adone(step, handler))
            except StopIteration as stop:
                return stop.value

    @hook_config(can_jump_to=["end"])
    def after_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """Ask a person where a risky call is unsure; end the agent's run on an abstention."""
        return _END if is_abstention(state) else ask_person(state, interrupt)

    @hook_config(can_jump_to=["end"])
    async def aafter_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """The same for agents that await."""
        return self.after_model(state, runtime)

    async def aclose(self) -> None:
        """Close history and critic."""
        await self._gate.performer.aclose()

    def close(self) -> None:
        """`aclose` for callers without an event loop."""
        self._door.call(self.aclose())
        self._door.close()

    # --- performing ----------------------------------------------------------------------------

    def _steps(self, request: Any) -> Any:
        if self._shared is None:
            return self._stepped(GateRun(self._gate, request))
        return self._within_shared(self._shared, request)

    def _stepped(self, run: GateRun) -> Any:
        return run.gated() if self._gate.mode == "gate" else run.observed()

    def _within_shared(self, shared: SharedBudget, request: Any) -> Generator[GateStep, Any, Any]:
        with shared.lend(self._gate.plan.budget) as loan:
            run = GateRun(self._gate, request, budget=loan.budget)
            try:
                return (yield from self._stepped(run))
            finally:
                loan.used = run.spend

    def _done(self, step: GateStep, handler: Callable[[Any], Any]) -> Any:
        if isinstance(step, Perform):
            return self._door.call(self._performed(step))
        try:
            return handler(step.request)
        except GraphBubbleUp:  # an interrupt, a parent's command, a drain: no failure
            raise
        except Exception as error:
            # Whatever a model raised is the loop's to weigh; with nothing left it is raised again.
            return Raised(error)

    async def _adone(self, step: GateStep, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        if isinstance(step, Perform):
            return await self._performed(step)
        try:
            if step.timeout_s is None:
                return await handler(step.request)
            return await _within(step.timeout_s, handler(step.request))
        except GraphBubbleUp:
            raise
        except Exception as error:
            # As above.
            return Raised(error)

    async def _performed(self, step: Perform) -> Reply:
        request, session = step.request, self._gate.session
        if not isinstance(request, Record) or request.result.answer:
            session = session_of(_config(), session)  # a call of tools is no turn of a conversation
        return await self._gate.performer.perform(step.request, session, run=step.run)


async def _within(seconds: float, call: Awaitable[Any]) -> Any:
    try:
        async with asyncio.timeout(seconds) as limit:
            return await call
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise DeadlineExceeded(f"no answer within {seconds:.2f} s") from error


def _config() -> Any:
    from langgraph.config import get_config

    try:
        return get_config()
    except RuntimeError:  # outside of any graph
        return None
