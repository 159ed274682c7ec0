"""F07: errors in the middle, keep-alives alone, doubled ends, split characters, any line end: a
typed error or the exact text, and nothing between."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot.adapters.model_openai import OpenAIModel
from surefoot.adapters.openai_stream import StreamedAnswer
from surefoot.adapters.sse import EventParser
from surefoot.router.errors import UpstreamError, UpstreamRateLimited, UpstreamTruncated
from surefoot.router.requests import Continue

from ..adapters.scripted_upstream import answer_events, chunk, events, running_upstream
from ..fault_proxy import Fault, FaultProxy
from .protected import asking

TEXT = "Zürich 東京 Москва"
WHOLE = answer_events(TEXT)
ERROR = {"error": {"message": "the engine died", "type": "engine_error"}}
LIMIT = {"error": {"message": "slow down", "code": 429}}


async def read(body: bytes) -> str:
    async with running_upstream() as upstream:
        upstream.streams["it"] = body
        model = OpenAIModel(upstream.base_url, "stream:it", idle_timeout_s=0.3)
        try:
            found = await model.generate(asking(timeout_s=3.0), lambda tokens: Continue())
        finally:
            await model.aclose()
        return found.generations[0].text


@pytest.mark.parametrize("after", [0, 1, 2, 3])
async def test_an_error_in_the_middle_is_an_error(after: int) -> None:
    with pytest.raises(UpstreamError, match="the engine died"):
        await read(events(*WHOLE[:after], ERROR, *WHOLE[after:]))
    with pytest.raises(UpstreamRateLimited):
        await read(events(*WHOLE[:after], LIMIT))
    named = f"event: error\ndata: {json.dumps({'message': 'the engine died'})}"
    with pytest.raises(UpstreamError, match="the engine died"):
        await read(events(*WHOLE[:after], named))


async def test_keep_alives_alone_are_no_answer() -> None:
    with pytest.raises(UpstreamTruncated):
        await read(b": ping\n\n" * 50)
    with pytest.raises(UpstreamError):
        await read(b": ping\n\n" * 50 + b"data: [DONE]\n\n")


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\r\r"])
async def test_doubled_ends_and_any_line_end(end: str) -> None:
    assert await read(events(*WHOLE, "data: [DONE]", "data: [DONE]", end=end)) == TEXT


async def test_what_comes_after_the_end_is_not_part_of_it() -> None:
    body = events(*WHOLE) + events(chunk(" and more"))
    assert await read(body) == TEXT


async def test_characters_split_over_packets() -> None:
    async with running_upstream() as upstream:
        upstream.streams["it"] = events(*WHOLE)
        port = int(upstream.base_url.split(":")[2].partition("/")[0])
        async with FaultProxy(port, Fault(rate=40_000.0)) as proxy:
            model = OpenAIModel(f"http://127.0.0.1:{proxy.port}/v1", "stream:it")
            found = await model.generate(asking(), lambda tokens: Continue())
            assert found.generations[0].text == TEXT
            assert "".join(token.token for token in found.generations[0].tokens) == TEXT
            await model.aclose()


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_pieces_give_the_exact_text(drawn: st.DataObject) -> None:
    body = events(*WHOLE)
    cuts = sorted(drawn.draw(st.lists(st.integers(0, len(body)), max_size=30)))
    answer, parser = StreamedAnswer("m", asking(), 1, None), EventParser()
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        for event in parser.feed(body[start:end]):
            answer.take(event)
    assert answer.completion().generations[0].text == TEXT


@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from([*WHOLE, ERROR, LIMIT, chunk(" x"), {}, "data: ", ": ping"])))
def test_any_order_of_chunks_is_a_typed_error_or_what_they_spell(chunks: list[object]) -> None:
    body = events(*chunks)  # type: ignore[arg-type]  # chunks and lines
    answer, parser = StreamedAnswer("m", asking(), 1, None), EventParser()
    try:
        for event in parser.feed(body):
            answer.take(event)
        text = answer.completion().generations[0].text
    except UpstreamError:
        return
    said = [each for each in chunks if isinstance(each, dict) and each.get("choices")]
    spelled = "".join(str(each["choices"][0]["delta"].get("content", "")) for each in said)
    assert text == spelled.strip()
