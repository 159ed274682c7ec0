"""F26: whatever a body holds, it is a 400 that says why, or it is passed on; never a 500."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot.graphs.config import build
from surefoot.graphs.places import Places, Surroundings
from surefoot.graphs.settings import parse_settings
from surefoot.service.http_app import create_app
from surefoot.service.http_gateway import Gateway

from ..adapters.scripted_upstream import Upstream, running_upstream
from ..service.serving import Service, running_service
from .deployment import configuration

CHAT = "/v1/chat/completions"
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with running_upstream() as found:
        yield found


@pytest.fixture
async def service(upstream: Upstream, tmp_path: Path) -> AsyncIterator[Service]:
    tier = ("small", "ok", upstream.base_url)
    toml = configuration(tier, history="memory:", contexts={"small": 100_000})
    async with running_service(tmp_path, toml) as found:
        yield found


def user(content: Any) -> dict[str, Any]:
    return {"model": "surefoot", "messages": [{"role": "user", "content": content}]}


def check(found: httpx.Response, status: int) -> None:
    assert found.status_code == status, found.text
    if status == 200:
        assert found.json()["choices"]
    else:
        assert set(found.json()["error"]) == {"message", "type", "param", "code"}
        assert found.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "surefoot", "messages": []}, 400),
        ({"model": "surefoot", "messages": [{"role": "system", "content": "x"}]}, 400),
        ({"model": "surefoot"}, 400),
        ({"messages": [{"role": "user", "content": "x"}]}, 400),
        (user("x" * 1_000_000), 400),
        (user("a\x00b"), 200),
        (user("\x00"), 400),
        (user("\u0645\u0631\u062d\u0628\u0627 \u202e\u05e2\u05d1\u202c"), 200),
        (user("e\u0301" * 500 + "\U0001f600"), 200),
        ({**user("x"), "n": 1000}, 400),
        ({**user("x"), "max_tokens": -1}, 400),
        ({**user("x"), "max_tokens": 10**30}, 200),
        ({**user("x"), "max_tokens": 1.5}, 400),
        ({**user("x"), "max_tokens": 10**9}, 200),
        ({**user("x"), "something": {"else": [1, None]}, "another": 10**40}, 200),
        ({**user("x"), "stop": ["s"] * 17}, 400),
        ({**user("x"), "tools": [{}]}, 200),
        ({**user("x"), "tools": "none"}, 400),
        ({**user("x"), "stream_options": {"include_usage": "yes"}}, 400),
        (user([{"type": "text", "text": "Which city?"}, IMAGE]), 200),
        (user([IMAGE]), 400),
        (user([{"type": "text"}]), 400),
        (user([{"type": "text", "text": 7}]), 400),
        (user([]), 400),
        (user(None), 400),
        (user({"text": "x"}), 400),
        (
            {
                "model": "surefoot",
                "messages": [
                    {"role": "user", "content": "x"},
                    {"role": "tool", "tool_call_id": "nobody", "content": "42"},
                ],
            },
            200,
        ),
        (
            {
                "model": "surefoot",
                "messages": [
                    {"role": "user", "content": "x"},
                    {"role": "assistant", "content": None, "tool_calls": "none"},
                    {"role": "user", "content": "y"},
                ],
            },
            200,
        ),
        ({**user("x"), "surefoot": None}, 400),
        ({**user("x"), "surefoot": {"max_cost": -1.0}}, 400),
        ([], 400),
        ("text", 400),
    ],
    ids=range(32),
)
async def test_it_is_refused_with_an_envelope_or_passed_on(
    service: Service, body: Any, status: int
) -> None:
    check(await service.client.post(CHAT, json=body), status)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b'{"model":"surefoot","messages":[{"role":"user","content":"\\ud800"}]}', 400),
        (b'{"model":"surefoot","messages":[{"role":"user","content":"\xff\xfe"}]}', 400),
        (b"[" * 10_000 + b"]" * 10_000, 400),
        (b'{"model":"surefoot","messages":' + b'[{"a":' * 5000, 400),
        (b'{"model":"surefoot","messages":[{"role":"user","content":"x"}],"deep":%s}', 400),
        (b'{"model":"surefoot","messages":[{"role":"user","content":"x"}],"t":NaN}', 400),
        (b'\xef\xbb\xbf{"model":"surefoot","messages":[]}', 400),
        (b"\x00", 400),
        (b"null", 400),
        (b"9" * 10_000, 400),
    ],
    ids=range(10),
)
async def test_bytes_that_are_no_json_of_ours(service: Service, data: bytes, status: int) -> None:
    deep = data.replace(b"%s", b"[" * 10_000 + b"]" * 10_000)
    found = await service.client.post(
        CHAT, content=deep, headers={"content-type": "application/json"}
    )
    check(found, status)


KEYS = st.sampled_from(
    "model messages role content prompt n stop stream max_tokens logprobs top_logprobs tools "
    "tool_choice response_format surefoot stream_options temperature seed user name".split()
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["user", "assistant", "tool", "surefoot", "text", "\ud800", "\x00"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
BODIES = st.fixed_dictionaries(
    {"model": st.just("surefoot") | VALUES},
    optional={
        "messages": st.lists(
            st.fixed_dictionaries(
                {"role": st.sampled_from(["user", "assistant", "system", "tool"]) | VALUES},
                optional={"content": st.text(max_size=20) | VALUES, "tool_calls": VALUES},
            ),
            max_size=3,
        )
        | VALUES,
        "prompt": st.text(max_size=20) | VALUES,
        "n": VALUES,
        "stop": VALUES,
        "stream": st.booleans() | VALUES,
        "max_tokens": VALUES,
        "logprobs": VALUES,
        "tools": VALUES,
        "response_format": VALUES,
        "surefoot": VALUES,
        "stream_options": VALUES,
        "odd": VALUES,
    },
)
CHAT_BODY = {"model": "surefoot", "messages": [{"role": "user", "content": "x"}], "prompt": "x"}
ALMOST = st.dictionaries(
    st.sampled_from(
        "n stop stream max_tokens logprobs top_logprobs tools tool_choice response_format surefoot "
        "stream_options temperature seed user odd messages prompt".split()
    ),
    VALUES,
    max_size=2,
).map(lambda changes: {**CHAT_BODY, **changes})
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "x-request-timeout-ms": st.sampled_from(["1e400", "nan", "-1", "5000", "x", "0"]),
        "x-stainless-read-timeout": st.sampled_from(["nan", "inf", "-1", "x", "600"]),
        "x-request-id": st.sampled_from(["a", "x" * 300, "a b"]),
        "idempotency-key": st.sampled_from(["a", "b", "x" * 300, "a b"]),
    },
)
PATHS = st.sampled_from([CHAT, "/v1/completions"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_request_is_an_error_of_ours(tmp_path: Path) -> None:
    """Over ten thousand bodies with the fields of both endpoints, each of any kind."""
    with asyncio.Runner() as runner:
        up = running_upstream()
        upstream = runner.run(up.__aenter__())
        toml = configuration(("small", "ok", upstream.base_url), history="memory:")
        around = Surroundings(tmp_path, Places(tmp_path / "cache", tmp_path / "data"), {})
        gateway = Gateway(build(parse_settings(toml), around))
        transport = httpx.ASGITransport(create_app(gateway), raise_app_exceptions=True)
        client = httpx.AsyncClient(transport=transport, base_url="http://service")
        seen: dict[int, int] = {}

        @settings(
            max_examples=10_000,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        @given(PATHS, BODIES | ALMOST, HEADERS)
        def one(path: str, body: dict[str, Any], headers: dict[str, str]) -> None:
            data = json.dumps(body).encode()
            headers = {"content-type": "application/json", **headers}
            found = runner.run(client.post(path, content=data, headers=headers))
            seen[found.status_code] = seen.get(found.status_code, 0) + 1
            assert found.status_code in (200, 400, 404, 409, 422), (body, found.text)
            if found.status_code != 200:
                assert found.json()["error"]["message"]

        try:
            one()
            assert math.fsum(seen.values()) >= 5_000
            assert seen[200] > 100, seen
        finally:
            runner.run(client.aclose())
            runner.run(gateway.aclose())
            runner.run(up.__aexit__(None, None, None))
