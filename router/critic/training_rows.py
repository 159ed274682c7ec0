"""From labeled states to rows that a head is trained on, those included that training adds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from .feature_critic import critic_features
from .states import AcceptLabel, CriticState, StateRecord

__all__ = ["TrainingRow", "training_rows"]

_MASKED_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One row.

    Attributes:
        record: the state that it stands for or was made from.
        is_real: False for rows that training adds; they are never scored.
    """

    record: StateRecord
    features: Mapping[str, float]
    label: int
    weight: float = 1.0
    is_real: bool = True


def training_rows(
    records: Sequence[StateRecord], target: str, label: AcceptLabel = "accept"
) -> list[TrainingRow]:
    """The rows for a head, `accept` or `sufficient`; states without its label have none.

    Args:
        label: what counts as right, for `accept`.
    """
    if target == "sufficient":
        return [row for record in records for row in _sufficient_rows(record)]
    by_thread: dict[str, list[StateRecord]] = {}
    for record in records:
        by_thread.setdefault(record.thread_id, []).append(record)
    rows = [row for record in records for row in _accept_rows(record, label)]
    return [*rows, *(row for thread in by_thread.values() for row in _turned(thread, label))]


def _sufficient_rows(record: StateRecord) -> Iterator[TrainingRow]:
    """The state, and for a fixed share of states the same without the scores of unshown hits: a
    critic must not depend on what few retrievers tell."""
    label = record.labels.sufficient
    if label is None:
        return
    yield TrainingRow(record, critic_features(_unanswered(record.state)), int(label))
    if record.state.unshown_scores and _draw(record) < _MASKED_SHARE:
        bare = replace(_unanswered(record.state), unshown_scores=())
        yield TrainingRow(record, critic_features(bare), int(label), 1.0, False)


def _unanswered(state: CriticState) -> CriticState:
    """Whether passages suffice does not depend on what was answered."""
    return replace(state, answer="", rationale="", previous_answers=())


def _accept_rows(record: StateRecord, label: AcceptLabel) -> Iterator[TrainingRow]:
    right = record.labels.right(label)
    if right is None or not record.state.answer.strip():
        return
    yield TrainingRow(record, critic_features(record.state), int(right))
    if record.state.rationale:  # at serving, many models give no reasons
        bare = replace(record.state, rationale="")
        yield TrainingRow(record, critic_features(bare), int(right), 1.0, False)


def _turned(thread: Sequence[StateRecord], label: AcceptLabel) -> Iterator[TrainingRow]:
    """Each later round once more for every earlier answer of its thread in the place of its own.

    That answers agree tells as much of the earlier ones as of the last. `augmented` says whose
    place was taken, so that the head can tell their base rates apart. Without passages and reasons:
    those were not what this answer was drafted from.
    """
    ordered = sorted(thread, key=lambda record: record.state.round)
    known = [
        one for one in ordered if one.labels.right(label) is not None and one.state.answer.strip()
    ]
    for place, record in enumerate(known):
        answers = [one.state.answer for one in known[: place + 1]]
        for turn, earlier in enumerate(known[:place]):
            others = (*answers[:turn], *answers[turn + 1 :])
            state = CriticState(
                record.state.question,
                earlier.state.answer,
                round=record.state.round,
                previous_answers=others,
            )
            features = critic_features(state) | {"augmented": float(turn + 1)}
            yield TrainingRow(record, features, int(bool(earlier.labels.right(label))), 1.0, False)


def _draw(record: StateRecord) -> float:
    """A number in [0, 1) that depends on the state alone."""
    digest = hashlib.sha256(f"{record.thread_id}|{record.state.round}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64
