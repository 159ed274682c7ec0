"""What `surefoot critic train` does."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..router.errors import UsageError
from ..router.tables import write_atomically
from .console import err, out, print_json, progress_bar
from .critic_states import read_all_states

if TYPE_CHECKING:
    from ..router.critic.states import AcceptLabel, StateRecord

__all__ = ["Asked", "run_train"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for."""

    states: tuple[Path, ...]
    target: Path
    kind: str
    base: str | None
    full: bool
    device: str | None
    accept_cost: float | None
    label: str
    seed: int


def run_train(asked: Asked, *, as_json: bool) -> None:
    """Train, write the folder, say what came of it."""
    if asked.kind == "torch" and asked.label != "accept":
        raise UsageError("--label goes with --kind features: a torch critic learns 'accept'")
    if asked.kind == "features" and (asked.base or asked.full or asked.device):
        raise UsageError("--base, --full and --device go with --kind torch")
    if asked.target.exists() and not asked.target.is_dir():
        raise UsageError(f"--out {asked.target} is no folder")
    records = read_all_states(asked.states)
    began = time.monotonic()
    made = _train_torch if asked.kind == "torch" else _train_features
    version, metrics = made(asked, records)
    document = {
        "kind": asked.kind,
        "out": str(asked.target),
        "version": version,
        "states": len(records),
        "questions": len({record.group for record in records}),
        "seconds": round(time.monotonic() - began, 1),
        "metrics": metrics,
    }
    if as_json:
        print_json(document)
    else:
        _show(document)


def _train_features(asked: Asked, records: list[StateRecord]) -> tuple[str, dict[str, Any]]:
    from ..adapters.critics import CRITIC_FILE, default_critic
    from ..router.critic.default_recipe import default_recipe
    from ..router.critic.feature_critic_file import feature_critic_text
    from ..router.critic.fit_critic import train_feature_critic
    from ..router.critic.model_card import card_text

    label: AcceptLabel = "em" if asked.label == "em" else "accept"
    recipe = default_recipe(asked.accept_cost or 1.0, asked.seed, label)
    with progress_bar() as report:
        critic = train_feature_critic(
            records,
            recipe,
            base=default_critic(),
            data=", ".join(file.name for file in asked.states),
            progress=lambda done, total: report("training the critic", done, total),
        )
    write_atomically(asked.target / CRITIC_FILE, feature_critic_text(critic))
    write_atomically(asked.target / "README.md", card_text(critic))
    return critic.version, dict(critic.card["metrics"])


def _train_torch(asked: Asked, records: list[StateRecord]) -> tuple[str, dict[str, Any]]:
    from ..adapters.critic_torch_encoder import check_libraries
    from ..adapters.critic_torch_features import features_seen
    from ..adapters.critic_torch_files import save_torch_critic
    from ..adapters.critic_torch_settings import DEFAULT_BASE, TrainingSettings
    from ..adapters.critic_torch_training import train_torch_critic
    from ..adapters.encoder_files import find_encoder
    from ..adapters.encoder_torch import token_limit
    from ..adapters.weights import default_cache_dir

    check_libraries()
    base = asked.base or DEFAULT_BASE
    longest = token_limit(find_encoder(base, default_cache_dir()))
    settings = TrainingSettings(base=base, freeze=not asked.full, seed=asked.seed)
    settings = replace(settings, limit=min(settings.limit, longest))
    if asked.accept_cost is not None:
        settings = replace(settings, false_accept_cost=asked.accept_cost)
    with progress_bar() as report:
        trained = train_torch_critic(
            records,
            settings,
            features=features_seen(record.state for record in records),
            checkpoints=asked.target / "checkpoints",
            progress=lambda done, total: report("training the critic", done, total),
            device=asked.device,
        )
    for words in trained.report.warnings:
        err().print(words)
    version = save_torch_critic(trained, asked.target)
    _drop_checkpoints(asked.target / "checkpoints")
    return version, dict(trained.report.metrics)


def _drop_checkpoints(folder: Path) -> None:
    """What a finished training leaves behind would stop the next one, on other states."""
    for file in folder.glob("*.safetensors"):
        file.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # absent, or something of others lies there
        folder.rmdir()


def _show(document: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(title=f"critic {document['version']}", title_justify="left")
    table.add_column("")
    names = ("n", "base_rate", "auroc_within", "auroc_round", "brier", "ece")
    heads = ("states", "share positive", "AUROC within round", "of the round alone", "Brier", "ECE")
    for head in heads:
        table.add_column(head, justify="right")
    for target, numbers in document["metrics"].items():
        if "taken_over_from" in numbers:
            table.add_row(target, "kept: " + numbers["why"], *("",) * (len(names) - 1))
            continue
        table.add_row(target, *(_number(numbers.get(name)) for name in names))
    console = out()
    console.print(table)
    console.print(
        f"{document['states']} states of {document['questions']} questions, "
        f"{document['seconds']:.0f} s: {document['out']}"
    )


def _number(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
