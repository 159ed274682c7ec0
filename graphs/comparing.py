"""From the settings of comparisons to what compares."""

from __future__ import annotations

from ..adapters.comparers import open_comparer
from ..adapters.encoder_files import is_folder
from ..router.errors import ConfigurationError, MissingExtra
from ..router.protocols import Comparer
from ..router.requests import CompareKind
from .places import Surroundings
from .settings import ComparisonSettings

__all__ = ["build_comparer", "located_encoder"]

_TRANSFORMERS = "transformers:"


def build_comparer(
    settings: ComparisonSettings, kind: CompareKind, around: Surroundings
) -> Comparer | None:
    """What is configured for this kind, None where nothing is; a model is loaded at its first use.

    Raises:
        ConfigurationError: the name is unknown, its model cannot compare so, or it is not on this
            machine (WeightsError); names the key.
        MissingExtra: the library that it needs is not installed.
    """
    spec = settings.similarity if kind == "similarity" else settings.nli
    if spec is None:
        return None
    try:
        return open_comparer(
            located_encoder(spec, around),
            kind,
            nli_temperature=settings.nli_temperature,
            device=settings.device,
            cache_dir=around.places.cache / "weights",
        )
    except MissingExtra:
        raise  # what has to be installed does not depend on the key
    except ConfigurationError as error:
        field = f"comparison.{kind}"
        raise type(error)(f"{field}: {error}", field=field) from error


def located_encoder(spec: str, around: Surroundings) -> str:
    """The name of an encoder; a folder's path starts, as all do, at the configuration's folder."""
    name = spec.removeprefix(_TRANSFORMERS)
    if spec.startswith(_TRANSFORMERS) and is_folder(name):
        return f"{_TRANSFORMERS}{around.path(name).absolute()}"
    return spec
