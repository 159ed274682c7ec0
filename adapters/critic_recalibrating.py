"""A critic's folder with other curves: the same model, recalibrated on states of another kind."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..router.critic.evaluation import JudgedRow, judged_rows
from ..router.critic.feature_critic import CalibratedHead, FeatureCritic, critic_features
from ..router.critic.feature_critic_file import feature_critic_text
from ..router.critic.feature_reference import (
    FeatureReference,
    RoundReference,
    SeenState,
    round_reference,
)
from ..router.critic.model_card import card_text
from ..router.critic.recalibrating import (
    Bend,
    bent_calibration,
    cross_bent,
    fit_bends,
)
from ..router.critic.round_calibration import RoundCalibration
from ..router.critic.states import AcceptLabel, StateRecord
from ..router.errors import StoreError, UsageError
from ..router.evidence import CriticVerdict
from ..router.metrics.reliability import ece
from ..router.signals import Unavailable
from ..router.tables import write_atomically
from .critics import CRITIC_FILE, label_of, open_critic

__all__ = ["Recalibrated", "recalibrate_critic"]

_TARGETS = ("accept", "sufficient")
_FOLDS = 5
_LEAST = 20


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """What became of one probability of a critic.

    Attributes:
        n: states with a label.
        prior: share of positives among them.
        bends: per pool of rounds; () where there were too few labels and it is as it was.
        ece_before, ece_after: gap between stated and observed, 10 bins of equal width; after is out
            of fold over questions. None where it does not exist.
        why: what was lacking, where it is as it was.
    """

    n: int
    prior: float | None
    bends: tuple[Bend, ...] = ()
    ece_before: float | None = None
    ece_after: float | None = None
    why: str | None = None


def recalibrate_critic(
    model: str,
    records: Sequence[StateRecord],
    target: Path,
    *,
    right: AcceptLabel | None = None,
    data: str = "",
    device: str | None = None,
    seed: int = 0,
) -> tuple[str, dict[str, Recalibrated]]:
    """Write a folder with the critic's curves bent to these states; returns its version, and what
    became of `accept` and `sufficient`.

    A probability of which fewer than 20 states have labels, or all the same, stays as it is.

    Args:
        model: `default`, or the folder of a critic, which is not touched.
        right: what counts as right, for `accept`; None for what the critic was trained on.

    Raises:
        UsageError: `target` is the critic's own folder, or no probability has labels.
        ConfigurationError, BadInput, MissingExtra: as `open_critic`.
        StoreError: the folder cannot be written.
    """
    if target.exists() and Path(model).exists() and target.samefile(model):
        raise UsageError(f"--out {target} is the critic itself; name another folder")
    critic = open_critic(model, device=device)
    right = right or label_of(critic)
    verdicts = critic.judge([record.state for record in records])
    found = {name: _recalibrated(records, verdicts, name, right, seed) for name in _TARGETS}
    if not any(one.bends for one in found.values()):
        words = "; ".join(f"{name}: {one.why}" for name, one in found.items())
        raise UsageError(f"nothing can be recalibrated: {words}")
    note = {
        "from": critic.version,
        "data": data,
        "accept_label": right,
        "targets": {
            name: {"n": one.n, "prior": one.prior, "ece": one.ece_after}
            for name, one in found.items()
            if one.bends
        },
    }
    if isinstance(critic, FeatureCritic):
        rows = {name: judged_rows(records, verdicts, name, right) for name in found}
        reference = _new_reference(critic, found, rows)
        return _write_features(critic, found, target, note, reference), found
    return _write_torch(Path(model), found, target, note), found


def _recalibrated(
    records: Sequence[StateRecord],
    verdicts: Sequence[CriticVerdict],
    name: str,
    right: AcceptLabel,
    seed: int,
) -> Recalibrated:
    rows = judged_rows(records, verdicts, name, right)
    labels = [row.label for row in rows]
    prior = sum(labels) / len(labels) if labels else None
    if len(rows) < _LEAST or min(labels) == max(labels):
        what = "all alike" if len(rows) >= _LEAST else f"at least {_LEAST} are needed"
        return Recalibrated(len(rows), prior, why=f"{len(rows)} labeled states, {what}")
    stated, rounds = [row.p for row in rows], [row.record.state.round for row in rows]
    groups = [row.record.group for row in rows]
    after = None
    if len(set(groups)) >= _FOLDS:
        try:
            after = _number(ece(cross_bent(stated, labels, rounds, groups, seed=seed), labels))
        except UsageError:  # a fold without states of either kind
            after = None
    bends = fit_bends(stated, labels, rounds)
    return Recalibrated(len(rows), prior, bends, _number(ece(stated, labels)), after)


def _new_reference(
    critic: FeatureCritic,
    found: Mapping[str, Recalibrated],
    rows: Mapping[str, Sequence[JudgedRow]],
) -> FeatureReference:
    """Of the states that a probability holds for now; of one that stays as it was, as it was."""
    rounds = {} if critic.reference is None else dict(critic.reference.rounds)
    for name, head in (("accept", critic.accept), ("sufficient", critic.sufficient)):
        if found[name].bends:
            rounds[name] = _rounds(head, rows[name])
    return FeatureReference({name: rounds[name] for name in _TARGETS if name in rounds})


def _rounds(head: CalibratedHead, rows: Sequence[JudgedRow]) -> tuple[RoundReference, ...]:
    states = [
        SeenState(
            row.record.group,
            row.record.thread_id,
            row.record.state.round,
            critic_features(row.record.state),
        )
        for row in rows
    ]
    return tuple(
        round_reference(states, round_, head.names_at(round_))
        for round_ in sorted({state.round for state in states})
    )


def _write_features(
    critic: FeatureCritic,
    found: Mapping[str, Recalibrated],
    target: Path,
    note: Mapping[str, Any],
    reference: FeatureReference,
) -> str:
    def bent(head: CalibratedHead, name: str) -> CalibratedHead:
        bends = found[name].bends
        if not bends:
            return head
        return replace(head, calibration=bent_calibration(head.calibration, bends))

    made = FeatureCritic(
        bent(critic.accept, "accept"),
        bent(critic.sufficient, "sufficient"),
        {**critic.card, "accept_label": note["accept_label"], "recalibrated": note},
        reference,
    )
    write_atomically(target / CRITIC_FILE, feature_critic_text(made))
    write_atomically(target / "README.md", card_text(made))
    return made.version


def _write_torch(
    source: Path, found: Mapping[str, Recalibrated], target: Path, note: Mapping[str, Any]
) -> str:
    """The folder copied, with other curves; what was fitted besides is the same, to the byte."""
    facts = json.loads((source / CRITIC_FILE).read_text("utf-8"))
    for name, one in found.items():
        if one.bends and name in facts["calibration"]:
            old = RoundCalibration.from_data(facts["calibration"][name])
            facts["calibration"][name] = bent_calibration(old, one.bends).data()
    parts = [facts["version"], {n: c["fingerprint"] for n, c in facts["calibration"].items()}]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    facts["version"] = f"{facts['architecture']}@{digest[:32]}"
    facts["recalibrated"] = note
    if target.exists():
        raise UsageError(f"--out {target} is there already; name a new folder")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            made = Path(folder) / "critic"
            shutil.copytree(source, made, ignore=shutil.ignore_patterns("checkpoints"))
            text = json.dumps(facts, indent=1, allow_nan=False) + "\n"
            (made / CRITIC_FILE).write_text(text, encoding="utf-8")
            with (made / "README.md").open("a", encoding="utf-8") as card:
                card.write(f"\nRecalibrated: {json.dumps(note)}\n")
            made.rename(target)
    except OSError as error:
        raise StoreError(f"{target} was not written: {error}") from error
    return str(facts["version"])


def _number(value: float | Unavailable) -> float | None:
    return None if isinstance(value, Unavailable) else value
