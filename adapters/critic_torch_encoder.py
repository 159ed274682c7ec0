"""The encoder under a critic: any encoder of transformers, or the first half of a T5."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..router.errors import ConfigurationError, MissingExtra, WeightsError
from .openmp import short_spins
from .transformers_loading import transformers_loading

__all__ = ["OpenedEncoder", "check_libraries", "open_encoder"]

EXTRA = "critic"
_LIBRARIES = ("torch", "transformers", "safetensors")
# Only what lies in the folder, and none of the code that a repository may bring.
_HOW = {"local_files_only": True, "trust_remote_code": False}


@dataclass(frozen=True, slots=True)
class OpenedEncoder:
    """An encoder in memory.

    Attributes:
        model: called with tokens and their mask; has `last_hidden_state` (rows, tokens, width).
        width: numbers a token.
        kind: the family, as its configuration calls it: "bert", "t5", "modernbert".
    """

    model: Any
    tokenizer: Any
    width: int
    kind: str


def check_libraries() -> None:
    """Raises MissingExtra where torch, transformers or safetensors is not installed."""
    for library in _LIBRARIES:
        if importlib.util.find_spec(library) is None:
            raise MissingExtra(library, EXTRA)


def open_encoder(folder: Path, *, weights: bool = True) -> OpenedEncoder:
    """The encoder of a folder in transformers' format, in single precision on the CPU.

    Of an encoder-decoder only the encoder is kept: a verdict is two numbers and no text.

    Args:
        weights: False for the shape alone, whose random numbers are overwritten by the caller.

    Raises:
        MissingExtra: a library is not installed.
        WeightsError: the files are damaged or incomplete.
        ConfigurationError: the model is none that can be used: no fast tokenizer, no width.
    """
    check_libraries()
    with short_spins():
        import torch  # noqa: F401 - loaded here, so that its threads do not spin for long
    import transformers

    try:
        with transformers_loading():
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                str(folder), split_special_tokens=True, **_HOW
            )
            model, missing = _model(folder, weights)
    except Exception as error:
        # A damaged or foreign file: every format and library has an error of its own.
        raise WeightsError(
            f"{folder} cannot be loaded: {type(error).__name__}: {error}; copy the model anew"
        ) from error
    if missing:
        raise WeightsError(
            f"{folder} lacks {len(missing)} weights of its encoder, {missing[0]} for one; copy the "
            "model anew"
        )
    return _checked(model, tokenizer, folder)


def _model(folder: Path, weights: bool) -> tuple[Any, list[str]]:
    import transformers

    if weights:
        whole, info = transformers.AutoModel.from_pretrained(
            str(folder), output_loading_info=True, **_HOW
        )
        lost = sorted(info["missing_keys"])
    else:
        config = transformers.AutoConfig.from_pretrained(str(folder), **_HOW)
        kind: Any = transformers.AutoModel  # from_config bears no annotations
        whole, lost = kind.from_config(config), []
    # The configuration of a stored encoder half no longer says that there was another one.
    if whole.config.is_encoder_decoder or hasattr(whole, "decoder"):
        whole = whole.get_encoder()
        lost = [key for key in lost if key.startswith("encoder.")]
    # What a pooler on top says is never read.
    return whole.float().eval(), [key for key in lost if not key.startswith("pooler.")]


def _checked(model: Any, tokenizer: Any, folder: Path) -> OpenedEncoder:
    width = getattr(model.config, "hidden_size", None)
    if not isinstance(width, int):
        raise ConfigurationError(
            f"{folder} is no text encoder: its configuration names no hidden_size"
        )
    if not tokenizer.is_fast:
        raise ConfigurationError(
            f"{folder} has no fast tokenizer (tokenizer.json), which tells question and passages "
            "apart; name a model that has one"
        )
    return OpenedEncoder(model, tokenizer, width, str(model.config.model_type))
