"""Training a torch critic: from states to a calibrated critic and what is known of it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..router.calibration.curves import sigmoid
from ..router.critic.round_calibration import RoundCalibration, fit_round_calibration
from ..router.critic.states import StateRecord
from ..router.critic.text_form import TEXT_FORM_VERSION
from ..router.errors import ConfigurationError
from .critic_torch_data import (
    CriticRows,
    Progress,
    data_hash,
    feature_rows,
    positives,
    read_rows,
    split_records,
    trained_targets,
)
from .critic_torch_encoder import check_libraries, open_encoder
from .critic_torch_model import default_device
from .critic_torch_net import (
    ARCHITECTURE,
    TARGETS,
    CriticNet,
    FeatureScale,
    Shape,
    StateFeatures,
    build_net,
)
from .critic_torch_pooled import pooled_once
from .critic_torch_report import TargetReport, report_target
from .critic_torch_settings import TrainingSettings
from .critic_torch_steps import OUT_OF_TIME, Course, Look, dev_log_odds, run_steps
from .encoder_files import EncoderFiles, find_encoder
from .encoder_torch import token_limit
from .weights import default_cache_dir

__all__ = ["TrainedCritic", "TrainingReport", "train_torch_critic"]

_CHANCE = 0.55


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What went into a critic, and what came out.

    Attributes:
        states: trained on; `dev_states` held out, all of other questions.
        skipped: states that were left out: question and answer alone are longer than the limit.
        truncated: share of the states trained on of which something had no room.
        targets: measured on the held-out questions. The best look was chosen on them too, so they
            flatter a little.
        ended: why the training ended; `looks` are its course.
        warnings: in words.
    """

    data_hash: str
    states: int
    questions: int
    dev_states: int
    dev_questions: int
    skipped: int
    truncated: float
    targets: tuple[TargetReport, ...]
    looks: tuple[Look, ...]
    ended: str
    minutes: float
    warnings: tuple[str, ...] = ()

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """The numbers of each target by name, in JSON-plain values."""
        return {
            one.target: {
                name: value
                for name, value in asdict(one).items()
                if name not in ("target", "rounds")
            }
            for one in self.targets
        }


@dataclass(frozen=True, slots=True)
class TrainedCritic:
    """A critic in memory; `critic_torch_files.save_torch_critic` writes it.

    Attributes:
        base: the encoder's name with the digest of its files.
    """

    net: CriticNet
    base: str
    scale: FeatureScale
    features: StateFeatures | None
    calibration: dict[str, RoundCalibration]
    settings: TrainingSettings
    report: TrainingReport


