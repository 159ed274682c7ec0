"""The states that a `critic` command was given, from one file or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..router.critic.states import StateRecord
from ..router.critic.states_file import read_states
from ..router.errors import BadInput

__all__ = ["read_all_states"]


def read_all_states(files: Sequence[Path]) -> list[StateRecord]:
    """All states in order.

    Raises:
        BadInput: a file cannot be read, holds no state or a line that is none, or two states of a
            thread have the same round and number of passages, and differ; the same state twice is
            kept once.
    """
    found: dict[tuple[str, int, int], StateRecord] = {}
    for file in files:
        is_empty = True
        for record in read_states(file):
            is_empty = False
            key = (record.thread_id, record.state.round, len(record.state.passages))
            earlier = found.get(key)
            if earlier is not None and earlier.state != record.state:
                raise BadInput(
                    f"thread {record.thread_id!r} has another state of round {record.state.round} "
                    "before",
                    file=str(file),
                    line=record.line,
                    field="thread_id",
                )
            found[key] = record if earlier is None else earlier
        if is_empty:
            raise BadInput("there is no state", file=str(file))
    return list(found.values())
