"""Runs as traces: their spans, their names, and nothing of what was said unless it is wanted."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from surefoot.adapters.telemetry_otel import RunTraces, TracedTier
from surefoot.router.decisions import Result

from ..faults.deployment import deployed
from .scripted_upstream import running_upstream

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ENDED = 1_800_000_000_000_000_000


async def a_run(folder: Path) -> Result:
    async with running_upstream() as upstream:
        tiers = (("small", "ok", upstream.base_url), ("large", "ok", upstream.base_url))
        async with deployed(folder, *tiers, thresholds="small = 0.9, large = 0.5") as built:
            return await built.router.ask("Which city?")


def spans_of(
    result: Result, *, content: bool = False, headers: dict[str, str] | None = None
) -> list[ReadableSpan]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tiers = [TracedTier("small", "openai:ok"), TracedTier("large", "openai:ok")]
    traces = RunTraces(provider.get_tracer("t"), tiers, content=content)
    traces.note(result, model="surefoot", ended_ns=ENDED, headers=headers)
    provider.shutdown()
    return list(exporter.get_finished_spans())


async def test_a_run_is_a_tree_of_spans(tmp_path: Path) -> None:
    result = await a_run(tmp_path)
    *steps, run = spans_of(result)
    assert run.name == "invoke_workflow surefoot"
    assert run.attributes is not None and run.context is not None
    assert run.attributes["gen_ai.response.id"] == result.run_id
    assert run.attributes["gen_ai.usage.output_tokens"] == result.tokens_out
    assert run.attributes["surefoot.action"] == "answer"
    assert run.end_time == ENDED and run.start_time is not None
    assert ENDED - run.start_time == pytest.approx(result.latency_s * 1e9, abs=10)
    (event,) = run.events
    assert event.name == "gen_ai.evaluation.result" and event.attributes is not None
    assert event.attributes["gen_ai.evaluation.score.value"] == result.confidence
    chats = [span for span in steps if span.name == "chat ok"]
    assert [(one.attributes or {})["surefoot.tier"] for one in chats] == ["small", "large"]
    for chat in chats:
        assert (chat.attributes or {})["gen_ai.provider.name"] == "openai"
        assert (chat.attributes or {})["openinference.span.kind"] == "LLM"
    decided = [span for span in steps if span.name.startswith("decide")]
    assert [one.name for one in decided] == ["decide escalate", "decide answer"]
    for span in steps:
        assert span.parent is not None and span.parent.span_id == run.context.span_id
        assert run.start_time <= (span.start_time or 0) <= (span.end_time or 0) <= ENDED


async def test_what_was_said_is_left_out_unless_it_is_wanted(tmp_path: Path) -> None:
    result = await a_run(tmp_path)

    def told(content: bool) -> str:
        spans = spans_of(result, content=content)
        events = [dict(event.attributes or {}) for span in spans for event in span.events]
        return str([dict(span.attributes or {}) for span in spans] + events)

    for words in ("Paris", "Which city?", "sure"):
        assert words not in told(False).replace("surefoot", "")
        assert words in told(True)


async def test_a_run_belongs_to_the_trace_of_its_request(tmp_path: Path) -> None:
    result = await a_run(tmp_path)
    for span in spans_of(result, headers={"traceparent": PARENT, "cookie": "x"}):
        assert span.context is not None
        assert f"{span.context.trace_id:032x}" == PARENT.split("-")[1]
    apart = spans_of(result, headers={"traceparent": "nonsense"})
    assert apart[-1].parent is None
