"""States of a critic from a finished run: one for every attempt that wrote an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..decisions import Attempt, Result, TrailStep
from ..evidence import Passage
from ..signals import Signal
from .labels import answer_words, label_answer
from .states import CriticState, StateRecord

__all__ = ["Gold", "states_of_result", "without_duplicates"]


@dataclass(frozen=True, slots=True)
class Gold:
    """What is known of a question's right answer.

    Attributes:
        answers: accepted forms; () where unknown, and the answer's labels are None then.
        titles: of the passages that hold the evidence; () where unknown, and `sufficient` is None.
    """

    answers: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()

    def sufficient(self, passages: Sequence[Passage]) -> bool | None:
        """Whether every title is among the passages' titles; case and outer space do not count."""
        if not self.titles:
            return None
        shown = {_title(one.title) for one in passages}
        return all(_title(title) in shown for title in self.titles)


def states_of_result(
    result: Result,
    gold: Gold,
    *,
    thread: Callable[[int], str] | None = None,
    models: Sequence[str] = (),
) -> Iterator[StateRecord]:
    """The states of a run in the order in which its attempts were made; an answer that is not
    whole is "".

    Attempts of each tier are a thread of their own; where a tier drafted twice in a round, the
    later draft stands. An attempt sees as earlier answers all that were given before it in the run.
    What each took (`calls`, `cost`, `latency_s`, with the query and the search before it), its tier
    and signals stand in the record's extra fields.

    Args:
        thread: the thread's id by tier number; `RUN/TIER` where None.
        models: by tier number.
    """
    name = thread or (lambda tier: f"{result.run_id}/{tier}")
    used = _used(result)
    found: dict[tuple[int, int], StateRecord] = {}
    earlier: list[str] = []
    for attempt in result.attempts:
        state = _state(result, attempt, tuple(earlier))
        earlier.append(attempt.text)
        labels = label_answer(state.answer, gold.answers, gold.sufficient(state.passages))
        extra = {
            **used.get(attempt.id, {}),
            "tier": attempt.tier,
            "finish_reason": attempt.finish_reason,
            "signals": {
                key: reading.value if isinstance(reading, Signal) else None
                for key, reading in attempt.signals.items()
            },
        }
        if attempt.tier < len(models):
            extra["model"] = models[attempt.tier]
        record = StateRecord(name(attempt.tier), state, gold.answers, labels, extra)
        found[attempt.tier, attempt.round] = record
    yield from found.values()


def _state(result: Result, attempt: Attempt, earlier: tuple[str, ...]) -> CriticState:
    shown = set(attempt.passage_ids)
    rounds = result.found_in
    if len(rounds) != len(result.passages):  # recorded by a version that did not keep it
        rounds = (attempt.round,) * len(result.passages)
    kept = [
        (found, passage)
        for found, passage in zip(rounds, result.passages, strict=True)
        if passage.id in shown
    ]
    kept.sort(key=lambda pair: pair[0])
    return CriticState(
        result.question,
        attempt.text if attempt.is_complete else "",  # what is not whole cannot be served
        attempt.rationale,
        tuple(passage for _, passage in kept),
        attempt.round,
        earlier,
        result.queries[: attempt.round],
        tuple(found for found, _ in kept),
    )


def _used(result: Result) -> dict[str, dict[str, Any]]:
    """By attempt, what led to it: calls of models, money, seconds; a failed draft counts to the
    next."""
    attempts = iter(result.attempts)
    found: dict[str, dict[str, Any]] = {}
    calls, cost, seconds = 0, 0.0, 0.0
    for step in result.trail:
        calls += _calls(step)
        cost += step.cost or 0.0
        seconds += step.elapsed_s
        if not step.request.startswith("draft") or step.outcome.startswith("failed ("):
            continue
        attempt = next(attempts, None)
        if attempt is None:
            break
        found[attempt.id] = {"calls": calls, "cost": cost, "latency_s": round(seconds, 4)}
        calls, cost, seconds = 0, 0.0, 0.0
    return found


def _calls(step: TrailStep) -> int:
    return int(step.request.startswith(("draft", "ask ")))


def _title(title: str) -> str:
    return " ".join(title.split()).casefold()


def without_duplicates(records: Sequence[StateRecord]) -> tuple[list[StateRecord], int]:
    """The records without threads that repeat another's question, answers and passages whole; and
    how many threads that left out."""
    seen: set[object] = set()
    kept: list[StateRecord] = []
    left_out = 0
    threads: dict[str, list[StateRecord]] = {}
    for record in records:
        threads.setdefault(record.thread_id, []).append(record)
    for states in threads.values():
        mark = tuple(_mark(one) for one in states)
        if mark in seen:
            left_out += 1
            continue
        seen.add(mark)
        kept += states
    return kept, left_out


def _mark(record: StateRecord) -> object:
    state = record.state
    return (record.group, answer_words(state.answer), tuple(one.id for one in state.passages))
