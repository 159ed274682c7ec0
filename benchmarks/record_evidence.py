"""Record labelled evidence from the demo's local models: what token-level estimators are judged on.

    python benchmarks/record_evidence.py OUT.jsonl [--tier 1] [--per-topic 3] [--samples 5]

For each question: the answer with passages (top-20 logprobs), samples of the same prompt, the
answer without passages, and what the other tier answers. A question takes 3 to 8 s on two cores;
run again, it goes on where it ended.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from surefoot.graphs.config import Surroundings, build, demo_folder, demo_settings, without_policy
from surefoot.policies.questions import Question, is_right, read_questions, round_robin
from surefoot.router.evidence import Evidence, Generation, Passage
from surefoot.router.perform import Performer, RunView, Session
from surefoot.router.requests import Draft, Drafted, Retrieve, Retrieved, Sample, Sampled
from surefoot.router.wire import encode


class Recorder:
    """Asks the demo's models everything that an evidence record can hold."""

    def __init__(self, performer: Performer, tier: int, samples: int) -> None:
        self.performer = performer
        self.tier = tier
        self.samples = samples

    async def record(self, question: Question) -> Evidence:
        """One question's evidence."""
        view = RunView(question.question)
        found = await self.performer.perform(Retrieve(question.question, 3), Session(), run=view)
        assert isinstance(found.outcome, Retrieved), found.outcome
        passages = found.outcome.passages
        sampled = await self.performer.perform(
            Sample(self.tier, self.samples, passages), Session(), run=view
        )
        assert isinstance(sampled.outcome, Sampled), sampled.outcome
        other = 1 - self.tier
        return Evidence(
            question.question,
            await self._draft(self.tier, passages, view),
            question.id,
            sampled.outcome.generations,
            passages,
            without_context=await self._draft(self.tier, (), view),
            peers={self.performer.plan.tiers[other].name: await self._draft(other, passages, view)},
        )

    async def _draft(self, tier: int, passages: Sequence[Passage], view: RunView) -> Generation:
        reply = await self.performer.perform(Draft(tier, tuple(passages)), Session(), run=view)
        assert isinstance(reply.outcome, Drafted), reply.outcome
        return reply.outcome.generation


def record_all(questions: Sequence[Question], out: Path, tier: int, samples: int) -> None:
    """Append a line a question that `out` does not hold yet."""
    settings, folder = demo_settings()
    signals = settings.signals.model_copy(update={"top_logprobs": 20})
    settings = without_policy(settings.model_copy(update={"signals": signals}))
    done = set()
    if out.exists():
        done = {json.loads(line)["id"] for line in out.read_text(encoding="utf-8").splitlines()}
    with build(settings, Surroundings(folder)).router as router, out.open("a") as file:
        recorder = Recorder(router.performer, tier, samples)

        async def all_of_them() -> None:
            for number, question in enumerate(questions, start=1):
                if question.id in done:
                    continue
                evidence = await recorder.record(question)
                label = is_right(evidence.greedy.text, question.answers)
                row = {"correct": int(label), **encode(replace(evidence, id=question.id))}
                file.write(json.dumps(row) + "\n")
                file.flush()
                print(f"{number}/{len(questions)} {question.id} {label}", flush=True)

        asyncio.run(all_of_them())


def main() -> None:
    """Read the command line and record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--tier", type=int, default=1)
    parser.add_argument("--per-topic", type=int, default=3)
    parser.add_argument("--samples", type=int, default=5)
    given = parser.parse_args()
    questions = read_questions(demo_folder() / "questions.jsonl")
    record_all(round_robin(questions, given.per_topic), given.out, given.tier, given.samples)


if __name__ == "__main__":
    main()
