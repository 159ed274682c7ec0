"""A critic on questions of another data set: its calibration error before and after recalibration.

`python benchmarks/critic_recalibration.py [DATA]` trains on HotpotQA's states, recalibrates on one
state each of N questions of 2WikiMultiHopQA, drawn 20 times, and judges on all other questions; and
the other way around. DATA is the folder of the states, ../shared/data/rag by default.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from statistics import median

from surefoot.adapters.critics import default_critic
from surefoot.router.critic.default_recipe import default_recipe
from surefoot.router.critic.evaluation import JudgedRow, judged_rows
from surefoot.router.critic.fit_critic import train_feature_critic
from surefoot.router.critic.recalibrating import bend_at, fit_bends
from surefoot.router.critic.states_file import read_states
from surefoot.router.metrics.reliability import ece

DRAWS = 20
SETS = ("hotpotqa", "2wikimultihopqa")


def error_after(rows: list[JudgedRow], n: int, rng: random.Random) -> float:
    """Of the questions that were not drawn."""
    by_question: dict[str, list[JudgedRow]] = {}
    for row in rows:
        by_question.setdefault(row.record.group, []).append(row)
    drawn = rng.sample(sorted(by_question), n)
    few = [rng.choice(by_question[question]) for question in drawn]
    bends = fit_bends(
        [row.p for row in few],
        [row.label for row in few],
        [row.record.state.round for row in few],
    )
    chosen = set(drawn)
    rest = [row for row in rows if row.record.group not in chosen]
    stated = [bend_at(bends, row.record.state.round).at(row.p) for row in rest]
    found = ece(stated, [row.label for row in rest])
    assert isinstance(found, float)
    return found


def main(folder: Path) -> None:
    """Print a line for each direction and number of labels."""
    states = {name: list(read_states(folder / f"states_{name}_dev.jsonl.gz")) for name in SETS}
    for source, target in (SETS, SETS[::-1]):
        recipe = default_recipe(1.0, 0, "accept")
        critic = train_feature_critic(states[source], recipe, base=default_critic(), data=source)
        records = states[target]
        rows = judged_rows(records, critic.judge([one.state for one in records]), "sufficient")
        before = ece([row.p for row in rows], [row.label for row in rows])
        print(f"{source} -> {target}: {before:.3f} before")
        for n in (50, 100, 200):
            rng = random.Random(n)
            found = sorted(error_after(rows, n, rng) for _ in range(DRAWS))
            print(f"  {n} labels: {median(found):.3f} [{found[0]:.3f}, {found[-1]:.3f}]")


if __name__ == "__main__":
    data = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/rag")
    if not data.is_dir():
        sys.exit(f"{data} is not here: name the folder of the states")
    main(data)
