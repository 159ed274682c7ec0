"""What the ways of making states share: what was asked for, what came of it, how it is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..router.errors import UsageError

if TYPE_CHECKING:
    from ..policies.questions import Question
    from ..router.critic.states import StateRecord

__all__ = ["Asked", "Done", "questions_of", "show_practiced", "write_states"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    questions: Path | None
    target: Path
    rounds: int | None
    tiers: tuple[str, ...]
    split: str | None
    per_topic: int | None
    parallel: int
    outcomes: Path | None
    yes: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class Done:
    """What a practice came to; the document of --json.

    Attributes:
        failed: threads of which nothing was written.
        left_out: questions and threads that repeat another.
        went_on_after: threads that an interrupted run had finished.
    """

    threads: int
    states: int
    failed: int
    left_out: int
    went_on_after: int
    calls: int
    cost: float
    out: str
    outcomes: str | None
    seconds: float


def questions_of(asked: Asked) -> tuple[Question, ...]:
    """The questions that the command line chooses.

    Raises:
        UsageError: no file is named.
        BadInput: the file holds no such questions.
    """
    from ..policies.questions import read_questions, round_robin

    if asked.questions is None:
        raise UsageError("name the questions with --questions")
    return round_robin(read_questions(asked.questions, asked.split), asked.per_topic)


def write_states(records: Iterable[StateRecord], target: Path) -> None:
    """All states, in one step.

    Raises:
        StoreError: the file cannot be written.
    """
    from ..router.critic.states_file import state_row
    from ..router.tables import json_line
    from .part_file import PartFile

    with PartFile(target, {"work": "states of recorded runs"}) as part:
        if part.is_of_other_work():
            raise UsageError(f"{part.path} is of an unfinished practice; name another --out")
        part.keep(0)
        part.write(b"".join(json_line(state_row(record)) for record in records))
        part.finish()


def show_practiced(done: Done, asked: Asked) -> None:
    """The result, for people or programs."""
    from .console import out, print_json
    from .screen import cost_words

    if asked.as_json:
        print_json({**asdict(done), "seconds": round(done.seconds, 1)})
        return
    console = out()
    console.print(f"{done.states} states of {done.threads} threads: {done.out}")
    if done.calls:
        console.print(f"{done.calls} calls in {done.seconds:.0f} s, {cost_words(done.cost)}")
    if done.left_out:
        console.print(f"{done.left_out} that repeat another were left out")
    if done.outcomes is not None:
        console.print(f"outcome table: {done.outcomes}")
    if done.failed:
        console.print(f"{done.failed} threads failed; the same command tries them again")