def train_torch_critic(
    records: Sequence[StateRecord],
    settings: TrainingSettings,
    *,
    features: StateFeatures | None = None,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
    device: str | None = None,
    cache_dir: Path | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> TrainedCritic:
    """Train on states, and calibrate on questions that were held out.

    Args:
        records: all states of all rounds, at their natural prior; nothing is balanced away.
        checkpoints: a folder; a training that was interrupted goes on there.
        progress: of the encoder's pass first, where it is frozen, then of the steps.
        clock: seconds.

    Raises:
        UsageError: too few states, or a training that came to nothing; says what to do.
        ConfigurationError: the base is not there, or the checkpoint is of another training.
        StoreError: the checkpoint cannot be written or is damaged.
    """
    check_libraries()
    begun = clock()
    files = find_encoder(settings.base, cache_dir or default_cache_dir())
    train, dev = split_records(records, settings.dev_share, settings.seed)
    net = _net(files, settings, features, default_device(device))
    numbers = feature_rows(train, features)
    scale = FeatureScale.of(numbers) if features else FeatureScale()
    rows = read_rows(net, train, numbers, scale)
    held_out = read_rows(net, dev, feature_rows(dev, features), scale)
    hashed = data_hash(records)
    pooled = None
    if settings.freeze:
        read = [TEXT_FORM_VERSION, hashed, files.name, settings.limit]
        read += [settings.dev_share, settings.seed]
        pooled = pooled_once(net, (rows, held_out), _digest(read), checkpoints, progress)
    course = run_steps(
        net,
        rows,
        held_out,
        settings,
        pooled=pooled,
        work=_work(hashed, settings, files, features),
        folder=checkpoints,
        minutes=lambda: (clock() - begun) / 60.0,
        progress=progress,
    )
    scores = _scores(net, rows, held_out, pooled[1] if pooled else None)
    report = _report(rows, held_out, scores, course, hashed, (clock() - begun) / 60.0)
    calibration = {name: _calibrated(name, held_out, scores[name]) for name in scores}
    return TrainedCritic(net, files.name, scale, features, calibration, settings, report)


def _scores(
    net: CriticNet, rows: CriticRows, held_out: CriticRows, pooled: Any
) -> dict[str, list[float]]:
    """What the network says of held-out states, in [0, 1], by target; only what was learned."""
    odds = dev_log_odds(net, held_out, pooled)
    learned = [name for name in trained_targets(rows) if name in trained_targets(held_out)]
    return {name: [sigmoid(row[TARGETS.index(name)]) for row in odds] for name in learned}


def _report(
    rows: CriticRows,
    held_out: CriticRows,
    scores: Mapping[str, Sequence[float]],
    course: Course,
    hashed: str,
    minutes: float,
) -> TrainingReport:
    targets = tuple(
        report_target(name, held_out, TARGETS.index(name), own) for name, own in scores.items()
    )
    return TrainingReport(
        hashed,
        len(rows.forms),
        len(set(rows.groups)),
        len(held_out.forms),
        len(set(held_out.groups)),
        rows.skipped + held_out.skipped,
        rows.truncated / max(1, len(rows.forms)),
        targets,
        tuple(course.looks),
        course.ended,
        minutes,
        _warnings(rows, held_out, targets, course.ended),
    )


def _net(
    files: EncoderFiles, settings: TrainingSettings, features: StateFeatures | None, device: str
) -> CriticNet:
    most = token_limit(files)
    if settings.limit > most:
        raise ConfigurationError(
            f"{files.name} reads at most {most} tokens, and the limit is {settings.limit}",
            field="limit",
        )
    shape = Shape(settings.limit, settings.width, features.names if features else ())
    return build_net(open_encoder(files.folder), shape, device, settings.seed)


def _work(
    hashed: str, settings: TrainingSettings, files: EncoderFiles, features: StateFeatures | None
) -> str:
    plain = asdict(settings)
    del plain["max_minutes"]  # who gives it more time goes on
    parts = [
        ARCHITECTURE,
        TEXT_FORM_VERSION,
        hashed,
        plain,
        files.name,
        [features.version, features.names] if features else None,
    ]
    return _digest(parts)


def _digest(parts: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _calibrated(name: str, rows: CriticRows, scores: Sequence[float]) -> RoundCalibration:
    place = TARGETS.index(name)
    known = rows.known(place)
    return fit_round_calibration(
        [scores[row] for row in known],
        [rows.labels[row][place] or 0 for row in known],
        [rows.rounds[row] for row in known],
        name=f"p_{name}",
    )


def _warnings(
    rows: CriticRows, dev: CriticRows, targets: Sequence[TargetReport], ended: str
) -> tuple[str, ...]:
    found = []
    for place, name in enumerate(TARGETS):
        if name not in {target.target for target in targets}:
            n, right = positives(rows, place)
            found.append(
                f"p({name}) was not learned: {right} of {n} labels to train on are positive, and "
                "both kinds are needed there and among the held-out ones"
            )
    for target in targets:
        area = target.auroc_within
        if area is not None and area < _CHANCE:
            found.append(
                f"p({target.target}) ranks held-out states of a round no better than chance "
                f"(AUROC {area:.2f}): train longer, on more states, or with features"
            )
    if ended.startswith(OUT_OF_TIME):
        found.append("the training ended before its last step; the weights depend on the machine")
    if rows.skipped + dev.skipped:
        found.append(
            f"{rows.skipped + dev.skipped} states were left out: question and answer alone are "
            "longer than the limit"
        )
    return tuple(found)
