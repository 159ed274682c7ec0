"""Recorded answers of three ways of retrieving as states of a critic: one thread a question."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from surefoot.router.critic.labels import label_answer
from surefoot.router.critic.states import CriticState, StateRecord
from surefoot.router.tables import read_lines

__all__ = ["STAGES", "answer_states"]

STAGES = (("nor", 1.0), ("oner", 1.0), ("ircot", 3.35))
"""Closed book, one retrieval, iterative retrieval; and the model calls that each adds. How many
steps an iterative run took is not recorded: its mean elsewhere is charged."""


def answer_states(path: Path, *, reasons: bool = True) -> Iterator[StateRecord]:
    """The states of a file of recorded rounds, without passages: nobody kept which were shown.

    Args:
        reasons: whether the chain of thought of the closed-book answer stands in every state.
    """
    for _, row in read_lines(path):
        previous: tuple[str, ...] = ()
        for round_, (stage, calls) in enumerate(STAGES):
            answer = str(row[stage])
            gold = tuple(map(str, row["gold"]))
            state = CriticState(
                str(row["question"]),
                answer,
                str(row["nor_cot"]) if reasons else "",
                round=round_,
                previous_answers=previous,
            )
            yield StateRecord(
                f"{row['dataset']}/{row['qid']}",
                state,
                gold,
                label_answer(answer, gold),
                {"dataset": str(row["dataset"]), "calls": calls},
            )
            previous = (*previous, answer)
