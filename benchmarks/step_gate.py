"""A step gate on a real local model: what it stops, what it saves, what it loses.

    python benchmarks/step_gate.py [--problems N] [--lost L] [--folder DIR]

Gemma 3 270M, after two examples, works out word problems of arithmetic, made up here with known
results, in several sentences. Half of the answers fit the gate's threshold (`surefoot fit-steps`),
for each way to part an answer and each signal of a step; the other half says what it is worth,
beside a gate that stops as many answers at random and beside the signals of the whole answer. Then
SmolLM2 135M drafts, and where its gate stops it Gemma goes on from there, beside what Gemma writes
anew.
Drafts are kept in DIR, so that a run that was broken off goes on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import tempfile
import time
from pathlib import Path
from typing import Any

from surefoot import build, parse_settings
from surefoot.policies.prefix_gate_file import step_reader
from surefoot.policies.step_fit import LabeledDraft, Walked, fit_steps, walk
from surefoot.policies.step_gate import StepGate, StepRule
from surefoot.router.decisions import Rung
from surefoot.router.estimators.catalogue import estimator
from surefoot.router.evidence import Evidence, Generation
from surefoot.router.metrics import auroc, wilson_interval
from surefoot.router.protocols import ModelCall, Prompt
from surefoot.router.requests import Stop
from surefoot.router.signals import Signal
from surefoot.router.wire import decode, encode

NAMES = ("Ann", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Henry")
THINGS = ("pens", "apples", "books", "cards", "coins", "eggs", "cups", "stamps")
SHOWN = """Problems and how they are worked out.

Problem: Mia has 4 bags with 3 shells each, and finds 5 more shells. How many shells does Mia have?
Solution: Each of the 4 bags holds 3 shells. That makes 4 * 3 = 12 shells. Mia finds 5 more. \
12 + 5 = 17. Answer: 17

Problem: Leo has 8 stones and buys 6 more. Then Leo gives 5 away. How many stones does Leo have \
now?
Solution: Leo begins with 8 stones. With 6 more there are 8 + 6 = 14. Leo gives 5 away. 14 - 5 = \
9. Answer: 9

Problem: {}
Solution:"""
SETTINGS = """
[[tiers]]
name = "small"
model = "local:smollm2-135m"
max_output = 160
price = { input = 0.0135, output = 0.0135 }
[[tiers]]
name = "large"
model = "local:gemma3-270m"
max_output = 160
price = { input = 0.027, output = 0.027 }
[signals]
free = ["perplexity"]
[policy]
thresholds = { small = 0.0, large = 0.0 }
[retrieval]
enabled = false
[history]
url = "none"
"""


def problem(number: int) -> tuple[str, int]:
    """A problem of two steps and its result."""
    draw = random.Random(number)
    name, thing = draw.choice(NAMES), draw.choice(THINGS)
    a, b, c = draw.randint(2, 9), draw.randint(2, 9), draw.randint(1, 9)
    if draw.random() < 0.5:
        text = f"{name} has {a} {thing} and buys {b} more. Then {name} gives {c} away."
        return f"{text} How many {thing} does {name} have now?", a + b - c
    text = f"{name} has {a} boxes with {b} {thing} each, and finds {c} more {thing}."
    return f"{text} How many {thing} does {name} have?", a * b + c


def is_right(text: str, result: int) -> bool:
    """Whether the last number of the answer's last marked line is the result."""
    marked = re.findall(r"[Aa]nswer\W*(-?\d[\d,]*)", text) or re.findall(r"-?\d[\d,]*", text)
    return bool(marked) and marked[-1].replace(",", "") == str(result)


async def drafts(tier: int, problems: int, file: Path) -> list[tuple[int, Generation, float]]:
    """Every problem's draft with the seconds that it took; those of earlier runs are read."""
    known: dict[int, Any] = {}
    if file.exists():
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        known = {row["n"]: row for row in rows}
    router = build(parse_settings(SETTINGS)).router
    model = router.performer.models[tier]
    with file.open("a") as out:
        for n in range(problems):
            if n in known:
                continue
            text, _ = problem(n)
            prompt = Prompt(SHOWN.format(text), stop=("\n",))
            began = time.perf_counter()
            done = await model.generate(ModelCall(prompt, max_tokens=100, top_logprobs=10))
            row = {
                "n": n,
                "s": time.perf_counter() - began,
                "generation": encode(done.generations[0]),
            }
            known[n] = row
            out.write(json.dumps(row) + "\n")
            out.flush()
            if n % 50 == 49:
                print(f"tier {tier}: {n + 1} of {problems}", flush=True)
    await router.aclose()
    return [
        (n, decode(Generation, row["generation"]), row["s"])
        for n, row in sorted(known.items())
        if n < problems
    ]


