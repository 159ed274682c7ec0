"""How good a critic is on states it was not trained on: every number beside a trivial rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..evidence import CriticVerdict
from ..metrics.ranking import auroc
from ..metrics.reliability import brier, ece
from ..signals import Unavailable
from .states import AcceptLabel, StateRecord
from .stopping import Thread, ThreadRound
from .within_round import Stratum, auroc_within, strata_of, stratum_of

__all__ = ["JudgedRow", "TargetQuality", "calls_of", "judged_rows", "quality_of", "threads_of"]


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """One state of known label with the critic's probability."""

    record: StateRecord
    p: float
    label: int


@dataclass(frozen=True, slots=True)
class TargetQuality:
    """How well one probability is stated. None where a number does not exist.

    Attributes:
        n: states of known label; `base_rate` of them are positive.
        always_reject: accuracy of refusing every state: what an accuracy has to beat.
        accuracy: at `threshold`; so are precision and recall of what is accepted.
        auroc_within: among states of the same round and number of passages, averaged.
        auroc_pooled: among all states; `auroc_round` is that of the round number alone.
        ece: gap between stated and observed, 10 bins of equal width.
        strata: AUROC within each round.
        ece_by_round: by round.
    """

    n: int
    base_rate: float
    threshold: float
    accuracy: float
    always_reject: float
    precision: float | None
    recall: float | None
    auroc_within: float | None
    auroc_pooled: float | None
    auroc_round: float | None
    brier: float | None
    ece: float | None
    strata: tuple[Stratum, ...]
    ece_by_round: Mapping[int, float | None]


def judged_rows(
    records: Sequence[StateRecord],
    verdicts: Sequence[CriticVerdict],
    target: str,
    right: AcceptLabel = "accept",
) -> list[JudgedRow]:
    """The states whose label for `target` (`accept` or `sufficient`) is known and was judged.

    Args:
        right: what counts as right, for `accept`.
    """
    rows = []
    for record, verdict in zip(records, verdicts, strict=True):
        is_accept = target == "accept"
        label = record.labels.right(right) if is_accept else record.labels.sufficient
        p = verdict.p_accept if is_accept else verdict.p_sufficient
        if label is not None and p is not None:
            rows.append(JudgedRow(record, p, int(label)))
    return rows


def quality_of(rows: Sequence[JudgedRow], threshold: float = 0.5) -> TargetQuality | None:
    """All the numbers at once; None without rows."""
    if not rows:
        return None
    p, labels = [row.p for row in rows], [row.label for row in rows]
    keys = [stratum_of(row.record) for row in rows]
    rounds = [row.record.state.round for row in rows]
    accepted = [label for value, label in zip(p, labels, strict=True) if value >= threshold]
    n, positives = len(rows), sum(labels)
    right = sum(accepted) + (n - positives) - (len(accepted) - sum(accepted))
    by_round = {
        round_: _number(
            ece(
                [row.p for row in rows if row.record.state.round == round_],
                [row.label for row in rows if row.record.state.round == round_],
            )
        )
        for round_ in sorted(set(rounds))
    }
    return TargetQuality(
        n,
        positives / n,
        threshold,
        right / n,
        1.0 - positives / n,
        sum(accepted) / len(accepted) if accepted else None,
        sum(accepted) / positives if positives else None,
        _number(auroc_within(p, labels, keys)),
        _number(auroc(p, labels)),
        _number(auroc([float(round_) for round_ in rounds], labels)),
        _number(brier(p, labels)),
        _number(ece(p, labels)),
        strata_of(p, labels, keys),
        by_round,
    )


def _number(value: float | Unavailable) -> float | None:
    return None if isinstance(value, Unavailable) else value


def calls_of(record: StateRecord) -> float:
    """Model calls of a round: as recorded, else the answer, and from round 2 on its query."""
    calls = record.extra.get("calls")
    if isinstance(calls, int | float) and not isinstance(calls, bool) and calls >= 0:
        return float(calls)
    return 2.0 if record.state.round > 1 else 1.0


def threads_of(
    records: Sequence[StateRecord],
    verdicts: Sequence[CriticVerdict],
    right: AcceptLabel = "accept",
) -> dict[str, Thread]:
    """The threads whose every round has a labeled answer, their rounds in order, by thread id.

    A round without a whole answer is not right, where the accepted ones are known. A thread with
    two states of one round is no run of rounds and is left out.

    Args:
        right: what counts as right.
    """
    by_thread: dict[str, list[tuple[StateRecord, CriticVerdict]]] = {}
    for record, verdict in zip(records, verdicts, strict=True):
        by_thread.setdefault(record.thread_id, []).append((record, verdict))
    found: dict[str, Thread] = {}
    for thread, rounds in by_thread.items():
        rounds.sort(key=lambda one: one[0].state.round)
        is_run = len({record.state.round for record, _ in rounds}) == len(rounds)
        labels = [_known_right(record, right) for record, _ in rounds]
        if not is_run or None in labels:
            continue
        made, calls = [], 0.0
        for (record, verdict), label in zip(rounds, labels, strict=True):
            calls += calls_of(record)
            passages = len(record.state.passages)
            made.append(ThreadRound(verdict.p_accept, bool(label), calls, passages))
        found[thread] = tuple(made)
    return found


def _known_right(record: StateRecord, right: AcceptLabel) -> bool | None:
    if record.gold and not record.state.answer.strip():
        return False
    return record.labels.right(right)
