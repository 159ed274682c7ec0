"""A torch critic as a folder: weights, what they are of, and a model card.

`model.safetensors` holds the heads alone where the encoder was frozen (the base is named by its
digest and must be there), and all weights where it was trained; then `base/` holds its
configuration and tokenizer, and nothing else is needed. `critic.json` is written last and names the
digest of the weights, so a folder that was half written is noticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from ..router.critic.round_calibration import RoundCalibration
from ..router.critic.text_form import TEXT_FORM_VERSION
from ..router.errors import ConfigurationError, StoreCorrupt, UsageError, WeightsError
from ..router.tables import write_atomically
from .critic_torch_card import model_card
from .critic_torch_checkpoint import read_tensors, write_tensors
from .critic_torch_encoder import check_libraries, open_encoder
from .critic_torch_model import TorchCritic, default_device
from .critic_torch_net import (
    ARCHITECTURE,
    CriticNet,
    FeatureScale,
    Shape,
    StateFeatures,
    build_net,
)
from .critic_torch_training import TrainedCritic
from .encoder_files import find_encoder
from .weights import default_cache_dir

__all__ = ["TORCH_KIND", "critic_of", "load_torch_critic", "save_torch_critic"]

TORCH_KIND = "torch"
"""What `critic.json` calls this kind of critic."""

SCHEMA = 1
_WEIGHTS, _FACTS, _CARD, _BASE = "model.safetensors", "critic.json", "README.md", "base"
_ADVICE = "copy the whole folder anew, or train again with `surefoot critic train`"


def save_torch_critic(trained: TrainedCritic, folder: Path) -> str:
    """Write the folder; returns the critic's version.

    Raises:
        StoreError: it cannot be written.
    """
    weights = _tensors(trained.net, trained.settings.freeze)
    write_tensors(folder / _WEIGHTS, weights, {"architecture": ARCHITECTURE})
    if not trained.settings.freeze:
        trained.net.encoder.config.save_pretrained(str(folder / _BASE))
        trained.net.tokenizer.save_pretrained(str(folder / _BASE))
    facts = _facts(trained, _digest(folder / _WEIGHTS))
    write_atomically(folder / _CARD, model_card(facts))
    write_atomically(folder / _FACTS, json.dumps(facts, indent=1, allow_nan=False) + "\n")
    return str(facts["version"])


def critic_of(trained: TrainedCritic) -> TorchCritic:
    """The critic at work, without a detour over files; its version is that of what was trained."""
    fitted = _fitted(trained, _of_tensors(_tensors(trained.net, trained.settings.freeze)))
    return TorchCritic(
        trained.net, trained.calibration, trained.scale, trained.features, _version(fitted)
    )


def load_torch_critic(
    folder: Path,
    *,
    device: str | None = None,
    features: StateFeatures | None = None,
    base: str | None = None,
    cache_dir: Path | None = None,
) -> TorchCritic:
    """The critic in a folder.

    Args:
        device: `cpu`, `cuda`, ...; None for a GPU where torch sees one.
        features: what stands beside the text, where it was trained with any; None for those of
            the features critic.
        base: where the frozen encoder lies, if not where it lay when the critic was trained.

    Raises:
        MissingExtra: torch, transformers or safetensors is not installed.
        ConfigurationError: it is no torch critic, of another architecture (names both), or needs
            other features or another version of surefoot.
        WeightsError: the base is absent, or is another one than it was trained on.
        StoreCorrupt: a file is missing or damaged; says what to do.
    """
    facts = _read_facts(folder / _FACTS)
    check_libraries()
    try:
        net = _net(facts, folder, default_device(device), base, cache_dir or default_cache_dir())
        scale, version = _scale(facts), str(facts["version"])
        calibration = {
            str(name): RoundCalibration.from_data(one) for name, one in facts["calibration"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
        _corrupt(folder / _FACTS, repr(error), error)
    if features is None and facts["features"] is not None:
        features = _own_features(net.shape.features, str(facts["features"]["version"]))
    _check_features(facts, features)
    return TorchCritic(net, calibration, scale, features, version)


def _facts(trained: TrainedCritic, weights: str) -> dict[str, Any]:
    report, features = asdict(trained.report), trained.features
    targets = report.pop("targets")
    fitted = _fitted(trained, weights)
    return {
        "schema": SCHEMA,
        "kind": TORCH_KIND,
        "architecture": ARCHITECTURE,
        "version": _version(fitted),
        "text_form": TEXT_FORM_VERSION,
        "weights": {"sha256": weights, "hold": _hold(trained)},
        "base": {
            "name": trained.base,
            "spec": trained.settings.base,
            "family": trained.net.kind,
        },
        "shape": asdict(trained.net.shape),
        "features": None
        if features is None
        else {"version": features.version, **asdict(trained.scale)},
        "calibration": {name: one.data() for name, one in trained.calibration.items()},
        "training": asdict(trained.settings),
        "data": report,
        "metrics": targets,
    }


def _hold(trained: TrainedCritic) -> str:
    return "head" if trained.settings.freeze else "all"


def _fitted(trained: TrainedCritic, weights: str) -> list[Any]:
    """All that decides on a verdict, for the fingerprint."""
    return [
        TEXT_FORM_VERSION,
        weights,
        trained.base,
        asdict(trained.net.shape),
        [trained.features.version, asdict(trained.scale)] if trained.features else None,
        {name: one.fingerprint for name, one in sorted(trained.calibration.items())},
    ]


def _version(fitted: list[Any]) -> str:
    digest = hashlib.sha256(json.dumps(fitted, sort_keys=True).encode()).hexdigest()
    return f"{ARCHITECTURE}@{digest[:32]}"


def _tensors(net: CriticNet, freeze: bool) -> dict[str, Any]:
    parts = {"head": net.head} if freeze else {"encoder": net.encoder, "head": net.head}
    return {
        f"{part}.{name}": one
        for part, module in parts.items()
        for name, one in module.state_dict().items()
    }


def _read_facts(file: Path) -> Mapping[str, Any]:
    """What `critic.json` says, once it was found to be of this kind and architecture."""
    try:
        facts = json.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{file.parent} holds no critic: it has no file {file.name}; name the folder that "
            "`surefoot critic train` wrote"
        ) from error
    except (OSError, ValueError) as error:
        _corrupt(file, str(error), error)
    if not isinstance(facts, dict):
        _corrupt(file, "it holds no JSON object")
    expected = {
        "kind": TORCH_KIND,
        "schema": SCHEMA,
        "architecture": ARCHITECTURE,
        "text_form": TEXT_FORM_VERSION,
    }
    for field, wanted in expected.items():
        if facts.get(field) != wanted:
            raise ConfigurationError(
                f"{file} is of {field} {facts.get(field)!r}, and this version of surefoot reads "
                f"{field} {wanted!r}: train the critic again, or use the version that trained it",
                field=field,
            )
    return facts


def _net(
    facts: Mapping[str, Any], folder: Path, device: str, base: str | None, cache_dir: Path
) -> CriticNet:
    file = folder / _WEIGHTS
    if not file.is_file():
        _corrupt(file, "the file is missing")
    if _digest(file) != facts["weights"]["sha256"]:
        _corrupt(file, "it is not the file that critic.json names")
    only_head = facts["weights"]["hold"] == "head"
    where = _base_folder(facts, base, cache_dir) if only_head else folder / _BASE
    encoder = open_encoder(where, weights=only_head)
    shape = facts["shape"]
    net = build_net(
        encoder,
        Shape(int(shape["limit"]), int(shape["width"]), tuple(map(str, shape["features"]))),
        device,
    )
    tensors, _ = read_tensors(file, _ADVICE)
    try:
        net.head.load_state_dict(_part(tensors, "head."))
        if not only_head:
            net.encoder.load_state_dict(_part(tensors, "encoder."))
    except RuntimeError as error:  # torch's own: names or sizes that do not fit
        _corrupt(file, f"its weights do not fit: {error}", error)
    net.encoder.requires_grad_(False).eval()
    net.head.requires_grad_(False).eval()
    return net


def _base_folder(facts: Mapping[str, Any], base: str | None, cache_dir: Path) -> Path:
    files = find_encoder(base or str(facts["base"]["spec"]), cache_dir)
    # A folder may bear another name here; its files are the same where the digest is.
    wanted, found = str(facts["base"]["name"]), files.name
    if found.rpartition("@")[2] != wanted.rpartition("@")[2]:
        raise WeightsError(
            f"the critic was trained on {wanted}, and {found} is what lies here; install or name "
            "the encoder that it was trained on"
        )
    return files.folder


def _scale(facts: Mapping[str, Any]) -> FeatureScale:
    features = facts["features"]
    if features is None:
        return FeatureScale()
    columns = [tuple(float(one) for one in features[part]) for part in ("mean", "factor")]
    names = facts["shape"]["features"]
    if any(len(column) != len(names) for column in columns):
        raise ValueError("expected one mean and one factor a feature")
    return FeatureScale(*columns)


def _own_features(names: tuple[str, ...], version: str) -> StateFeatures | None:
    from .critic_torch_features import features_named  # few critics need them

    return features_named(names, version)


def _check_features(facts: Mapping[str, Any], features: StateFeatures | None) -> None:
    noted = None if facts["features"] is None else str(facts["features"]["version"])
    given = None if features is None else features.version
    if noted != given:
        raise ConfigurationError(
            f"the critic was trained with features of version {noted}, and is given {given}; train "
            "it again, or use the version of surefoot that trained it",
            field="features",
        )


def _part(tensors: Mapping[str, Any], start: str) -> dict[str, Any]:
    return {name[len(start) :]: one for name, one in tensors.items() if name.startswith(start)}


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        _corrupt(file, str(error), error)


def _of_tensors(tensors: Mapping[str, Any]) -> str:
    """The digest that the file of these weights would have."""
    from safetensors.torch import save

    whole = {name: one.detach().cpu().clone().contiguous() for name, one in tensors.items()}
    return hashlib.sha256(save(whole, metadata={"architecture": ARCHITECTURE})).hexdigest()


def _corrupt(file: Path, what: str, cause: BaseException | None = None) -> NoReturn:
    raise StoreCorrupt(f"{file} cannot be used: {what}; {_ADVICE}") from cause
