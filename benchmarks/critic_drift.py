"""How often a drift of the critic's features is seen: `python benchmarks/critic_drift.py [DATA]`.

Questions are parted at random: a reference is made of some, and others are held against it, of the
same set (where an alarm is false) and of the other set (where it is right).
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from pathlib import Path

from critic_data import answer_states

from surefoot.adapters.critics import default_critic
from surefoot.router.critic.drift_tally import FeatureTally
from surefoot.router.critic.feature_critic import critic_features
from surefoot.router.critic.feature_reference import (
    FeatureReference,
    SeenState,
    round_reference,
)
from surefoot.router.critic.states import StateRecord
from surefoot.router.critic.states_file import read_states
from surefoot.router.evidence import CriticVerdict

TIMES = 50
LEVEL = 0.01


def main() -> None:
    """Count alarms."""
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("../shared/data/rag")
    print("states, reference, against, questions of each, live, alarms")
    found = {
        name: [
            record
            for record in read_states(data / f"states_{name}_dev.jsonl.gz")
            if record.extra["mode"] == "depth"
        ]
        for name in ("hotpotqa", "2wikimultihopqa")
    }
    for one, other in (("hotpotqa", "2wikimultihopqa"), ("2wikimultihopqa", "hotpotqa")):
        _tell("sufficient", one, found[one], one, found[one])
        _tell("sufficient", one, found[one], other, found[other])
    by_set: dict[str, list[StateRecord]] = {}
    for record in answer_states(data / "llama8b_rounds_dev.jsonl.gz"):
        by_set.setdefault(str(record.extra["dataset"]), []).append(record)
    names = sorted(by_set)
    for one, other in zip(names, [*names[1:], names[0]], strict=True):
        _tell("accept", one, by_set[one], one, by_set[one])
        _tell("accept", one, by_set[one], other, by_set[other])


def _tell(
    head: str, name: str, known: Sequence[StateRecord], of: str, new: Sequence[StateRecord]
) -> None:
    before, now = _seen(known), _seen(new)
    for live in (50, 100, 200):
        alarms = sum(_has_alarm(head, before, now, live, seed) for seed in range(TIMES))
        print(f"{head}, {name}, {of}, 250, {live}, {alarms} of {TIMES}", flush=True)


_KNOWN: dict[int, list[SeenState]] = {}


def _seen(records: Sequence[StateRecord]) -> list[SeenState]:
    if id(records) not in _KNOWN:
        _KNOWN[id(records)] = [
            SeenState(
                record.group,
                record.thread_id,
                record.state.round,
                critic_features(record.state),
            )
            for record in records
        ]
    return _KNOWN[id(records)]


def _has_alarm(
    head: str, before: Sequence[SeenState], now: Sequence[SeenState], live: int, seed: int
) -> bool:
    rng, critic = random.Random(seed), default_critic()
    questions = sorted({state.group for state in before})
    rng.shuffle(questions)
    known = set(questions[:250])
    others = sorted({state.group for state in now} - known)
    rng.shuffle(others)
    shown = set(others[:live])
    states = [state for state in before if state.group in known]
    of = critic.accept if head == "accept" else critic.sufficient
    reference = FeatureReference(
        {
            head: tuple(
                round_reference(states, round_, of.names_at(round_))
                for round_ in sorted({state.round for state in states})
            )
        }
    )
    tally = FeatureTally(reference)
    for state in now:
        if state.group in shown:
            tally.add(
                state.group,
                state.round,
                CriticVerdict(0.5, 0.5),
                lambda state=state: state.values,  # type: ignore[misc]
            )
    return tally.check(LEVEL).status == "drifted"


if __name__ == "__main__":
    main()
