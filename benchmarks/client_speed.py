"""CPU time that a call over HTTP costs beyond a bare httpx call that only fetches the bytes.

    python benchmarks/client_speed.py [--calls N] [--rounds K]

The promise is at most 0.7 ms for a call with logprobs parsed (64 tokens with 10 candidates each,
what a call asks for by default). Endpoint and client run in processes of their own, so that the
process's CPU time is the client's; the ways to call take turns, and the smallest and the median
round count. "Surefoot, gated" is the plain driver around that call (draft, signals, decision); its
promise is 1.2 ms. openai-python and LiteLLM's Router are measured beside them where installed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from surefoot import Router, build, parse_settings
from surefoot.adapters.model_openai import OpenAIModel
from surefoot.adapters.openai_request import request_body
from surefoot.router.protocols import Message, ModelCall, Prompt
from surefoot.router.requests import Continue

__all__ = ["Answers", "measure"]

Way = Callable[[], Awaitable[object]]

TOKENS, CANDIDATES = 64, 10
KEY = "a-key-of-some-length"
MESSAGES = (
    Message("system", "Answer the question in a few words."),
    Message("user", "What is the capital of France, and which river runs through it?"),
)
CALL = ModelCall(Prompt(messages=MESSAGES), top_logprobs=CANDIDATES)
PIECES = (" the", " Paris", " city", " of", " is", " capital", ".", " river", " Seine", "\u00e9")


class Answers:
    """The bytes of one answer, plain and streamed, as OpenAI writes them."""

    def __init__(self, tokens: int = TOKENS, candidates: int = CANDIDATES) -> None:
        rng = random.Random(20261123)

        def candidate() -> dict[str, Any]:
            piece = rng.choice(PIECES)
            return {"token": piece, "logprob": -rng.random(), "bytes": list(piece.encode())}

        entries = [
            {**candidate(), "top_logprobs": [candidate() for _ in range(candidates)]}
            for _ in range(tokens)
        ]
        envelope = {"id": "chatcmpl-9a8b7c6d5e4f", "created": 1795438761, "model": "m"}
        usage = {"prompt_tokens": 31, "completion_tokens": tokens, "total_tokens": 31 + tokens}
        text = "".join(str(entry["token"]) for entry in entries)
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": {"content": entries}}
        self.plain = _dumped(
            {
                **envelope,
                "object": "chat.completion",
                "choices": [{**choice, "finish_reason": "stop"}],
                "usage": usage,
            }
        )
        deltas = [
            {"index": 0, "delta": {"content": entry["token"]}, "logprobs": {"content": [entry]}}
            for entry in entries
        ]
        last = {"index": 0, "delta": {}, "finish_reason": "stop"}
        chunks = [{**envelope, "choices": [each]} for each in (*deltas, last)]
        chunks.append({**envelope, "choices": [], "usage": usage})
        self.streamed = b"".join(b"data: " + _dumped(chunk) + b"\n\n" for chunk in chunks)
        self.streamed += b"data: [DONE]\n\n"


def _dumped(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


async def serve() -> None:
    """Answer every POST with the same bytes; the port goes to standard output."""
    answers = Answers()
    head = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n"
    plain = head.format("application/json", len(answers.plain)).encode() + answers.plain
    streamed = head.format("text/event-stream", len(answers.streamed)).encode() + answers.streamed

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = (await reader.readuntil(b"\r\n\r\n")).lower()
                size = int(asked.partition(b"content-length:")[2].partition(b"\r\n")[0])
                body = await reader.readexactly(size)
                writer.write(streamed if b'"stream": true' in body else plain)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


async def measure(base_url: str, calls: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of CPU time a call, one number a round, by way of calling."""
    body = request_body("m", CALL)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    client = httpx.AsyncClient(headers=headers, trust_env=False)
    model = OpenAIModel(base_url, "m", KEY)

    async def bare() -> object:
        return (await client.post(f"{base_url}/chat/completions", content=body)).content

    async def with_json() -> object:
        return json.loads((await client.post(f"{base_url}/chat/completions", content=body)).content)

    ways: dict[str, Way] = {
        "bare httpx": bare,
        "httpx and json.loads": with_json,
        "Surefoot": lambda: model.generate(CALL),
        "Surefoot, streamed to a gate": lambda: model.generate(CALL, lambda tokens: Continue()),
    }
    router = _gated(base_url)
    ways["Surefoot, gated"] = lambda: router.ask(MESSAGES[1].content)
    close = _add_openai(ways, base_url)
    _add_litellm(ways, base_url)
    found: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():  # once, to connect and to import
        await way()
    for _ in range(rounds):
        for name, way in ways.items():
            gc.collect()
            began = time.process_time()
            for _ in range(calls):
                await way()
            found[name].append((time.process_time() - began) / calls * 1e3)
    await router.aclose()
    await model.aclose()
    await client.aclose()
    await close()
    return found


def _gated(base_url: str) -> Router:
    """The plain driver, and a threshold that every answer passes."""
    os.environ["CLIENT_SPEED_KEY"] = KEY
    settings = f"""
[[tiers]]
name = "small"
model = "openai:m"
base_url = "{base_url}"
api_key_env = "CLIENT_SPEED_KEY"
price = {{ input = 1.0, output = 2.0 }}
[policy]
thresholds = {{ small = 0.0 }}
[retrieval]
enabled = false
[history]
url = "none"
"""
    return build(parse_settings(settings)).router


def _add_litellm(ways: dict[str, Way], base_url: str) -> None:
    try:
        from litellm import Router as LiteLLMRouter
    except ImportError:
        return
    where = {"model": "openai/m", "api_base": base_url, "api_key": KEY}
    router: Any = LiteLLMRouter(model_list=[{"model_name": "m", "litellm_params": where}])
    messages = [{"role": each.role, "content": each.content} for each in MESSAGES]
    ways["LiteLLM Router"] = lambda: router.acompletion(
        model="m", messages=messages, max_tokens=64, logprobs=True, top_logprobs=CANDIDATES
    )


def _add_openai(ways: dict[str, Way], base_url: str) -> Callable[[], Awaitable[None]]:
    async def nothing() -> None:
        return None

    try:
        from openai import AsyncOpenAI
    except ImportError:
        return nothing
    client = AsyncOpenAI(base_url=base_url, api_key=KEY, max_retries=0)
    messages: Any = [{"role": each.role, "content": each.content} for each in MESSAGES]

    async def ask() -> object:
        return await client.chat.completions.create(
            model="m",
            messages=messages,
            max_tokens=CALL.max_tokens,
            temperature=0.0,
            seed=0,
            logprobs=True,
            top_logprobs=CANDIDATES,
        )

    ways["openai-python"] = ask
    return client.close


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=50)
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument("--serve", action="store_true", help="be the endpoint")
    asked = options.parse_args()
    if asked.serve:
        asyncio.run(serve())
        return
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as endpoint:
        assert endpoint.stdout is not None
        port = int(endpoint.stdout.readline())
        try:
            found = asyncio.run(measure(f"http://127.0.0.1:{port}/v1", asked.calls, asked.rounds))
        finally:
            endpoint.kill()
    bare = found["bare httpx"]
    print(
        f"{'':30} {'min':>7} {'median':>7} {'over bare, min':>15} {'median':>7}   ms of CPU a call"
    )
    for name, values in found.items():
        over = [value - base for value, base in zip(values, bare, strict=True)]
        print(
            f"{name:30} {min(values):7.3f} {statistics.median(values):7.3f} "
            f"{min(values) - min(bare):15.3f} {statistics.median(over):7.3f}"
        )


if __name__ == "__main__":
    main()
