"""States made ready to train on: split by question first, then read, labeled and weighted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..router.calibration.cross_fitting import deal_folds
from ..router.critic.states import StateRecord
from ..router.critic.states_file import state_row
from ..router.critic.text_form import TextForm
from ..router.errors import UsageError
from ..router.tables import json_line
from .critic_torch_net import TARGETS, CriticNet, FeatureScale, StateFeatures

__all__ = [
    "CriticRows",
    "Progress",
    "data_hash",
    "feature_rows",
    "positives",
    "read_rows",
    "split_records",
    "target_labels",
    "trained_targets",
]

Progress = Callable[[int, int], None]
"""Called with what is done and what there is to do."""

Labeled = tuple[int | None, int | None]
"""Accept and sufficient, 1 or 0; None where it is not known or there is no answer."""


@dataclass(frozen=True, slots=True)
class CriticRows:
    """States as a network takes them, one a row.

    Attributes:
        strata: (round, passages shown): states that differ in neither are compared with each other,
            since the round alone says much of the label and nothing of the state.
        skipped: states whose question and answer alone are longer than the critic reads.
    """

    forms: tuple[TextForm, ...]
    features: tuple[tuple[float, ...], ...]
    labels: tuple[Labeled, ...]
    rounds: tuple[int, ...]
    strata: tuple[tuple[int, int], ...]
    groups: tuple[str, ...]
    skipped: int

    def known(self, target: int) -> list[int]:
        """The rows whose label of a target (its place in TARGETS) is known."""
        return [row for row, labels in enumerate(self.labels) if labels[target] is not None]

    @property
    def truncated(self) -> int:
        """How many were shortened."""
        return sum(form.truncated for form in self.forms)


def target_labels(record: StateRecord) -> Labeled:
    """What is known of a state, in the order of TARGETS."""
    accept = record.labels.accept if record.state.answer.strip() else None
    sufficient = record.labels.sufficient
    return (
        None if accept is None else int(accept),
        None if sufficient is None else int(sufficient),
    )


def split_records(
    records: Sequence[StateRecord], dev_share: float, seed: int
) -> tuple[list[StateRecord], list[StateRecord]]:
    """States to train on and states to judge by; no question has states in both.

    Questions are dealt evenly by their share of sufficient states (of right answers where that is
    not known), so both parts have the prior that practice had. States without any label are left
    out.

    Raises:
        UsageError: too few questions for a part of this share, or not both classes of sufficiency.
    """
    labeled = [record for record in records if target_labels(record) != (None, None)]
    kinds = {target_labels(record)[1] for record in labeled} - {None}
    if kinds != {0, 1}:
        raise UsageError(
            "expected states with label_sufficient 1 and others with 0, got "
            f"{'only ' + str(min(k for k in kinds if k is not None)) if kinds else 'none'} in "
            f"{len(records)} states; record some with `surefoot practice`"
        )
    folds = max(2, round(1.0 / dev_share))
    groups = [record.group for record in labeled]
    fold_of = deal_folds([_share(record) for record in labeled], groups, folds, seed)
    train = [one for one, group in zip(labeled, groups, strict=True) if fold_of[group]]
    dev = [one for one, group in zip(labeled, groups, strict=True) if not fold_of[group]]
    return train, dev


def _share(record: StateRecord) -> float:
    accept, sufficient = target_labels(record)
    return float(accept or 0) if sufficient is None else float(sufficient)


def data_hash(records: Iterable[StateRecord]) -> str:
    """SHA-256 of all states with their labels, whatever their order in the file."""
    digests = sorted(hashlib.sha256(json_line(state_row(record))).hexdigest() for record in records)
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def feature_rows(
    records: Sequence[StateRecord], features: StateFeatures | None
) -> list[tuple[float, ...]]:
    """The numbers beside the text, not yet scaled; empty rows without features."""
    if features is None:
        return [()] * len(records)
    return [tuple(features.of(record.state)) for record in records]


def read_rows(
    net: CriticNet,
    records: Sequence[StateRecord],
    numbers: Sequence[Sequence[float]],
    scale: FeatureScale,
) -> CriticRows:
    """The states as the network reads them; those that do not fit are left out and counted."""
    forms = [net.reader.form(record.state) for record in records]
    kept = [place for place, form in enumerate(forms) if form.fits]
    states = [records[place].state for place in kept]
    return CriticRows(
        tuple(forms[place] for place in kept),
        tuple(tuple(scale.scaled(numbers[place])) for place in kept),
        tuple(target_labels(records[place]) for place in kept),
        tuple(state.round for state in states),
        tuple((state.round, len(state.passages)) for state in states),
        tuple(records[place].group for place in kept),
        len(records) - len(kept),
    )


def positives(rows: CriticRows, target: int) -> tuple[int, int]:
    """How many labels of a target are known, and how many of them are 1."""
    known = rows.known(target)
    return len(known), sum(rows.labels[row][target] or 0 for row in known)


def trained_targets(rows: CriticRows) -> tuple[str, ...]:
    """The targets of which both classes are there; the others are not learned."""
    found = []
    for place, name in enumerate(TARGETS):
        n, right = positives(rows, place)
        if 0 < right < n:
            found.append(name)
    return tuple(found)
