"""Train the critic that ships: `python benchmarks/train_default_critic.py DATA [--out FILE]`.

DATA is the folder with the recorded states and rounds. Of the answers an exact match counts as
right, since the recorded figures that this critic is held against count so.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from critic_data import answer_states

import surefoot
from surefoot.router.critic.default_recipe import default_recipe
from surefoot.router.critic.feature_critic_file import feature_critic_text
from surefoot.router.critic.fit_critic import train_feature_critic
from surefoot.router.critic.states_file import read_states
from surefoot.router.tables import write_atomically

WORDS = (
    "states of 1,000 HotpotQA and 2WikiMultiHopQA questions (BM25 over a closed pool, no language "
    "model) for p(sufficient); answers of Llama-3.1-8B-Instruct to 3,000 questions of six sets, "
    "without their passages, for p(accept), where an exact match counts as right"
)


def main() -> None:
    """Read, train, write, and say how long it took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    default = Path(surefoot.__file__).parent / "router" / "critic" / "default_critic.json"
    parser.add_argument("--out", type=Path, default=default)
    asked = parser.parse_args()
    records = [
        record
        for name in ("hotpotqa", "2wikimultihopqa")
        for record in read_states(asked.data / f"states_{name}_dev.jsonl.gz")
    ]
    records += answer_states(asked.data / "llama8b_rounds_dev.jsonl.gz")
    began = time.process_time()
    critic = train_feature_critic(records, default_recipe(label="em"), data=WORDS)
    write_atomically(asked.out, feature_critic_text(critic))
    seconds = time.process_time() - began
    print(f"{critic.version}: {asked.out.stat().st_size:,} bytes, {seconds:.0f} s of CPU")
    for target, numbers in critic.card["metrics"].items():
        print(target, numbers)


if __name__ == "__main__":
    main()
