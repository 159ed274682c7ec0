"""The gate around ChatOpenAI, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain.agents import create_agent

from surefoot.graphs.middleware import ConfidenceMiddleware

from ..adapters.scripted_upstream import Upstream, running_upstream

ASKED: Any = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with running_upstream() as running:
        yield running


@pytest.fixture
async def chat(upstream: Upstream) -> AsyncIterator[Any]:
    openai = pytest.importorskip("langchain_openai")
    from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

    clients = DefaultHttpxClient(), DefaultAsyncHttpxClient()

    def opened(model: str) -> Any:
        return openai.ChatOpenAI(
            model=model,
            base_url=upstream.base_url,
            api_key="k",
            max_retries=0,
            http_client=clients[0],
            http_async_client=clients[1],
        )

    yield opened
    clients[0].close()
    await clients[1].aclose()


async def test_logprobs_are_asked_for_and_read(upstream: Upstream, chat: Any) -> None:
    gate = ConfidenceMiddleware(threshold=0.5)
    found: Any = await create_agent(chat("ok"), middleware=[gate]).ainvoke(ASKED)
    assert found["messages"][-1].text == "Paris."
    # the geometric mean of exp(-0.25) for the word; the full stop is no content
    assert found["gate"]["confidence"] == pytest.approx(0.7788, abs=1e-4)
    assert upstream.seen[0].body["logprobs"] is True
    assert "top_logprobs" not in upstream.seen[0].body


async def test_a_broken_endpoint_is_escalated_from(upstream: Upstream, chat: Any) -> None:
    for broken in ("status:503", "429", "cut", "no-finish", "html"):
        gate = ConfidenceMiddleware(threshold=0.5, escalate_to=[chat("ok")])
        found: Any = await create_agent(chat(broken), middleware=[gate]).ainvoke(ASKED)
        assert (found["gate"]["tier"], found["messages"][-1].text) == ("ok", "Paris."), broken
