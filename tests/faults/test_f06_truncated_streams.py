"""F06: of a stream that is cut without having ended, none is taken for an answer: over every byte
offset, inside of characters too, on a real socket."""

from __future__ import annotations

import random

from surefoot.adapters.model_openai import OpenAIModel
from surefoot.router.errors import UpstreamError
from surefoot.router.requests import Continue

from ..adapters.scripted_upstream import answer_events, events, running_upstream
from ..fault_proxy import Fault, FaultProxy
from .protected import asking

TEXT = "Zürich liegt am See, 東京 an der Bucht, и Москва на реке."


def whole() -> bytes:
    return events(*answer_events(TEXT))


def ended_at(body: bytes) -> int:
    """The byte from which on a reader may know that the answer is whole: after it says why."""
    return body.rindex(b'"finish_reason": "stop"')


async def accepted(body: bytes, cuts: list[int]) -> int:
    taken = 0
    async with running_upstream() as upstream:
        for cut in cuts:
            upstream.streams["cut"] = body[:cut]
            model = OpenAIModel(upstream.base_url, "stream:cut")
            try:
                await model.generate(asking(timeout_s=10.0), lambda tokens: Continue())
                taken += 1
            except UpstreamError:
                pass
            await model.aclose()
    return taken


async def test_none_of_a_thousand_is_accepted() -> None:
    body = whole()
    end = ended_at(body)
    rng = random.Random(6)
    cuts = [rng.randrange(end) for _ in range(1000)]
    assert sum(0x80 <= body[cut] < 0xC0 for cut in cuts) > 10  # inside of a character
    assert await accepted(body, cuts) == 0
    assert await accepted(body, [len(body)]) == 1  # the control: uncut it is an answer


async def test_by_reset_and_by_close_through_a_proxy() -> None:
    body = whole()
    async with running_upstream() as upstream:
        upstream.streams["whole"] = body
        port = int(upstream.base_url.split(":")[2].partition("/")[0])
        async with FaultProxy(port) as proxy:
            url = f"http://127.0.0.1:{proxy.port}/v1"
            taken = 0
            for n, cut in enumerate(range(50, ended_at(body), 211)):
                proxy.plan = Fault(cut_after=cut, reset=n % 2 == 0)
                model = OpenAIModel(url, "stream:whole")
                try:
                    await model.generate(asking(timeout_s=10.0), lambda tokens: Continue())
                    taken += 1
                except UpstreamError:
                    pass
                await model.aclose()
            assert taken == 0 and proxy.stats.opened > 10
