"""Live answers: what a gate over beginnings lets go, how often it is overruled, what time it wins.

    python benchmarks/live_answers.py [--problems N] [--risk R] [--folder DIR]

The drafts are those of `step_gate.py` (made where DIR has none): word problems that Gemma 3 270M
works out in several sentences. Its results are nearly all wrong, so what is promised here is the
other thing that a gate can promise: that the policy, which takes half of the whole drafts, would
not have refused what was sent. Half of the drafts fit the gate (`surefoot fit-live`), the other
half says what it is worth, beside a gate that holds the policy's own threshold against beginnings.
Then a service on a local model sends answers with and without its gate, and the time to the first
byte is taken.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
from step_gate import drafts

from surefoot import build, parse_settings
from surefoot.graphs.places import Places, Surroundings
from surefoot.policies.prefix_gate_file import PrefixGateFile, save_prefix_gate, step_reader
from surefoot.policies.release_fit import ReadDraft, fit_release, read_prefixes
from surefoot.policies.step_fit import LabeledDraft
from surefoot.router.estimators.perplexity import Perplexity
from surefoot.router.evidence import Evidence, Generation
from surefoot.router.metrics import wilson_interval
from surefoot.router.signals import Signal
from surefoot.service.http_gateway import Gateway
from surefoot.service.http_server import GracefulServer, listening_socket

SERVED = """
[[tiers]]
name = "small"
model = "local:smollm2-135m"
prompt = "chat"
max_output = 96
price = "unknown"
[policy]
thresholds = { small = 0.0 }
[retrieval]
enabled = false
[history]
url = "none"
[budget]
deadline_s = 60
[live]
gates = { small = "live.json" }
"""
TOPICS = ("rain", "bread", "bridges", "bees", "glass", "tides", "paper", "clocks", "salt", "wind")


def sureness(generation: Generation) -> float:
    """What the policy reads of the whole draft."""
    found = Perplexity().estimate(Evidence("", generation))
    return found.value if isinstance(found, Signal) else 0.0


def worth(held: Sequence[ReadDraft], threshold: float | None) -> str:
    """What a threshold does to the drafts that it has not seen."""
    if threshold is None:
        return "nothing can be promised"
    places = [one.shown_at(threshold) for one in held]
    shown = [(one, at) for one, at in zip(held, places, strict=True) if at is not None]
    if not shown:
        return f"from {threshold:.3f}: none shown"
    bad = sum(not one.correct for one, _ in shown)
    low, high = wilson_interval(bad, len(shown))
    live = sum(one.tokens - at for one, at in shown) / sum(one.tokens for one in held)
    first = statistics.median(at / one.tokens for one, at in shown)
    return (
        f"from {threshold:.3f}: shown {len(shown) / len(held):.1%}, overruled "
        f"{bad / len(shown):.1%} [{low:.1%}, {high:.1%}], tokens live {live:.1%}, first word after "
        f"{first:.0%} of the draft"
    )


def promises(found: Sequence[Generation], risk: float) -> None:
    """Fit on even drafts, judge on odd ones."""
    whole = [sureness(one) for one in found]
    bar = statistics.median(whole[::2])
    labels = [value >= bar for value in whole]
    print(f"{len(found)} drafts; the policy takes those from {bar:.3f} on, {sum(labels)} of them")
    for positions in ("sentence", "tokens:8", "tokens:16"):
        for signal in ("perplexity", "min_token_prob", "mean_token_entropy"):
            reader = step_reader(signal, positions)
            read = [
                read_prefixes(reader, LabeledDraft(one.tokens, label))
                for one, label in zip(found, labels, strict=True)
            ]
            fit = fit_release(read[::2], alpha=risk, delta=0.1)
            print(f"{positions:9} {signal:18} fitted  {worth(read[1::2], fit.threshold)}")
            if signal == "perplexity":
                print(f"{positions:9} {signal:18} plain   {worth(read[1::2], bar)}")


async def seconds(
    client: httpx.AsyncClient, topic: str, *, live: bool
) -> tuple[float, float, bool]:
    """To the first byte of a body and to the last, and whether it was sent live."""
    messages = [{"role": "user", "content": f"Explain {topic} to a child, in five sentences."}]
    body = {"model": "surefoot", "messages": messages, "stream": True, "surefoot": {"live": live}}
    began, first = time.perf_counter(), 0.0
    async with client.stream("POST", "/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        async for _ in response.aiter_raw():
            first = first or time.perf_counter() - began
        return first, time.perf_counter() - began, "x-surefoot-live" in response.headers


async def times(folder: Path) -> None:
    """The service on a local model, one request after the other."""
    gate = PrefixGateFile("live", "perplexity", 1, "sentence", 0.0, retrieved=False)
    save_prefix_gate(gate, folder / "live.json")
    around = Surroundings(folder, Places(folder / "cache", folder / "data"), {})
    server = GracefulServer(Gateway(build(parse_settings(SERVED), around)), handles_signals=False)
    listener = listening_socket("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=120.0) as client:
        await seconds(client, "light", live=False)
        for live in (False, True):
            took = [await seconds(client, topic, live=live) for topic in TOPICS]
            firsts, wholes = [one[0] for one in took], [one[1] for one in took]
            print(
                f"live {'on ' if live else 'off'}: first byte after "
                f"{statistics.median(firsts):.2f} s, last after {statistics.median(wholes):.2f} s "
                f"(medians of {len(took)}); {sum(one[2] for one in took)} sent live"
            )
    server.should_exit = True
    await serving


def main() -> None:
    """Parse the command line and run all parts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--problems", type=int, default=600)
    parser.add_argument("--risk", type=float, default=0.1)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    found = asyncio.run(drafts(1, args.problems, folder / "large.jsonl"))
    promises([generation for _, generation, _ in found], args.risk)
    with tempfile.TemporaryDirectory() as place:
        asyncio.run(times(Path(place)))


if __name__ == "__main__":
    main()
