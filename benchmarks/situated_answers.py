"""The tier's own answer against the one from passages: what the margin rule is worth.

`python benchmarks/situated_answers.py [FILE]` reads recorded answers without and with one retrieval
(llama8b_rounds_dev.jsonl.gz), trains the critic on one half of the questions and scores the other
half with it, both ways, and prints the share right of each rule with a question-bootstrap interval.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from critic_data import answer_states

from surefoot.adapters.critics import default_critic
from surefoot.router.answers import answer_class
from surefoot.router.critic.default_recipe import default_recipe
from surefoot.router.critic.fit_critic import train_feature_critic
from surefoot.router.critic.states import StateRecord

MARGINS = (0.0, 0.05, 0.1, 0.2, 0.3)
DRAWS = 2000

Pair = tuple[float, bool, float, bool, bool]
"""Estimate and rightness without passages, then with them; and whether the answers are the same."""


def pairs(records: list[StateRecord]) -> list[Pair]:
    """One a question, each scored by a critic that did not see it."""
    threads: dict[str, dict[int, StateRecord]] = {}
    for record in records:
        threads.setdefault(record.thread_id, {})[record.state.round] = record
    groups = sorted({record.group for record in records})
    random.Random(0).shuffle(groups)
    half = set(groups[: len(groups) // 2])
    found: list[Pair] = []
    for inside in (True, False):
        seen = [record for record in records if (record.group in half) is inside]
        recipe = default_recipe(1.0, 0, "em")
        critic = train_feature_critic(seen, recipe, base=default_critic(), data="half")
        for rounds in threads.values():
            own, shown = rounds[0], rounds[1]
            if (own.group in half) is inside:
                continue
            p, q = (verdict.p_accept or 0.0 for verdict in critic.judge([own.state, shown.state]))
            same = answer_class(own.state.answer) == answer_class(shown.state.answer)
            found.append((p, bool(own.labels.em), q, bool(shown.labels.em), same))
    return found


def right(pair: Pair, margin: float | None) -> bool:
    """Whether the rule serves a right answer; None always trusts the passages."""
    p, own, q, shown, same = pair
    return own if margin is not None and not same and p - q > margin else shown


def main(file: Path) -> None:
    """Print a line for each rule."""
    found = pairs(list(answer_states(file)))
    rng = random.Random(1)
    draws = [rng.choices(range(len(found)), k=len(found)) for _ in range(DRAWS)]
    rules: dict[str, list[bool]] = {
        "never passages": [pair[1] for pair in found],
        "always passages": [right(pair, None) for pair in found],
        "best with hindsight": [pair[1] or pair[3] for pair in found],
    }
    rules |= {f"margin {margin}": [right(pair, margin) for pair in found] for margin in MARGINS}
    always = rules["always passages"]
    for name, hits in rules.items():
        gain = [hit - other for hit, other in zip(hits, always, strict=True)]
        spread = sorted(sum(gain[i] for i in draw) / len(found) for draw in draws)
        low, high = spread[int(0.025 * DRAWS)], spread[int(0.975 * DRAWS)]
        print(f"{name}: {sum(hits) / len(hits):.3f}, {low:+.3f} to {high:+.3f} beside always")


if __name__ == "__main__":
    data = Path(
        sys.argv[1] if len(sys.argv) > 1 else "../shared/data/rag/llama8b_rounds_dev.jsonl.gz"
    )
    if not data.is_file():
        sys.exit(f"{data} is not here: name the file of recorded answers")
    main(data)
