"""How long the shipped critic takes: `python benchmarks/critic_speed.py STATES`.

One state at a time, with passages that no cache has seen, and 16 at once; CPU time of one thread.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

from surefoot.adapters.critics import default_critic
from surefoot.router.critic.states import CriticState
from surefoot.router.critic.states_file import read_states


def fresh(state: CriticState, number: int) -> CriticState:
    """The same state with texts that no cache has seen."""
    passages = [replace(one, text=f"{one.text} {number}") for one in state.passages]
    return replace(state, answer="Paris", previous_answers=("Rome",), passages=tuple(passages))


def main() -> None:
    """Measure and print."""
    critic = default_critic()
    states = [one.state for one in read_states(Path(sys.argv[1])) if len(one.state.passages) == 10]
    single, batch = [], []
    for number, state in enumerate(states[:300]):
        one = fresh(state, number)
        began = time.process_time()
        critic.judge([one])
        single.append(1000.0 * (time.process_time() - began))
    for number in range(20):
        several = [fresh(state, 1000 + number) for state in states[:16]]
        began = time.process_time()
        critic.judge(several)
        batch.append(1000.0 * (time.process_time() - began))
    single.sort()
    print(f"one state of 10 passages: p50 {median(single):.2f} ms, p95 {single[284]:.2f} ms")
    print(f"16 states at once: p50 {median(batch):.1f} ms")


if __name__ == "__main__":
    main()
