"""One call of an agent's model under the gate, as a generator: it says what to do, drivers do it.

What comes next is the loop's to decide (`surefoot.router.loop`); here its requests become calls of
the agent's model handler, and what these return becomes replies. Sync and async drive the same
generator.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..adapters.langchain_failures import typed_failure
from ..adapters.model_langchain_reading import Answer, read_answer
from ..policies.tool_risk import verdicts_on
from ..router.budget import Budget, Spend
from ..router.conversation_confidence import (
    AnswerConfidence,
    ConversationConfidence,
    conversation_confidence,
)
from ..router.decisions import Action, Decision, Result
from ..router.drive import Clock, new_run_id
from ..router.errors import RunError
from ..router.loop import Run, open_run
from ..router.offers import is_local
from ..router.perform import RunView
from ..router.requests import (
    Ask,
    Asked,
    Draft,
    Drafted,
    Failure,
    Record,
    Reply,
    Request,
    Sample,
    Sampled,
)
from ..router.results import make_result
from ..router.signals import Estimate
from .conversation_reading import answers_in
from .gate_messages import asked_in, note_for, prompt_messages, size_of, with_note
from .gate_models import model_name, without_cache_marks, without_provider_settings
from .gate_plan import Gate
from .gate_state import GateDecision, asks_of, gate_decision, stamp_of

__all__ = ["CallModel", "GateRun", "GateStep", "Perform", "Raised"]


@dataclass(frozen=True, slots=True)
class CallModel:
    """Call the handler with this request; send back its response, or `Raised`."""

    request: Any
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Perform:
    """Perform this request of the loop; send back the reply."""

    request: Request
    run: RunView


@dataclass(frozen=True, slots=True)
class Raised:
    """What the handler raised."""

    error: Exception


GateStep = CallModel | Perform
Replies = Generator[GateStep, Any, Reply]
"""Sent: a response or `Raised` for a `CallModel`, a `Reply` for a `Perform`."""


class GateRun:
    """The gate around one request of the agent's.

    Args:
        request: LangChain's `ModelRequest`.
        clock: monotonic seconds.
        budget: of this request; the gate's own where None.
    """

    def __init__(
        self,
        gate: Gate,
        request: Any,
        clock: Clock = time.monotonic,
        budget: Budget | None = None,
    ) -> None:
        self._gate = gate
        self._request = request
        self._clock = clock
        self._size = size_of(request.messages, request.system_message, request.tools)
        question, turns = asked_in(request.messages)
        self._before = answers_in(request.messages)
        plan = gate.plan_for(request, self._size, conversation_confidence(self._before))
        self._run = open_run(plan, question, run_id=new_run_id(), turns=turns, budget=budget)
        self._responses: dict[str, tuple[Any, Any]] = {}  # by attempt: what came, and its message
        self._error: Exception | None = None
        self._last: Any = None  # what the handler returned last
        self._emit = getattr(request.runtime, "stream_writer", None)

    @property
    def spend(self) -> Spend:
        """What it has used so far."""
        return self._run.state.spend

    def gated(self) -> Generator[GateStep, Any, Any]:
        """Run the loop to its end; returns the response for the agent, with the state's update.

        Raises:
            Exception: what the handler raised last, where no draft came back at all: there is
                nothing to judge, and retries and fallbacks around the gate can act on it.
        """
        run, mark = self._run, self._clock()
        while run.request is not None:
            reply = yield from self._reply(run.request)
            now = self._clock()
            run.advance(replace(reply, elapsed_s=now - mark))
            mark = now
            self._tell_step(run)
        result = run.result
        assert result is not None
        if result.action is not Action.ANSWER and not self._responses and self._error is not None:
            raise self._error
        decision = self._decision(result)
        yield from self._record(result)
        return self._response(result, decision)

    def observed(self) -> Generator[GateStep, Any, Any]:
        """Let the agent's own call through as it is, and decide what the gate would have done.

        Raises:
            Exception: what the handler raised.
        """
        run, mark = self._run, self._clock()
        assert isinstance(run.request, Draft)
        reply = yield from self._draft(run.request)
        if self._error is not None:
            raise self._error
        given = self._last
        run.absorb(replace(reply, elapsed_s=self._clock() - mark))
        run.proceed()
        while is_local(run):
            assert run.request is not None
            reply = yield from self._reply(run.request)
            run.advance(reply)
        step, state = run.state.trail[-1], run.state
        would = step.action or Action.ABSTAIN.value
        served = state.attempts[0] if state.attempts else None
        whole = served is not None and served.is_complete
        state.decision = Decision(
            Action.ANSWER if whole else Action.ABSTAIN,
            f"observed only; the gate would {would}: {step.reason}",
            attempt=served.id if served is not None and whole else None,
            gated=whole and would == Action.ANSWER.value,
        )
        result = make_result(run.plan, state)
        self._decision(result, would)
        yield from self._record(result)
        return self._as_unasked(given)

    # --- the loop's requests -------------------------------------------------------------------

    def _reply(self, request: Request) -> Replies:
        if isinstance(request, Draft):
            return (yield from self._draft(request))
        if isinstance(request, Sample):
            return (yield from self._samples(request))
        if isinstance(request, Ask):
            return (yield from self._ask(request))
        reply: Reply = yield Perform(request, self._view())
        return reply

    def _view(self) -> RunView:
        run = self._run
        state = run.state
        return RunView(state.question, state.turns, run.evidence, run_id=state.run_id)

    def _draft(self, request: Draft) -> Replies:
        state = self._run.state
        note = note_for(
            self._gate.prompter,
            request.tier,
            state.question,
            request.passages,
            state.turns,
            request.refused,
        )
        model = self._model(request.tier)
        given = yield CallModel(self._asking(request.tier, model, note), request.timeout_s)
        calls = 1
        if isinstance(given, Raised) and self._refuses_logprobs(model, given.error):
            self._gate.ready.refuse(model)
            given = yield CallModel(self._asking(request.tier, model, note), request.timeout_s)
            calls = 2
        if isinstance(given, Raised):
            return self._failed(model, given.error, calls)
        self._error = None
        self._last = given
        try:
            message, answer = self._read(model, given)
        except RunError as error:
            return Reply(Failure(error.kind, str(error)), calls=calls)
        attempt = str(len(state.attempts) + 1)  # the id that the loop will give it
        self._responses[attempt] = (given, message)
        return self._priced(request.tier, Drafted(answer.generation), (answer,), calls)

    def _samples(self, request: Sample) -> Replies:
        state, model = self._run.state, self._model(request.tier)
        note = note_for(
            self._gate.prompter, request.tier, state.question, request.passages, state.turns, None
        )
        warm = self._gate.ready.ready(model, self._gate.temperature)
        asking = self._asking(request.tier, model, note).override(model=warm)
        answers: list[Answer] = []
        for made in range(1, request.n + 1):
            given = yield CallModel(asking, request.timeout_s)
            if isinstance(given, Raised):
                return self._failed(model, given.error, made)
            try:
                answers.append(self._read(model, given)[1])
            except RunError as error:
                return Reply(Failure(error.kind, str(error)), calls=made)
        outcome = Sampled(tuple(answer.generation for answer in answers))
        return self._priced(request.tier, outcome, tuple(answers), request.n)

    def _ask(self, request: Ask) -> Replies:
        state, model = self._run.state, self._model(request.tier)
        prompt = self._gate.prompter.ask(request.tier, request, state.question, state.turns)
        if prompt is None:
            words = f"nothing is configured that can ask for {request.kind}"
            return Reply(Failure("unsupported", words))
        asking = self._asking(request.tier, model, "").override(
            messages=prompt_messages(prompt),
            system_message=None,
            tools=[],
            tool_choice=None,
            response_format=None,
        )
        given = yield CallModel(asking, request.timeout_s)
        if isinstance(given, Raised):
            return self._failed(model, given.error, 1)
        try:
            answer = self._read(model, given)[1]
        except RunError as error:
            return Reply(Failure(error.kind, str(error)), calls=1)
        return self._priced(request.tier, Asked((answer.generation,)), (answer,), 1)

    # --- calls of the handler ------------------------------------------------------------------

    def _model(self, tier: int) -> Any:
        return self._request.model if tier == 0 else self._gate.tiers[tier].model

    def _asking(self, tier: int, model: Any, note: str) -> Any:
        """The agent's request as this tier is asked it."""
        given = self._request
        changes: dict[str, Any] = {"model": self._gate.ready.ready(model)}
        messages = given.messages
        if note:
            messages = changes["messages"] = with_note(messages, note)
        if tier > 0:
            changes["model_settings"] = without_provider_settings(given.model_settings)
            changes["messages"] = [without_cache_marks(one) for one in messages]
            changes["system_message"] = without_cache_marks(given.system_message)
        return given.override(**changes)

    def _refuses_logprobs(self, model: Any, error: Exception) -> bool:
        return "logprob" in str(error).lower() and self._gate.ready.asks_logprobs(model)

    def _read(self, model: Any, given: Any) -> tuple[Any, Answer]:
        """The message that the model wrote, and what it says; a RunError where it is none."""
        from langchain_core.messages import AIMessage

        written = getattr(given, "result", None) or [given]
        message = next((one for one in written if isinstance(one, AIMessage)), written[0])
        size = self._size * 3
        return message, read_answer(model_name(model), message, size, self._gate.unmarked)

    def _failed(self, model: Any, error: Exception, calls: int) -> Reply:
        self._error = error
        failure = typed_failure(model_name(model), error)
        return Reply(Failure(failure.kind, str(failure)), calls=calls)

    def _priced(
        self,
        tier: int,
        outcome: Drafted | Sampled | Asked,
        answers: tuple[Answer, ...],
        calls: int,
    ) -> Reply:
        tokens_in = sum([answer.tokens_in for answer in answers])
        tokens_out = sum([answer.tokens_out for answer in answers])
        price = self._run.plan.tiers[tier].price
        cost = None if price is None else price.of(tokens_in, tokens_out)
        tokens = tokens_in + tokens_out
        return Reply(outcome, cost, calls=calls, tokens=tokens, tokens_out=tokens_out)

    # --- the end -------------------------------------------------------------------------------

    def _response(self, result: Result, decision: GateDecision) -> Any:
        from langchain.agents.middleware import ExtendedModelResponse, ModelResponse
        from langchain_core.messages import AIMessage
        from langgraph.types import Command

        if result.action is Action.ANSWER and result.best is not None:
            given, message = self._responses[result.best.id]
            response = given if isinstance(given, ModelResponse) else ModelResponse(result=[given])
            metadata = {**message.response_metadata, "surefoot": stamp_of(decision)}
            stamped = message.model_copy(update={"response_metadata": metadata})
            told = [stamped if one is message else one for one in response.result]
            response = replace(response, result=told)
        else:
            abstains = AIMessage(
                self._gate.words_of_abstention(decision),
                response_metadata={"finish_reason": "stop", "surefoot": {"action": "abstain"}},
            )
            response = ModelResponse(result=[abstains])
        return ExtendedModelResponse(
            model_response=response, command=Command(update={"gate": decision})
        )

    def _as_unasked(self, given: Any) -> Any:
        """The response without the logprobs that the agent itself did not ask for."""
        if not self._gate.ready.asks_logprobs(self._request.model):
            return given
        for message in getattr(given, "result", [given]):
            message.response_metadata.pop("logprobs", None)
        return given

    def _decision(self, result: Result, would: str | None = None) -> GateDecision:
        """What is written down of the result, told to whoever wants to know at once."""
        gate, served = self._gate, result.best
        asks = []
        if would is None and result.action is Action.ANSWER and served is not None:
            risks = {risk.name: risk for risk in gate.risks}
            message = self._responses[served.id][1]
            asks = asks_of(verdicts_on(served, risks), message.tool_calls) if risks else []
        model = None if result.tier is None else model_name(self._model(result.tier))
        decision = gate_decision(
            result,
            names=gate.names,
            model=model,
            mode=gate.mode,
            conversation=self._conversation(result),
            action=would,
            ask=asks,
        )
        if gate.on_decision is not None:
            gate.on_decision(decision)
        return decision

    def _conversation(self, result: Result) -> ConversationConfidence:
        """Of the thread's answers with this one, if it is one."""
        served = result.best if result.action is Action.ANSWER else None
        if served is None or served.tool_calls:
            return conversation_confidence(self._before)
        calibrated = isinstance(served.estimate, Estimate) and served.estimate.calibrated
        return conversation_confidence(
            (*self._before, AnswerConfidence(result.confidence, calibrated))
        )

    def _record(self, result: Result) -> Generator[GateStep, Any, None]:
        if self._gate.records:
            yield Perform(Record(result), self._view())  # a failing store is in the log

    def _tell_step(self, run: Run) -> None:
        """One custom event of the agent's stream for each decision."""
        trail = run.state.trail
        if self._emit is None or not trail or trail[-1].action is None:
            return
        step, attempts = trail[-1], run.state.attempts
        estimate = attempts[-1].estimate if attempts else None
        event: Mapping[str, Any] = {
            "event": "surefoot.decision",
            "action": step.action,
            "confidence": getattr(estimate, "p", None),
            "tier": None if step.tier is None else run.plan.tiers[step.tier].name,
            "step": step.step,
            "reason": step.reason,
        }
        self._emit(event)
