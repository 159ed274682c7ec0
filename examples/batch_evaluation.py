"""Many questions at once, graded: how often right, and whether confidence tells right from wrong.

    python examples/batch_evaluation.py                       # 24 of the demo's questions
    python examples/batch_evaluation.py questions.jsonl --most 200

A line of the file is {"question": ..., "answers": [accepted, ...]}. Every question is drafted by
the local model, a few of them under way at a time; the gate lets everything through, so that all
drafts can be graded. Prints accuracy, AUROC of the confidence, and accuracy of the surer half,
which say nothing where the questions are few. `surefoot record`, `fit` and `replay` do this
thoroughly: for all tiers, with calibration, and with intervals. Needs the extra `local` and the
weights.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from surefoot import build, parse_settings
from surefoot.graphs.config import demo_folder
from surefoot.router.critic.labels import label_answer
from surefoot.router.metrics.ranking import auroc

SETTINGS = """
[[tiers]]
name = "small"
model = "local:smollm2-135m"
price = { input = 0.1, output = 0.1 }
[policy]
thresholds = { small = 0.0 }
[retrieval]
enabled = false
[history]
url = "none"
"""
AT_ONCE = 4


async def evaluate(questions: list[dict[str, object]]) -> list[tuple[float, int]]:
    """Confidence, and 1 for right, of every question that was answered."""
    built = build(parse_settings(SETTINGS))
    room = asyncio.Semaphore(AT_ONCE)

    async def grade(row: dict[str, object]) -> tuple[float, int] | None:
        async with room:
            result = await built.router.ask(str(row["question"]))
        if result.answer is None or result.confidence is None:
            return None
        accepted = [str(one) for one in row["answers"]]  # type: ignore[attr-defined]  # a list
        return result.confidence, int(label_answer(result.answer, accepted).contains)

    try:
        graded = await asyncio.gather(*(grade(row) for row in questions))
    finally:
        await built.router.aclose()
    return [one for one in graded if one is not None]


def main(file: Path, most: int) -> list[tuple[float, int]]:
    """Evaluate, and print what came of it."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    graded = asyncio.run(evaluate(rows[:: max(1, len(rows) // most)][:most]))
    scores, right = [one for one, _ in graded], [one for _, one in graded]
    surer = sorted(graded, reverse=True)[: len(graded) // 2]
    print(f"{len(graded)} answered, {sum(right) / len(right):.0%} of them right")
    print(f"AUROC of the confidence: {auroc(scores, right)}")
    print(f"of the surer half {sum(one for _, one in surer) / len(surer):.0%} right")
    return graded


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=demo_folder() / "questions.jsonl")
    parser.add_argument("--most", type=int, default=24, help="Questions at most.")
    given = parser.parse_args()
    main(given.file, given.most)
