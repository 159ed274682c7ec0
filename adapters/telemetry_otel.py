"""Runs as OpenTelemetry traces: one span a run, one below it for each step.

Spans are written when a run has ended, from its trail, so that nothing is measured twice and a slow
collector holds up no request. Names are those of the GenAI conventions (in development: they stand
in this module alone) beside the span kinds of OpenInference. What was asked, drafted and answered
is left out unless it is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..router.decisions import Action, Result, TrailStep
from ..router.errors import MissingExtra

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

__all__ = ["RunTraces", "TracedTier", "otlp_provider"]

_NS = 1_000_000_000
_OPERATIONS = {
    "draft": ("chat", "LLM"),
    "sample": ("chat", "LLM"),
    "ask": ("chat", "LLM"),
    "retrieve": ("retrieval", "RETRIEVER"),
    "critique": (None, "EVALUATOR"),
    "compare": (None, "EVALUATOR"),
}
_PROVIDERS = {"openai": "openai", "local": "llama.cpp", "transformers": "huggingface"}


@dataclass(frozen=True, slots=True)
class TracedTier:
    """What a span says of a tier: its name, and its model as configured, such as `openai:m`."""

    name: str
    model: str

    @property
    def provider(self) -> str:
        """By the convention's name where it has one."""
        kind = self.model.partition(":")[0]
        return _PROVIDERS.get(kind, kind)


class RunTraces:
    """Writes runs to a tracer.

    Args:
        content: whether questions, drafts, answers and reasons are written as well.
    """

    def __init__(self, tracer: Tracer, tiers: Sequence[TracedTier], *, content: bool) -> None:
        self._tracer = tracer
        self._tiers = tuple(tiers)
        self._content = content

    def note(
        self, result: Result, *, model: str, ended_ns: int, headers: Mapping[str, str] | None = None
    ) -> None:
        """Write a run that has ended.

        Args:
            model: the name that the client asked for.
            ended_ns: nanoseconds since the epoch.
            headers: of the request; a `traceparent` among them makes the run part of that trace.
        """
        from opentelemetry.trace import SpanKind, set_span_in_context

        began = ended_ns - round(result.latency_s * _NS)
        span = self._tracer.start_span(
            f"invoke_workflow {model}",
            context=_parent(headers),
            kind=SpanKind.SERVER,
            attributes=self._of_run(result, model),
            start_time=began,
        )
        inside, at = set_span_in_context(span), began
        for step in result.trail:
            until = min(ended_ns, at + round(step.elapsed_s * _NS))
            self._step(step, inside, at, until)
            at = until
        if result.confidence is not None:
            span.add_event("gen_ai.evaluation.result", self._evaluation(result), ended_ns)
        span.end(ended_ns)

    def _of_run(self, result: Result, model: str) -> dict[str, Any]:
        written = min(result.tokens_out, result.tokens)
        found: dict[str, Any] = {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.workflow.name": "surefoot",
            "gen_ai.request.model": model,
            "gen_ai.response.id": result.run_id,
            "gen_ai.usage.input_tokens": result.tokens - written,
            "gen_ai.usage.output_tokens": written,
            "openinference.span.kind": "CHAIN",
            "llm.cost.total": result.cost,
            "surefoot.action": result.action.value,
            "surefoot.gated": result.gated,
            "surefoot.rounds": result.rounds,
            "surefoot.degraded": len(result.degraded),
        }
        if result.model is not None:
            found["gen_ai.response.model"] = result.model
        if self._content:
            found["input.value"] = result.question
            found["output.value"] = result.answer or ""
        return found

    def _step(self, step: TrailStep, inside: Context, began: int, ended: int) -> None:
        from opentelemetry.trace import SpanKind

        word = step.request.partition(" ")[0]
        operation, kind = _OPERATIONS.get(word, (None, "CHAIN"))
        attributes: dict[str, Any] = {"openinference.span.kind": kind, "surefoot.step": step.step}
        name = word
        if operation is not None:
            attributes["gen_ai.operation.name"] = operation
            name = operation
        if step.tier is not None and step.tier < len(self._tiers) and operation == "chat":
            tier = self._tiers[step.tier]
            attributes["gen_ai.provider.name"] = tier.provider
            attributes["gen_ai.request.model"] = tier.model.partition(":")[2]
            attributes["surefoot.tier"] = tier.name
            name = f"chat {attributes['gen_ai.request.model']}"
        if step.cost is not None:
            attributes["llm.cost.total"] = step.cost
        if self._content:
            attributes["output.value"] = step.outcome
        how = SpanKind.CLIENT if operation is not None else SpanKind.INTERNAL
        span = self._tracer.start_span(
            name, context=inside, kind=how, attributes=attributes, start_time=began
        )
        span.end(ended)
        if step.action is not None:
            self._decision(step, inside, ended)

    def _decision(self, step: TrailStep, inside: Context, at: int) -> None:
        attributes: dict[str, Any] = {
            "openinference.span.kind": "DECISION",
            "decision.model_name": "surefoot",
            "surefoot.action": step.action,
        }
        for compared in step.compared:
            attributes[f"surefoot.compared.{compared.name}"] = compared.value
            attributes[f"surefoot.bound.{compared.name}"] = compared.bound
        if self._content and step.reason is not None:
            attributes["surefoot.reason"] = step.reason
        span = self._tracer.start_span(
            f"decide {step.action}", context=inside, attributes=attributes, start_time=at
        )
        span.end(at)

    def _evaluation(self, result: Result) -> dict[str, Any]:
        found: dict[str, Any] = {
            "gen_ai.evaluation.name": "surefoot.confidence",
            "gen_ai.evaluation.score.value": result.confidence,
            "gen_ai.evaluation.score.label": (
                "accepted" if result.action is Action.ANSWER else "not accepted"
            ),
        }
        if self._content:
            found["gen_ai.evaluation.explanation"] = result.reason
        return found


def _parent(headers: Mapping[str, str] | None) -> Context | None:
    if not headers or "traceparent" not in headers:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    names = ("traceparent", "tracestate")
    return TraceContextTextMapPropagator().extract({n: headers[n] for n in names if n in headers})


def otlp_provider(service: str) -> TracerProvider:
    """What sends spans in the background, to where the usual OTEL_* variables say.

    Raises:
        MissingExtra: the SDK or its exporter is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise MissingExtra("opentelemetry-sdk", "otel") from error
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
