"""Streams over real sockets: put together they are what the plain answer would have been."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from surefoot.adapters.model_openai import OpenAIModel
from surefoot.router.errors import UpstreamError
from surefoot.router.evidence import Alternative, Token
from surefoot.router.protocols import Completion, Message, ModelCall, OnTokens, Prompt
from surefoot.router.requests import Continue, PrefixVerdict, Stop

from .scripted_upstream import answer_events, chunk, events, running_upstream

CHAT = ModelCall(Prompt(messages=(Message("user", "Which city?"),)), top_logprobs=1)


def go_on(tokens: Sequence[Token]) -> PrefixVerdict:
    return Continue()


async def streamed(
    body: bytes, on_tokens: OnTokens = go_on, call: ModelCall = CHAT, **options: Any
) -> Completion:
    async with running_upstream() as upstream:
        upstream.streams["it"] = body
        model = OpenAIModel(upstream.base_url, "stream:it", **options)
        try:
            return await model.generate(call, on_tokens)
        finally:
            await model.aclose()
            assert upstream.seen[0].body["stream"] is True
            assert upstream.seen[0].body["stream_options"] == {"include_usage": True}


async def test_text_tokens_usage_and_end() -> None:
    found = await streamed(events(*answer_events("Paris is a city.")))
    (answer,) = found.generations
    assert (answer.text, answer.finish_reason) == ("Paris is a city.", "stop")
    pieces = ["Paris", " is", " a", " city."]
    assert answer.tokens == tuple(Token(p, -0.25, (Alternative(p, -0.25),)) for p in pieces)
    assert (found.tokens_in, found.tokens_out, found.calls) == (11, 4, 1)


async def test_the_gate_sees_every_prefix_once() -> None:
    seen: list[str] = []

    def watch(tokens: Sequence[Token]) -> PrefixVerdict:
        seen.append("".join(token.token for token in tokens))
        return Continue()

    await streamed(events(*answer_events("a b c")), watch)
    assert seen == ["a", "a b", "a b c"]


async def test_a_stop_ends_the_request_and_says_so() -> None:
    def stop_at_two(tokens: Sequence[Token]) -> PrefixVerdict:
        return Stop("enough") if len(tokens) == 2 else Continue()

    async with running_upstream() as upstream:
        upstream.streams["it"] = events(*answer_events("a b c d"), done=False)
        model = OpenAIModel(upstream.base_url, "stall:it")
        found = await model.generate(CHAT, stop_at_two)
        assert found.generations[0].text == "a b"
        assert found.generations[0].finish_reason == "stopped"
        assert len(found.generations[0].tokens) == 2
        await model.aclose()


async def test_without_logprobs_pieces_are_shown_and_the_answer_has_none() -> None:
    seen: list[tuple[str, ...]] = []

    def watch(tokens: Sequence[Token]) -> PrefixVerdict:
        seen.append(tuple(token.token for token in tokens))
        return Continue()

    chunks = [chunk("Pa", logprobs=None), chunk("ris", logprobs=None), chunk(None, finish="stop")]
    found = await streamed(events(*chunks), watch)
    assert (found.generations[0].text, found.generations[0].tokens) == ("Paris", ())
    assert seen == [("Pa",), ("Pa", "ris")]


async def test_tool_calls_come_in_fragments() -> None:
    def fragment(**what: Any) -> dict[str, Any]:
        return chunk(None, delta={"tool_calls": [{"index": 0, **what}]})

    found = await streamed(
        events(
            fragment(id="c1", function={"name": "find", "arguments": ""}),
            fragment(function={"arguments": '{"city": '}),
            fragment(function={"arguments": '"Paris"}'}),
            chunk(None, finish="tool_calls"),
        )
    )
    (answer,) = found.generations
    assert answer.finish_reason == "tool_calls"
    (call,) = answer.tool_calls
    assert call.name == "find" and '"Paris"' in str(call)


async def test_several_answers_in_one_stream() -> None:
    chunks = [chunk("a"), chunk("b", index=1), chunk(None, finish="stop")]
    chunks.append(chunk(None, finish="length", index=1))
    call = ModelCall(CHAT.prompt, n=2)
    found = await streamed(events(*chunks), call=call)
    assert [(one.text, one.finish_reason) for one in found.generations] == [
        ("a", "stop"),
        ("b", "length"),
    ]


async def test_a_plain_answer_to_a_request_for_a_stream() -> None:
    async with running_upstream() as upstream:
        model = OpenAIModel(upstream.base_url, "ok")
        found = await model.generate(CHAT, lambda tokens: Stop("no"))
        assert found.generations[0].finish_reason == "stopped"
        await model.aclose()


async def test_an_endpoint_that_does_not_stream_is_asked_without() -> None:
    async with running_upstream() as upstream:
        upstream.script["m"] = "no-stream"
        model = OpenAIModel(upstream.base_url, "m")
        for _ in range(2):
            found = await model.generate(CHAT, go_on)
            assert found.generations[0].text == "Paris."
        assert ["stream" in seen.body for seen in upstream.seen] == [True, False, False]
        assert model.capabilities.streaming is False
        await model.aclose()


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\r\r"])
async def test_line_ends_and_comments_change_nothing(end: str) -> None:
    plain = answer_events("Paris is a city.")
    noisy: list[dict[str, Any] | str] = [
        ": keep-alive",
        *plain[:2],
        ": keep-alive",
        'data: {"choices": null}',
        *plain[2:],
    ]
    assert await streamed(events(*noisy, end=end)) == await streamed(events(*plain))


async def test_nothing_of_a_key_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    key = "sk-very-secret-key-0123456789"
    body = events(chunk("a"), {"error": {"message": f"bad key {key}"}})
    with pytest.raises(UpstreamError) as caught:
        await streamed(body, api_key=key)
    assert key not in str(caught.value) and key not in repr(caught.value) + caplog.text
