"""A torch critic's folder: what is written is what is read, and nothing else passes for it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters.critic_torch_features import features_named, features_seen
from surefoot.adapters.critic_torch_files import (
    critic_of,
    load_torch_critic,
    save_torch_critic,
)
from surefoot.adapters.critic_torch_net import ARCHITECTURE, StateFeatures
from surefoot.adapters.critic_torch_training import TrainedCritic, train_torch_critic
from surefoot.router.critic.feature_critic import critic_features
from surefoot.router.critic.states import CriticState
from surefoot.router.errors import ConfigurationError, StoreCorrupt, WeightsError

from ..tiny_encoders import tiny_sentence
from .critic_practice import PASSAGE_COUNT, practice, settings, tiny_base

pytest.importorskip("torch")
pytest.importorskip("transformers")

STATES = [record.state for record in practice(12, seed=9)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrainedCritic]:
    base = tiny_base(tmp_path_factory.mktemp("base") / "tiny")
    records = practice(60)
    return {
        "all": train_torch_critic(records, settings(base, epochs=2), device="cpu"),
        "head": train_torch_critic(records, settings(base, epochs=2, freeze=True), device="cpu"),
        "features": train_torch_critic(
            records, settings(base, epochs=2), features=PASSAGE_COUNT, device="cpu"
        ),
    }


@pytest.fixture
def saved(trained: dict[str, TrainedCritic], tmp_path: Path) -> Callable[[str], Path]:
    def save(kind: str) -> Path:
        save_torch_critic(trained[kind], tmp_path / kind)
        return tmp_path / kind

    return save


@pytest.mark.parametrize("kind", ["all", "head", "features"])
def test_what_is_read_judges_as_what_was_written(
    kind: str, trained: dict[str, TrainedCritic], saved: Callable[[str], Path]
) -> None:
    folder = saved(kind)
    features = PASSAGE_COUNT if kind == "features" else None
    read = load_torch_critic(folder, device="cpu", features=features)
    written = critic_of(trained[kind])
    assert read.judge(STATES) == written.judge(STATES)
    assert read.version == written.version
    assert read.version.startswith(f"{ARCHITECTURE}@")
    assert {path.name for path in folder.iterdir()} == {
        "model.safetensors",
        "critic.json",
        "README.md",
        *([] if kind == "head" else ["base"]),
    }
    critic_of(trained[kind])  # training goes on to be possible: nothing was consumed


def test_versions_differ_where_any_weight_does(trained: dict[str, TrainedCritic]) -> None:
    assert len({critic_of(one).version for one in trained.values()}) == 3


def test_the_head_alone_is_small_and_needs_its_own_base(
    saved: Callable[[str], Path], tmp_path: Path
) -> None:
    from safetensors import safe_open

    folder = saved("head")
    with safe_open(str(folder / "model.safetensors"), framework="pt") as opened:
        names = list(opened.keys())
    assert names and all(name.startswith("head.") for name in names)

    moved = tiny_sentence(tmp_path / "moved")
    read = load_torch_critic(folder, device="cpu", base=f"transformers:{moved}")
    assert read.judge(STATES) == load_torch_critic(folder, device="cpu").judge(STATES)

    other = tiny_sentence(tmp_path / "other", seed=4)
    with pytest.raises(WeightsError, match=r"was trained on transformers:tiny@.*other@"):
        load_torch_critic(folder, device="cpu", base=f"transformers:{other}")


def test_the_whole_critic_needs_no_base(
    saved: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    records = practice(20)
    base = tmp_path_factory.mktemp("gone") / "tiny"
    trained = train_torch_critic(records, settings(tiny_base(base), epochs=1), device="cpu")
    folder = base.parent / "critic"
    save_torch_critic(trained, folder)
    base.rename(base.parent / "elsewhere")
    assert len(load_torch_critic(folder, device="cpu").judge(STATES)) == len(STATES)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("architecture", "somebody-elses-net-7"),
        ("kind", "features"),
        ("schema", 2),
        ("text_form", 99),
    ],
)
def test_another_architecture_is_refused_with_both_names(
    field: str, value: Any, saved: Callable[[str], Path]
) -> None:
    file = saved("head") / "critic.json"
    facts = json.loads(file.read_text())
    own = facts[field]
    file.write_text(json.dumps({**facts, field: value}))
    with pytest.raises(ConfigurationError) as caught:
        load_torch_critic(file.parent, device="cpu")
    assert repr(value) in str(caught.value) and repr(own) in str(caught.value)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [_cut, _flip, Path.unlink, lambda file: file.write_bytes(b"")])
def test_damaged_weights_are_refused_and_it_says_what_to_do(
    damage: Callable[[Path], None], saved: Callable[[str], Path]
) -> None:
    folder = saved("head")
    damage(folder / "model.safetensors")
    with pytest.raises(StoreCorrupt, match="train again"):
        load_torch_critic(folder, device="cpu")


def test_weights_of_another_shape_are_refused(saved: Callable[[str], Path]) -> None:
    file = saved("head") / "critic.json"
    facts = json.loads(file.read_text())
    facts["shape"]["width"] += 1
    file.write_text(json.dumps(facts))
    with pytest.raises(StoreCorrupt, match="do not fit"):
        load_torch_critic(file.parent, device="cpu")


@pytest.mark.parametrize("text", ["", "[]", '{"kind":', "\udcff"])
def test_facts_that_are_none_are_refused(text: str, saved: Callable[[str], Path]) -> None:
    file = saved("head") / "critic.json"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StoreCorrupt, match=r"critic\.json cannot be used"):
        load_torch_critic(file.parent, device="cpu")


@pytest.mark.parametrize(
    "field", ["weights", "base", "shape", "calibration", "version", "features"]
)
def test_facts_that_lack_something_are_refused(field: str, saved: Callable[[str], Path]) -> None:
    file = saved("head") / "critic.json"
    facts = json.loads(file.read_text())
    del facts[field]
    file.write_text(json.dumps(facts))
    with pytest.raises(StoreCorrupt):
        load_torch_critic(file.parent, device="cpu")


def test_a_changed_calibration_is_noticed(saved: Callable[[str], Path]) -> None:
    file = saved("head") / "critic.json"
    facts = json.loads(file.read_text())
    facts["calibration"]["accept"]["pools"][0]["curve"]["c"] += 3.0
    file.write_text(json.dumps(facts))
    with pytest.raises(StoreCorrupt, match="fingerprint"):
        load_torch_critic(file.parent, device="cpu")


def test_a_folder_without_a_critic_is_the_operators_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no critic"):
        load_torch_critic(tmp_path, device="cpu")


def test_other_features_are_refused(saved: Callable[[str], Path]) -> None:
    folder = saved("features")
    for given in (None, StateFeatures(PASSAGE_COUNT.names, "2", PASSAGE_COUNT.of)):
        with pytest.raises(ConfigurationError, match="version 1"):
            load_torch_critic(folder, device="cpu", features=given)
    renamed = StateFeatures(("another",), "1", PASSAGE_COUNT.of)
    with pytest.raises(ConfigurationError, match="another"):
        load_torch_critic(folder, device="cpu", features=renamed)
    with pytest.raises(ConfigurationError, match="version None"):
        load_torch_critic(saved("head"), device="cpu", features=PASSAGE_COUNT)


def test_the_features_of_the_features_critic_are_found_by_name(tmp_path: Path) -> None:
    records = practice(60)
    features = features_seen(record.state for record in records)
    assert features is not None and features.names == tuple(sorted(features.names))
    bare = CriticState("capital ?")
    known = critic_features(bare)
    for name, value in zip(features.names, features.of(bare), strict=True):
        assert value == known[name] if name in known else math.isnan(value)
    assert any(map(math.isnan, features.of(bare)))

    base = tiny_base(tmp_path / "tiny")
    trained = train_torch_critic(records, settings(base, epochs=1), features=features, device="cpu")
    save_torch_critic(trained, tmp_path / "critic")
    read = load_torch_critic(tmp_path / "critic", device="cpu")
    assert read.judge(STATES) == critic_of(trained).judge(STATES)
    assert features_seen([]) is None
    assert features_named(features.names, "0.0") is None


def test_the_card_says_what_it_is_made_of_and_worth(
    trained: dict[str, TrainedCritic], saved: Callable[[str], Path]
) -> None:
    card = (saved("head") / "README.md").read_text()
    report = trained["head"].report
    accept = report.targets[0]
    for said in (
        ARCHITECTURE,
        trained["head"].base,
        report.data_hash,
        f"{report.states:,} states of {report.questions} questions",
        f"| p(accept) | {accept.n} | {accept.base_rate:.3f} |",
        f"{accept.always_reject:.3f} |",
        "## Calibration",
        "## Limits",
        "false_accept_cost = 1.0",
        trained["head"].calibration["accept"].fingerprint[:16],
    ):
        assert said in card
