"""What the service costs: CPU time a request beyond the upstream call, and requests a second.

    python benchmarks/service_speed.py [--requests N] [--rounds K] [--history URL]

The promise is at most 2.5 ms of CPU for a request without streaming beyond the upstream call, and
at least 220 requests a second on a core, with an upstream that answers at once. Upstream, service
and clients run in processes of their own; the service's CPU time is read from /proc, so this needs
Linux. Beside it stands the same upstream call alone, by the adapter that the service uses. One
client is asked in turn, then several at once; the smallest and the median round count.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from surefoot.adapters.model_openai import OpenAIModel
from surefoot.router.protocols import Message, ModelCall, Prompt

__all__ = ["Client", "cpu_s"]

TOKENS = (" Paris", ".")
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Paris."},
            "finish_reason": "stop",
            "logprobs": {
                "content": [
                    {
                        "token": token,
                        "logprob": -0.1,
                        "top_logprobs": [
                            {"token": f"{token}{n}", "logprob": -0.1 - n} for n in range(10)
                        ],
                    }
                    for token in TOKENS
                ]
            },
        }
    ],
    "usage": {"prompt_tokens": 20, "completion_tokens": 2, "total_tokens": 22},
}
TOML = """
[[tiers]]
name = "small"
model = "openai:m"
base_url = "http://127.0.0.1:{port}/v1"
price = {{ input = 1.0, output = 2.0 }}
context = 4096
[retrieval]
enabled = false
[history]
url = "{history}"
[policy]
thresholds = {{ small = 0.5 }}
[audit]
share = {share}
[serve]
port = 0
max_in_flight = 256
"""
LITELLM = """
model_list:
  - model_name: surefoot
    litellm_params: {{ model: openai/m, api_base: "http://127.0.0.1:{port}/v1", api_key: none }}
general_settings: {{ dangerously_permit_weak_or_unset_master_key: true }}
"""
MAIN = "from surefoot.service.cli import main; main()"


async def serve_upstream() -> None:
    """Answer every POST at once with the same bytes; the port goes to standard output."""
    body = json.dumps(ANSWER).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    whole = head.encode() + b"\r\n" + body

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = (await reader.readuntil(b"\r\n\r\n")).lower()
                size = int(asked.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
                await reader.readexactly(size)
                writer.write(whole)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


class Client:
    """One connection that is kept open; it does little, since it shares the machine."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._number = 0

    async def __aenter__(self) -> Client:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._writer.close()

    async def ask(self) -> None:
        """One request; no two are equal, or a history would know the answer."""
        self._number += 1
        question = f"Which city is the capital of France ({id(self)} {self._number})?"
        asked = {"model": "surefoot", "messages": [{"role": "user", "content": question}]}
        body = json.dumps(asked).encode()
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        told = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        size = int(told.partition(b"content-length:")[2].partition(b"\r\n")[0])
        answer = await self._reader.readexactly(size)
        if not told.startswith(b"http/1.1 200") or b"Paris" not in answer:
            raise RuntimeError(f"expected an answer, got {told[:40]!r} {answer[:200]!r}")


def cpu_s(pid: int) -> float:
    """Seconds of CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def service(toml: str) -> Iterator[tuple[int, int]]:
    """`surefoot serve` as a process: its id and port."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "surefoot.toml"
        file.write_text(toml)
        command = [sys.executable, "-c", MAIN, "serve", "--config", str(file)]
        environment = {**os.environ, "SUREFOOT_HOME": folder}
        log = Path(folder) / "log"
        with log.open("wb") as stderr:
            process = subprocess.Popen(command, stderr=stderr, env=environment)
        try:
            while "listening on " not in log.read_text():
                if process.poll() is not None:
                    raise RuntimeError(log.read_text())
                time.sleep(0.05)
            said = next(line for line in log.read_text().splitlines() if "listening on " in line)
            yield process.pid, int(said.rpartition(":")[2].removesuffix("/v1"))
        finally:
            process.terminate()
            process.wait(10)


