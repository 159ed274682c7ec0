"""F07: errors inside a stream, nothing but keep-alives, a doubled end, characters split anywhere,
any line ends: a typed error or the exact text, nothing between."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.adapters.model_openai import OpenAIModel
from surefoot.adapters.openai_stream import StreamedAnswer
from surefoot.adapters.sse import EventParser
from surefoot.router.errors import (
    ContentRefused,
    ContextOverflow,
    DeadlineExceeded,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRateLimited,
    UpstreamTruncated,
    UpstreamUnavailable,
)
from surefoot.router.evidence import Token
from surefoot.router.protocols import Completion
from surefoot.router.requests import Continue, PrefixVerdict

from ..adapters.raw_upstream import DONE, Bytes, answering, chunk, event, head
from .streams import CALL, EVENTS, is_exact

BODY = b"".join(EVENTS)
HEAD = head("Connection: close")


def go_on(tokens: Sequence[Token]) -> PrefixVerdict:
    return Continue()


async def streamed(says: Bytes, timeout_s: float | None = 5.0) -> Completion:
    async with answering(says) as server:
        model = OpenAIModel(server.base_url, "m")
        try:
            return await model.generate(replace(CALL, timeout_s=timeout_s), go_on)
        finally:
            await model.aclose()
            await server.left()


def named(name: str, value: object) -> bytes:
    return b"event: " + name.encode() + b"\n" + event(value)


def error(**fields: Any) -> dict[str, Any]:
    return {"error": {"message": "it broke", **fields}}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (event(error()), UpstreamTruncated),
        (event({"error": "it broke"}), UpstreamTruncated),
        (named("error", {"message": "it broke"}), UpstreamTruncated),
        (event(error(code=502)), UpstreamUnavailable),
        (event(error(code=429, metadata={})), UpstreamRateLimited),
        (event(error(type="server_error", code=None)), UpstreamUnavailable),
        (named("error", {"type": "error", **error(type="overloaded_error")}), UpstreamUnavailable),
        (b'error: {"code": 500, "message": "it broke", "type": "server_error"}\n\n',
         UpstreamUnavailable),
        (event({"error": {"code": 500, "message": "Context size has been exceeded."}}),
         ContextOverflow),
        (event({**error(code="server_error"),
                "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}),
         UpstreamUnavailable),
        (event(error(code="content_filter", type=None)), ContentRefused),
        (b'data: {"choices": [{"index": 0, "delta": {"content": "it bro\n\n', UpstreamMalformed),
        (b"data: it broke\n\n", UpstreamMalformed),
        (b"data: [1]\n\n", UpstreamMalformed),
        (b'data: {"choices": "it broke"}\n\n', UpstreamMalformed),
        (b'data: {"choices": ["it broke"]}\n\n', UpstreamMalformed),
        (b'data: {"choices": [{"index": -1, "delta": {}}]}\n\n', UpstreamMalformed),
        (b'data: {"choices": [{"index": 9999, "delta": {}}]}\n\n', UpstreamMalformed),
    ],
)  # fmt: skip
@pytest.mark.parametrize("after", [1, 4])
async def test_an_error_inside_a_stream_is_a_typed_one(
    sent: bytes, expected: type[UpstreamError], after: int
) -> None:
    # Whatever follows, even a proper end, does not make it whole.
    says = [HEAD, *EVENTS[:after], sent, *EVENTS[-3:]]
    with pytest.raises(UpstreamError) as caught:
        await streamed(says)
    has_begun = after > 1
    if expected is UpstreamTruncated and not has_begun:
        expected = UpstreamMalformed
    assert type(caught.value) is expected
    if b"it broke" in sent:
        assert "it broke" in str(caught.value)


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ([HEAD, b": ping\n\n", b": ping\n\n"], UpstreamTruncated),
        ([HEAD, b":\n", 0.02, b":\n", DONE], UpstreamMalformed),
        ([HEAD, event({"choices": []}), DONE], UpstreamMalformed),
        ([HEAD, DONE, DONE], UpstreamMalformed),
        ([HEAD], UpstreamTruncated),
        ([HEAD, EVENTS[0], DONE], UpstreamTruncated),
        ([HEAD, *EVENTS[:-3], DONE], UpstreamTruncated),
        ([head(kind="text/html"), b"<html>busy</html>"], UpstreamMalformed),
        ([HEAD, b"<html>busy</html>"], UpstreamTruncated),
        ([HEAD, json.dumps(error(code=503)).encode()], UpstreamError),
    ],
)
async def test_a_stream_without_an_answer_is_none(
    says: Bytes, expected: type[UpstreamError]
) -> None:
    with pytest.raises(expected):
        await streamed(says)


async def test_keep_alives_without_end_cost_the_deadline() -> None:
    pings: list[bytes | float] = [b": ping\n\n", 0.02]
    endless: Bytes = [HEAD, *pings * 100]
    with pytest.raises(DeadlineExceeded):
        await streamed(endless, timeout_s=0.3)


HARMLESS: dict[str, Bytes] = {
    "a doubled end": [HEAD, *EVENTS, DONE],
    "an answer after the end": [HEAD, *EVENTS, *EVENTS],
    "an error after the end": [HEAD, *EVENTS, event(error(code=500))],
    "no [DONE]": [HEAD, *EVENTS[:-1]],
    "no usage either": [HEAD, *EVENTS[:-2]],
    "no empty line at the end": [HEAD, *EVENTS[:-3], EVENTS[-3].rstrip()],
    "a byte order mark": [HEAD, b"\xef\xbb\xbf", *EVENTS],
    "comments": [HEAD, *(b": x\n" + each for each in EVENTS)],
    "ids and retries": [HEAD, *(b"id: 7\nretry: 3\n" + each for each in EVENTS)],
    "named events": [HEAD, *(b"event: message\n" + each for each in EVENTS)],
    "no space after the colon": [HEAD, BODY.replace(b"data: {", b"data:{")],
    "an annotation without choices": [HEAD, *EVENTS[:3], event({"note": 1}), *EVENTS[3:]],
    "a late usage": [HEAD, *EVENTS[:-2], 0.1, *EVENTS[-2:]],
    "a hang after the end": [HEAD, *EVENTS, ...],
    "a hang after the reason": [HEAD, *EVENTS[:-2], ...],
    "a body in one piece": [HEAD, BODY],
    "events that are called JSON": [head("Connection: close", kind="application/json"), BODY],
    "chunks of a byte": [
        head("Transfer-Encoding: chunked"),
        *(chunk(BODY[i : i + 1]) for i in range(len(BODY))),
        chunk(b""),
    ],
}


@pytest.mark.parametrize("says", HARMLESS.values(), ids=HARMLESS)
async def test_what_does_no_harm_leaves_the_text_exact(says: Bytes) -> None:
    assert is_exact(await streamed(says))


def read(pieces: Sequence[bytes]) -> Completion:
    parser, answer = EventParser(), StreamedAnswer("m", CALL, 1, go_on)
    for piece in pieces:
        for each in parser.feed(piece):
            answer.take(each)
    for each in parser.finish():
        answer.take_last(each)
    return answer.completion()


@settings(max_examples=300)
@given(data=st.data(), mark=st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_split_anywhere_and_with_any_line_ends_the_text_is_exact(
    data: st.DataObject, mark: bytes
) -> None:
    body = BODY.replace(b"\n", mark)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=60)))
    pieces = [body[i:j] for i, j in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert is_exact(read(pieces))


def test_every_split_in_two_is_exact() -> None:
    for cut in range(len(BODY)):
        assert is_exact(read([BODY[:cut], BODY[cut:]])), cut


def test_mixed_line_ends_with_noise_between_are_exact() -> None:
    rng = random.Random(7)
    for _ in range(200):
        marks = [b"\n", b"\r\n", b"\r"]
        noise = [b"", b": x", b"id: 1", b"other: 2", b"event: message"]
        lines: list[bytes] = []
        for each in EVENTS:
            lines += [rng.choice(noise) for _ in range(2)]
            lines += [*each.rstrip().split(b"\n"), b""]
        body = b""
        for line in lines:  # CR and LF would be one mark, and no empty line
            body += line + rng.choice(marks[1:] if not line and body[-1:] == b"\r" else marks)
        assert is_exact(read([body[i : i + 7] for i in range(0, len(body), 7)]))
