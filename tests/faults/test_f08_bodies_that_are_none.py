"""F08: whatever bytes come under whatever status, there is a typed error or an answer, and memory
is bounded: over 10,000 mutated bodies, plain and streamed, nothing else escapes."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable

import pytest

from surefoot.adapters.model_openai import OpenAIModel
from surefoot.adapters.openai_stream import StreamedAnswer, read_events
from surefoot.adapters.openai_wire import parse_completion
from surefoot.adapters.upstream_status import Failed, status_error
from surefoot.router.errors import UpstreamError, UpstreamMalformed
from surefoot.router.requests import Continue

from ..adapters.scripted_upstream import answer_events, bomb, chat_choice, events, running_upstream
from .protected import asking

CALL = asking()
PLAIN = json.dumps(
    {"choices": [chat_choice()], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
).encode()
STREAM = events(*answer_events("Paris is a city."))
VALUES: list[object] = [
    None,
    [],
    {},
    0,
    -1,
    1e308,
    True,
    "",
    "x",
    [[]],
    {"content": []},
    float("nan"),
]


@pytest.mark.parametrize(
    "name", ["html", "badjson", "empty", "no-choices", "list", "deep", "binary", "nothing"]
)
async def test_what_is_no_answer_is_malformed(name: str) -> None:
    async with running_upstream() as upstream:
        model = OpenAIModel(upstream.base_url, name)
        for on_tokens in (None, lambda tokens: Continue()):
            with pytest.raises(UpstreamMalformed):
                await model.generate(CALL, on_tokens)
        await model.aclose()


async def test_a_bomb_and_a_body_without_end_are_bounded() -> None:
    bomb(2**30)  # a gigabyte, packed to a megabyte, made before memory is watched
    async with running_upstream() as upstream:
        for name in (f"bomb:{2**30}", "endless"):
            model = OpenAIModel(upstream.base_url, name, max_body_bytes=2**20)
            tracemalloc.start()
            with pytest.raises(UpstreamMalformed):
                await model.generate(asking(timeout_s=30.0))
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < 32 * 2**20
            await model.aclose()


def mutated(body: bytes, rng: random.Random) -> bytes:
    """A body with bytes changed, cut, doubled or left out, or with values of JSON exchanged."""
    how = rng.randrange(5)
    at = rng.randrange(len(body))
    if how == 0:
        return body[:at]
    if how == 1:
        return body[:at] + bytes([rng.randrange(256)]) + body[at + 1 :]
    if how == 2:
        return body[:at] + body[at + rng.randrange(40) :]
    if how == 3:
        return body[:at] + body[max(at - rng.randrange(200), 0) :]
    try:
        lines = body.split(b"\n")
        place = rng.choice([n for n, line in enumerate(lines) if b"{" in line] or [0])
        start = lines[place].index(b"{")
        data = exchanged(json.loads(lines[place][start:]), rng)
        lines[place] = lines[place][:start] + json.dumps(data).encode()
        return b"\n".join(lines)
    except ValueError:
        return body[:at]


def exchanged(data: object, rng: random.Random) -> object:
    """The same JSON with one value exchanged, somewhere."""
    if isinstance(data, dict) and data and rng.random() < 0.85:
        key = rng.choice(list(data))
        return {**data, key: exchanged(data[key], rng)}
    if isinstance(data, list) and data and rng.random() < 0.85:
        place = rng.randrange(len(data))
        return [*data[:place], exchanged(data[place], rng), *data[place + 1 :]]
    return rng.choice(VALUES)


def as_plain(body: bytes) -> object:
    return parse_completion("m", body, CALL)


def as_stream(body: bytes) -> object:
    return read_events(body, StreamedAnswer("m", CALL, 1, None))


def as_error(body: bytes) -> object:
    raise status_error("m", Failed(400 + len(body) % 200, body))


@pytest.mark.parametrize(
    ("body", "read"), [(PLAIN, as_plain), (STREAM, as_stream), (PLAIN, as_error)]
)
def test_ten_thousand_mutations_each(body: bytes, read: Callable[[bytes], object]) -> None:
    rng, ends = random.Random(8), Counter[str]()
    for _ in range(10_000):
        broken = mutated(body, rng)
        for _ in range(rng.randrange(3)):
            broken = mutated(broken, rng) if broken else broken
        try:
            read(broken)
            ends["read"] += 1
        except UpstreamError as error:
            ends[type(error).__name__] += 1
    assert sum(ends.values()) == 10_000 and len(ends) >= 2
