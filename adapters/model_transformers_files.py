"""Where a local causal language model lies, and how it is to be loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..router.errors import ConfigurationError, MissingExtra, WeightsError
from .encoder_files import hub_folder, is_folder

__all__ = ["CausalModel", "find_causal_model"]

EXTRA = "transformers"
_LIBRARIES = ("torch", "transformers")
_DEVICE = re.compile(r"(cpu|cuda(:\d+)?|mps)")
_DTYPES = ("float32", "bfloat16", "float16")
_GGUF = ".gguf"
_FOR_GGUF = ("gguf", "accelerate")


@dataclass(frozen=True, slots=True)
class CausalModel:
    """A model on disk.

    Attributes:
        name: as configured, a folder's last part.
        gguf: the file's name where the weights are one GGUF file.
        device: None for a GPU where torch sees one.
        dtype: of weights and arithmetic; None for float32 on a CPU, and elsewhere for what the
            weights are stored in.
        context: tokens of prompt and answer together; None for what the model was made for.
    """

    name: str
    folder: Path
    gguf: str | None = None
    device: str | None = None
    dtype: str | None = None
    context: int | None = None

    def sources(self) -> dict[str, Any]:
        """Arguments that load it: only what lies in the folder, and none of its code."""
        found: dict[str, Any] = {
            "pretrained_model_name_or_path": str(self.folder),
            "local_files_only": True,
            "trust_remote_code": False,
        }
        return found if self.gguf is None else {**found, "gguf_file": self.gguf}


def find_causal_model(
    name: str, options: Mapping[str, Any] | None = None, *, context: int | None = None
) -> CausalModel:
    """The files of a folder, of a GGUF file or of a model in the hub's local cache.

    Args:
        options: `device` and `dtype`.

    Raises:
        MissingExtra: torch or transformers is not installed; for a GGUF file gguf or accelerate.
        ConfigurationError: the name or an option cannot be used; names the field.
        WeightsError: there is no such model on this machine; says what to do.
    """
    given = dict(options or {})
    device, dtype = given.pop("device", None), given.pop("dtype", None)
    if given:
        raise _wrong(f"unknown option '{next(iter(given))}'; known: device, dtype")
    if device is not None and not (isinstance(device, str) and _DEVICE.fullmatch(device)):
        raise _wrong(f"expected device = cpu, cuda, cuda:1 or mps, got {device!r}")
    if dtype is not None and dtype not in _DTYPES:
        raise _wrong(f"expected dtype = {', '.join(_DTYPES)}, got {dtype!r}")
    is_gguf = name.endswith(_GGUF)
    for library in (*_LIBRARIES, *(_FOR_GGUF if is_gguf else ())):
        if find_spec(library) is None:
            raise MissingExtra(library, EXTRA)
    if is_gguf:
        path = Path(name).expanduser()
        if not path.is_file():
            raise WeightsError(f"there is no file {path}")
        return CausalModel(path.stem, path.parent, path.name, device, dtype, context)
    folder = Path(name).expanduser() if is_folder(name) else hub_folder(name)
    if not (folder / "config.json").is_file():
        raise WeightsError(f"{folder} holds no model: it has no file config.json")
    shown = folder.resolve().name if is_folder(name) else name
    return CausalModel(shown, folder, None, device, dtype, context)


def _wrong(message: str) -> ConfigurationError:
    return ConfigurationError(message, field="options")