async def round_of(pid: int, port: int, clients: int, requests: int) -> tuple[float, float]:
    """Milliseconds of CPU a request, and requests a second by the clock."""

    async def several(n: int) -> None:
        async with Client(port) as client:
            for _ in range(n):
                await client.ask()

    cpu, began = cpu_s(pid), time.perf_counter()
    await asyncio.gather(*[several(requests // clients) for _ in range(clients)])
    done = requests // clients * clients
    return (cpu_s(pid) - cpu) / done * 1e3, done / (time.perf_counter() - began)


async def upstream_ms(port: int, calls: int) -> float:
    """Milliseconds of CPU of the upstream call alone, by the adapter."""
    model = OpenAIModel(f"http://127.0.0.1:{port}/v1", "m")
    call = ModelCall(Prompt(messages=(Message("user", "Which city is the capital of France?"),)))
    await model.generate(call)
    began = time.process_time()
    for _ in range(calls):
        await model.generate(call)
    used = (time.process_time() - began) / calls * 1e3
    await model.aclose()
    return used


@contextmanager
def litellm_proxy(program: str, port: int) -> Iterator[tuple[int, int]]:
    """LiteLLM's proxy before the same upstream: its process id and port."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        own = free.getsockname()[1]
        free.close()
        file = Path(folder) / "config.yaml"
        file.write_text(LITELLM.format(port=port))
        command = [program, "--config", str(file), "--host", "127.0.0.1", "--port", str(own)]
        known = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=known)
        try:
            for _ in range(600):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", own)):
                    break
                if process.poll() is not None:
                    raise RuntimeError((Path(folder) / "log").read_text())
                time.sleep(0.1)
            yield process.pid, own
        finally:
            process.terminate()
            process.wait(20)


async def measured(pid: int, port: int, asked: argparse.Namespace, alone: list[float]) -> None:
    """Ask one client in turn and several at once, and print."""
    await round_of(pid, port, 4, 200)  # connections, caches, lazy imports
    for clients in (1, asked.clients):
        rounds = [await round_of(pid, port, clients, asked.requests) for _ in range(asked.rounds)]
        cpu = [one for one, _ in rounds]
        fastest, least, middle = max(rate for _, rate in rounds), min(cpu), statistics.median(cpu)
        print(
            f"{clients:3} client(s): {least:.2f} ms of CPU a request (median {middle:.2f}), "
            f"{least - min(alone):.2f} beyond the upstream call (median "
            f"{middle - statistics.median(alone):.2f}); {1e3 / least:.0f} requests/s a core, "
            f"{fastest:.0f} by the clock"
        )


async def measure(port: int, asked: argparse.Namespace) -> None:
    """Measure and print."""
    toml = TOML.format(port=port, history=asked.history, share=asked.audit)
    alone = [await upstream_ms(port, asked.requests // 2) for _ in range(asked.rounds)]
    print(
        f"upstream call alone: {min(alone):.2f} ms of CPU (median {statistics.median(alone):.2f})"
    )
    with service(toml) as (pid, service_port):
        print("surefoot serve")
        await measured(pid, service_port, asked, alone)
    if asked.litellm is not None:
        with litellm_proxy(asked.litellm, port) as (pid, proxy_port):
            print("LiteLLM's proxy")
            await measured(pid, proxy_port, asked, alone)


def main() -> None:
    """Run everything."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--requests", type=int, default=600, help="a round")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--clients", type=int, default=8, help="at once")
    options.add_argument("--history", default="none", help="URL")
    options.add_argument("--audit", type=float, default=0.0, help="share that is drawn")
    options.add_argument("--litellm", help="program of LiteLLM's proxy, to be measured beside it")
    options.add_argument("--upstream", action="store_true", help="be the endpoint")
    asked = options.parse_args()
    if asked.upstream:
        asyncio.run(serve_upstream())
        return
    command = [sys.executable, __file__, "--upstream"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as endpoint:
        assert endpoint.stdout is not None
        try:
            asyncio.run(measure(int(endpoint.stdout.readline()), asked))
        finally:
            endpoint.kill()


if __name__ == "__main__":
    main()