def gate(found: list[tuple[int, Generation, float]], lost: float) -> None:
    """Fit on even problems, judge on odd ones."""
    labeled = [
        (n, LabeledDraft(generation.tokens, is_right(generation.text, problem(n)[1])))
        for n, generation, _ in found
    ]
    right = sum(one.correct for _, one in labeled)
    lengths = sum(len(one.tokens) for _, one in labeled) / len(labeled)
    print(f"\n{len(labeled)} drafts, {right} right, {lengths:.0f} tokens in the mean")
    held = [(n, generation) for n, generation, _ in found if n % 2]
    truth = [int(is_right(generation.text, problem(n)[1])) for n, generation in held]
    for name in ("perplexity", "min_token_prob", "mean_token_entropy", "mmboundary"):
        read = [estimator(name).estimate(Evidence("", one)) for _, one in held]
        scores = [one.score if isinstance(one, Signal) else -99.0 for one in read]
        print(f"whole answer, {name}: AUROC {auroc(scores, truth):.3f}")
    print("| steps | signal | AUROC | right stopped | wrong stopped | tokens saved | at random |")
    for positions in ("sentence", "line", "tokens:16", "entropy"):
        for signal in ("mmboundary", "min_token_prob"):
            reader = step_reader(signal, positions)
            walks = [(n, walk(reader, one)) for n, one in labeled]
            fit = fit_steps([one for n, one in walks if n % 2 == 0], lost=lost, delta=0.1)
            rest = [one for n, one in walks if n % 2]
            print(f"| {positions} | {signal} | {_line(rest, fit.threshold)} |")


def _line(rest: list[Walked], threshold: float) -> str:
    right = [one for one in rest if one.correct]
    wrong = [one for one in rest if not one.correct]
    stopped = [one.stopped_at(threshold) for one in rest]
    saved = sum(one.tokens - (at or one.tokens) for one, at in zip(rest, stopped, strict=True))
    ranks = auroc([min(one.weakest, 2.0) for one in rest], [int(one.correct) for one in rest])
    lost = sum(one.stopped_at(threshold) is not None for one in right)
    caught = sum(one.stopped_at(threshold) is not None for one in wrong)
    share = (lost + caught) / len(rest)
    return (
        f"{ranks:.3f} | {lost}/{len(right)} | {caught}/{len(wrong)} ({caught / len(wrong):.1%}) | "
        f"{saved / sum(one.tokens for one in rest):.1%} | {share:.1%} of wrong"
    )


async def cascade(folder: Path, problems: int, lost: float) -> None:
    """Gemma's answers to held-out problems, its own and those that SmolLM2 began."""
    small = await drafts(0, problems, folder / "small.jsonl")
    large = {
        n: generation for n, generation, _ in await drafts(1, problems, folder / "large.jsonl")
    }
    reader = step_reader("mmboundary", "sentence")
    known = [(n, LabeledDraft(g.tokens, is_right(g.text, problem(n)[1]))) for n, g, _ in small]
    fit = fit_steps([walk(reader, one) for n, one in known if n % 2 == 0], lost=lost, delta=0.1)
    gate = StepGate({0: StepRule(reader, fit.threshold)})
    router = build(parse_settings(SETTINGS)).router
    anew, finished, tokens_anew, tokens_finished = [], [], 0, 0
    for n, generation, _ in small:
        verdict = gate.judge(Rung(0, 0, False), generation.tokens, 0)
        if n % 2 == 0 or not isinstance(verdict, Stop) or not verdict.keep:
            continue
        text, result = problem(n)
        begun = "".join(token.token for token in generation.tokens[: verdict.keep])
        prompt = Prompt(f"{SHOWN.format(text)} {begun.strip()}", stop=("\n",))
        done = await router.performer.models[1].generate(ModelCall(prompt, max_tokens=100))
        finished.append(is_right(f"{begun} {done.generations[0].text}", result))
        anew.append(is_right(large[n].text, result))
        tokens_finished += done.tokens_out
        tokens_anew += len(large[n].tokens)
    await router.aclose()
    right = sum(one.correct for n, one in known if n % 2)
    print(f"\nSmolLM2 alone: {right} of {len(known) // 2} right; threshold {fit.threshold:.3f}")
    print(f"stopped with something to go on from: {len(finished)}")
    for words, hits, tokens in (
        ("Gemma writes anew", anew, tokens_anew),
        ("Gemma goes on", finished, tokens_finished),
    ):
        if hits:
            low, high = wilson_interval(sum(hits), len(hits))
            share = sum(hits) / len(hits)
            print(f"{words}: {share:.1%} [{low:.1%}, {high:.1%}] right, {tokens:,} tokens written")


def main() -> None:
    """Draft, fit, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=600)
    parser.add_argument("--lost", type=float, default=0.1)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    folder = asked.folder or Path(tempfile.mkdtemp())
    found = asyncio.run(drafts(1, asked.problems, folder / "large.jsonl"))
    gate(found, asked.lost)
    asyncio.run(cascade(folder, asked.problems, asked.lost))


if __name__ == "__main__":
    main()
