"""Training the features critic: split by question, fitted heads, curves from out-of-fold scores."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import UsageError
from ..evidence import CriticVerdict
from .evaluation import judged_rows, quality_of
from .feature_critic import CalibratedHead, FeatureCritic
from .feature_reference import (
    FeatureReference,
    RoundReference,
    SeenState,
    round_reference,
)
from .fit_heads import HeadRecipe, fit_head
from .heads import Head
from .round_calibration import cross_fitted_rounds, fit_round_calibration
from .states import AcceptLabel, StateRecord
from .states_file import state_row
from .training_rows import TrainingRow, training_rows

__all__ = ["CriticRecipe", "Progress", "data_digest", "train_feature_critic"]

Progress = Callable[[int, int], None]
"""Told how many fits are done, of how many."""


@dataclass(frozen=True, slots=True)
class CriticRecipe:
    """How a features critic is trained.

    Attributes:
        label: what counts as a right answer.
        accept_weight: of a wrong answer against a right one in training the accept head: above 1, a
            wrong acceptance costs more than a wrong refusal. The curves undo it in the
            probabilities; what stays is where the head is at its sharpest.
        folds: questions are parted into so many; each part is judged by a head that saw none of it.
    """

    accept: HeadRecipe = field(default_factory=HeadRecipe)
    sufficient: HeadRecipe = field(default_factory=HeadRecipe)
    label: AcceptLabel = "accept"
    accept_weight: float = 1.0
    folds: int = 5
    seed: int = 0


def data_digest(records: Sequence[StateRecord]) -> str:
    """SHA-256 of the states, whatever their order."""
    lines = sorted(json.dumps(state_row(record), sort_keys=True) for record in records)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def train_feature_critic(
    records: Sequence[StateRecord],
    recipe: CriticRecipe,
    *,
    base: FeatureCritic | None = None,
    data: str = "",
    progress: Progress | None = None,
) -> FeatureCritic:
    """A critic trained on states; a head without labels is taken over from `base`.

    Every state counts, at the share of right answers that practice found: nothing is thrown away to
    balance the classes. All states of a question are in one fold.

    Args:
        data: what the states are, in words, for the card.

    Raises:
        UsageError: no label at all, or too few of either class (50 each) for a head that `base`
            does not have.
        MissingExtra: scikit-learn is not installed.
    """
    records = sorted(records, key=_place)  # sums of floats depend on their order
    plans = {"accept": recipe.accept, "sufficient": recipe.sufficient}
    heads: dict[str, CalibratedHead] = {}
    metrics: dict[str, Any] = {}
    kept: dict[str, tuple[RoundReference, ...]] = {}
    total = len(plans) * (recipe.folds + 1)
    for number, (target, plan) in enumerate(plans.items()):

        def report(done: int, *, number: int = number) -> None:
            if progress is not None:
                progress(number * (recipe.folds + 1) + done, total)

        rows = training_rows(records, target, recipe.label)
        why_not = _too_few(rows)
        if why_not is None:
            heads[target], metrics[target], kept[target] = _fit(rows, target, plan, recipe, report)
        elif base is not None:
            heads[target] = base.accept if target == "accept" else base.sufficient
            metrics[target] = {"taken_over_from": base.version, "why": why_not}
            kept |= _kept(base, target)
        else:
            raise UsageError(f"no head for '{target}' can be trained: {why_not}")
        report(recipe.folds + 1)
    if base is not None and all("taken_over_from" in one for one in metrics.values()):
        raise UsageError(f"nothing can be trained: {metrics['accept']['why']}")
    card = {
        "data": data,
        "data_sha256": data_digest(records),
        "states": len(records),
        "questions": len({record.group for record in records}),
        "accept_label": recipe.label,
        "metrics": metrics,
        "limits": _LIMITS,
    }
    reference = FeatureReference({target: kept[target] for target in plans if target in kept})
    return FeatureCritic(heads["accept"], heads["sufficient"], card, reference)


_LIMITS = (
    "Probabilities hold for the reasoner, retriever, corpus and questions that the states came "
    "from. Elsewhere the order of states carries over better than the numbers: recalibrate on 100 "
    "labeled states or more."
)

_LEAST = 50


def _place(record: StateRecord) -> tuple[str, int, int]:
    return record.thread_id, record.state.round, len(record.state.passages)


def _too_few(rows: Sequence[TrainingRow]) -> str | None:
    real = [row for row in rows if row.is_real]
    positives = sum(row.label for row in real)
    if min(positives, len(real) - positives) < _LEAST:
        return (
            f"{positives} positive and {len(real) - positives} negative labels; at least {_LEAST} "
            "of each are needed"
        )
    return None


def _fit(
    rows: Sequence[TrainingRow],
    target: str,
    plan: HeadRecipe,
    recipe: CriticRecipe,
    report: Callable[[int], None],
) -> tuple[CalibratedHead, Mapping[str, Any], tuple[RoundReference, ...]]:
    folds = _folds([row.record.group for row in rows], recipe.folds, recipe.seed)
    closed = target == "accept" and _too_few([row for row in rows if _is_closed(row)]) is None
    scores: list[float] = [0.0] * len(rows)
    for fold in range(recipe.folds):
        seen = [row for row, one in zip(rows, folds, strict=True) if one != fold]
        head = _fitted(seen, target, plan, recipe)
        own = _fitted(list(filter(_is_closed, seen)), target, plan, recipe) if closed else head
        for place, one in enumerate(folds):
            row = rows[place]
            if one == fold and row.is_real:
                scores[place] = (own if _is_closed(row) else head).score(row.features)
        report(fold + 1)
    real = [place for place, row in enumerate(rows) if row.is_real]
    held = [scores[place] for place in real]
    labels = [rows[place].label for place in real]
    rounds = [rows[place].record.state.round for place in real]
    groups = [rows[place].record.group for place in real]
    calibration = fit_round_calibration(held, labels, rounds, name=f"p_{target}")
    honest = cross_fitted_rounds(
        held, labels, rounds, groups, name=f"p_{target}", folds=recipe.folds, seed=recipe.seed
    )
    records = [rows[place].record for place in real]
    head = _fitted(rows, target, plan, recipe)
    of_closed = _fitted(list(filter(_is_closed, rows)), target, plan, recipe) if closed else None
    made = CalibratedHead(head, calibration, of_closed)
    reference = _reference([rows[place] for place in real], made)
    return made, _metrics(records, honest, target, recipe.label), reference


def _reference(rows: Sequence[TrainingRow], head: CalibratedHead) -> tuple[RoundReference, ...]:
    """Of the states that the curves were fitted on."""
    states = [
        SeenState(
            row.record.group,
            row.record.thread_id,
            row.record.state.round,
            row.features,
        )
        for row in rows
    ]
    return tuple(
        round_reference(states, round_, head.names_at(round_))
        for round_ in sorted({state.round for state in states})
    )


def _kept(base: FeatureCritic, target: str) -> dict[str, tuple[RoundReference, ...]]:
    known = {} if base.reference is None else base.reference.rounds
    return {target: known[target]} if target in known else {}


def _is_closed(row: TrainingRow) -> bool:
    return row.record.state.round == 0


def _fitted(
    rows: Sequence[TrainingRow], target: str, plan: HeadRecipe, recipe: CriticRecipe
) -> Head:
    weights = [_weight(row, target, recipe) for row in rows]
    return fit_head([row.features for row in rows], [row.label for row in rows], weights, plan)


def _weight(row: TrainingRow, target: str, recipe: CriticRecipe) -> float:
    dearer = recipe.accept_weight if target == "accept" and not row.label else 1.0
    return row.weight * dearer


def _folds(groups: Sequence[str], folds: int, seed: int) -> list[int]:
    """By question, the same whatever the order of the states."""
    names = sorted(
        set(groups), key=lambda name: hashlib.sha256(f"{seed}|{name}".encode()).hexdigest()
    )
    if len(names) < folds:
        raise UsageError(f"expected states of {folds} questions or more, got {len(names)}")
    fold_of = {name: place % folds for place, name in enumerate(names)}
    return [fold_of[name] for name in groups]


def _metrics(
    records: Sequence[StateRecord], honest: Sequence[float], target: str, label: AcceptLabel
) -> Mapping[str, Any]:
    """Cross-validated: neither head nor curve saw the question."""
    verdicts = [CriticVerdict(p, p) for p in honest]
    quality = quality_of(judged_rows(records, verdicts, target, label))
    assert quality is not None
    names = ("n", "base_rate", "auroc_within", "auroc_pooled", "auroc_round", "brier", "ece")
    numbers = {name: getattr(quality, name) for name in names}
    return {
        name: round(value, 4) if isinstance(value, float) else value
        for name, value in numbers.items()
    }
