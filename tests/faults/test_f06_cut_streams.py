"""F06: of streams that were cut before they said why they end, none is taken for an answer."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from surefoot.adapters.model_openai import OpenAIModel
from surefoot.adapters.openai_stream import StreamedAnswer, read_events
from surefoot.router.errors import UpstreamError, UpstreamTruncated, UpstreamUnavailable
from surefoot.router.evidence import Token
from surefoot.router.protocols import ModelCall
from surefoot.router.requests import Continue, PrefixVerdict

from ..adapters.raw_upstream import answering, chunk, head
from ..contract.model_suite import CALL as REAL_CALL
from ..fault_proxy import Fault, FaultProxy
from ..local_models import smollm2_server
from .streams import CALL, EVENTS, is_exact

BODY = b"".join(EVENTS)
# The last byte without which the reason of the end cannot be known.
SAYS_WHY = BODY.index(b'"finish_reason": "stop"') + len(b'"finish_reason": "stop"}]}')
CUTS = 1000


def go_on(tokens: Sequence[Token]) -> PrefixVerdict:
    return Continue()


@pytest.mark.parametrize("mark", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_no_byte_offset_is_taken_for_the_end(mark: str) -> None:
    body = BODY.replace(b"\n", mark.encode())
    last = SAYS_WHY + BODY[:SAYS_WHY].count(b"\n") * (len(mark) - 1)
    for cut in range(len(body) + 1):
        streamed = StreamedAnswer("m", CALL, 1, None)
        if cut >= last:
            assert is_exact(read_events(body[:cut], streamed)), cut
            continue
        with pytest.raises(UpstreamTruncated):
            read_events(body[:cut], streamed)
            pytest.fail(f"accepted when cut at byte {cut}")


async def ask(model: OpenAIModel, call: ModelCall = CALL) -> bool:
    """Whether an answer was taken for whole."""
    try:
        completion = await model.generate(call, go_on)
    except (UpstreamTruncated, UpstreamUnavailable):
        return False
    assert is_exact(completion) or call is not CALL
    return True


@pytest.mark.parametrize("framing", ["until the end", "chunked", "of known length"])
@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
async def test_of_a_thousand_random_cuts_none_is_accepted(framing: str, reset: bool) -> None:
    if framing == "chunked":
        parts = [head("Transfer-Encoding: chunked"), *(chunk(each) for each in (*EVENTS, b""))]
        sent = b"".join(parts)
        limit = sent.index(b'"finish_reason": "stop"') + len(b'"finish_reason": "stop"}]}')
    else:
        length = [f"Content-Length: {len(BODY)}"] if framing == "of known length" else []
        sent = head("Connection: close", *length) + BODY
        limit = len(sent) - len(BODY) + SAYS_WHY
    rng = random.Random(f"{framing}{reset}")
    cuts = [rng.randrange(limit) for _ in range(CUTS // 6 + 1)]
    async with answering([sent]) as server:
        plan = [Fault(cut_after=cut, reset=reset) for cut in cuts]
        async with FaultProxy(server.port, lambda ordinal: plan[ordinal]) as proxy:
            model = OpenAIModel(f"http://127.0.0.1:{proxy.port}/v1", "m")
            accepted = [cut for cut in cuts if await ask(model)]
            assert accepted == []
            assert proxy.stats.opened == len(cuts)  # one attempt each
            proxy.plan = Fault()
            assert await ask(model)
            await model.aclose()


async def test_cut_bodies_in_one_piece_are_not_accepted_either() -> None:
    body = (
        b'{"choices": [{"index": 0, "message": {"content": "Z\xc3\xbcrich"}, '
        b'"finish_reason": "stop"}]}'
    )
    for start in (head(kind="application/json"), head(f"Content-Length: {len(body)}")):
        async with answering([start + body]) as server:
            async with FaultProxy(server.port) as proxy:
                model = OpenAIModel(f"http://127.0.0.1:{proxy.port}/v1", "m")
                for cut in range(len(start) + len(body)):
                    proxy.plan = Fault(cut_after=cut)
                    with pytest.raises(UpstreamError):
                        await model.generate(CALL)
                await model.aclose()


async def test_cut_streams_of_a_real_server_are_not_accepted() -> None:
    """llama.cpp's own; its answer is cut anywhere before the event that says why it ends."""
    server = smollm2_server()
    port = int(server.base_url.split(":")[2].partition("/")[0])
    async with FaultProxy(port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/v1"
        model = OpenAIModel(url, "smollm2", server.api_key)
        whole = await model.generate(REAL_CALL, go_on)
        assert whole.generations[0].text == "Paris"
        size = proxy.stats.bytes_down
        # What follows the last reason is its event's rest, the usage and the end: measured from
        # below, since the sizes of times and ids vary by a few bytes.
        rng = random.Random(6)
        for _ in range(25):
            proxy.plan = Fault(cut_after=rng.randrange(size // 2))
            with pytest.raises((UpstreamTruncated, UpstreamUnavailable)):
                await model.generate(REAL_CALL, go_on)
        proxy.plan = Fault()
        assert (await model.generate(REAL_CALL, go_on)).generations == whole.generations
        await model.aclose()
