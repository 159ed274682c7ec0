"""CPU time that the gate adds to a call of a LangChain agent, over a loopback endpoint.

    python benchmarks/middleware_speed.py [--calls N] [--rounds K]

`create_agent` with ChatOpenAI, alone and with `ConfidenceMiddleware`, one answer of 64 tokens per
run, sync and async; the ways take turns. The endpoint is a process of its own, so that the
process's CPU time is the agent's. It answers with logprobs where they are asked for, as endpoints
do; the gate asks for those of the tokens alone, unless a signal reads candidates. The promise is at
most 1 ms for the gate itself, which is the difference to an agent that asks for the same logprobs;
what the client takes to parse them comes on top, and is printed beside.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from client_speed import Answers
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, hook_config
from langchain_openai import ChatOpenAI

from surefoot import ConfidenceMiddleware

TOKENS = 64
ASKED: Any = {"messages": [{"role": "user", "content": "Which river runs through Paris?"}]}
LIMIT_MS = 1.0


class Idle(AgentMiddleware[Any, Any, Any]):
    """The hooks that the gate has, doing nothing: what LangChain itself takes for them."""

    def wrap_model_call(self, request: Any, handler: Any) -> Any:
        """Call the model."""
        return handler(request)

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        """The same."""
        return await handler(request)

    @hook_config(can_jump_to=["end"])
    def after_model(self, state: Any, runtime: Any) -> None:
        """Nothing."""

    @hook_config(can_jump_to=["end"])
    async def aafter_model(self, state: Any, runtime: Any) -> None:
        """Nothing."""


async def serve() -> None:
    """Answer every POST, with logprobs where asked; the port goes to standard output."""
    full = Answers(TOKENS, 0).plain
    short = json.loads(full)
    del short["choices"][0]["logprobs"]
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    with_logprobs, without = (
        head.format(len(body)).encode() + body for body in (full, json.dumps(short).encode())
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = (await reader.readuntil(b"\r\n\r\n")).lower()
                size = int(asked.partition(b"content-length:")[2].partition(b"\r\n")[0])
                body = await reader.readexactly(size)
                writer.write(with_logprobs if b'"logprobs":true' in body else without)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


def agents(base_url: str) -> dict[str, Any]:
    """The agent alone, asking for logprobs, and gated."""

    def model(**asks: Any) -> Any:
        return ChatOpenAI(
            model="m", base_url=base_url, api_key="k", max_retries=0, stream_usage=False, **asks
        )

    return {
        "create_agent": create_agent(model()),
        "create_agent that asks for logprobs": create_agent(model(logprobs=True)),
        "... and has a middleware that does nothing": create_agent(
            model(logprobs=True), middleware=[Idle()]
        ),
        "create_agent with the gate": create_agent(
            model(), middleware=[ConfidenceMiddleware(threshold=0.0)]
        ),
    }


async def measure(base_url: str, calls: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of CPU time per run, one number a round, by agent and way of calling."""
    found: dict[str, list[float]] = {}
    made = agents(base_url)
    for turn in range(rounds + 1):  # the first one connects and imports
        for name, agent in made.items():
            awaited = await _timed_async(agent, calls)
            waited = _timed(lambda agent=agent: agent.invoke(ASKED), calls)  # type: ignore[misc]  # mypy cannot infer a lambda with a default
            if turn:
                found.setdefault(f"{name}, ainvoke", []).append(awaited)
                found.setdefault(f"{name}, invoke", []).append(waited)
    return found


async def _timed_async(agent: Any, calls: int) -> float:
    gc.collect()
    began = time.process_time()
    for _ in range(calls):
        answer = await agent.ainvoke(ASKED)
    assert answer["messages"][-1].text
    return 1e3 * (time.process_time() - began) / calls


def _timed(call: Callable[[], Any], calls: int) -> float:
    gc.collect()
    began = time.process_time()
    for _ in range(calls):
        call()
    return 1e3 * (time.process_time() - began) / calls


def show(found: dict[str, list[float]]) -> bool:
    """Print the table; whether the gate keeps to its limit."""
    print(f"{'CPU ms per run':52} {'min':>7} {'median':>7}")
    for name, times in found.items():
        print(f"{name:52} {min(times):7.3f} {statistics.median(times):7.3f}")
    kept = True
    for how in ("invoke", "ainvoke"):
        plain, asking, gated = (
            min(found[f"create_agent{which}, {how}"])
            for which in ("", " that asks for logprobs", " with the gate")
        )
        kept = kept and gated - asking <= LIMIT_MS
        print(
            f"{how}: the gate {gated - asking:.3f} ms (at most {LIMIT_MS}), with the logprobs' "
            f"parsing {gated - plain:.3f} ms"
        )
    return kept


def main() -> int:
    """Start the endpoint, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve())
        return 0
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        found = asyncio.run(measure(f"http://127.0.0.1:{port}/v1", given.calls, given.rounds))
    finally:
        server.terminate()
        server.wait()
    return 0 if show(found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
