"""Natural-language inference by a cross-encoder: does one text contradict or entail another?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ..router.errors import ConfigurationError
from ..router.requests import CompareKind
from .encoder_files import EncoderFiles
from .encoder_torch import TorchEncoder

__all__ = ["NliComparer", "label_order"]

_LABELS = ("contradiction", "neutral", "entailment")


class NliComparer:
    """Probabilities of contradiction, neutrality and entailment: softmax of logits / temperature.

    Any sequence classifier of transformers with these three labels, in whatever order it has them.
    Premise and hypothesis go through the model together; where they are longer than it can take,
    the longer one is cut.

    Args:
        temperature: above 1 makes the probabilities softer. The published figures of the spectral
            estimators of Lin et al. 2024 depend on 3.

    Raises:
        ConfigurationError: the model has other labels.
    """

    kind: ClassVar[CompareKind] = "nli"

    def __init__(
        self, files: EncoderFiles, *, temperature: float = 1.0, device: str | None = None
    ) -> None:
        self._order = label_order(files)
        self._temperature = temperature
        self._encoder = TorchEncoder(files, "AutoModelForSequenceClassification", device=device)

    @property
    def name(self) -> str:
        """The model with its digest, and the temperature where it is not 1."""
        softer = "" if self._temperature == 1.0 else f",temperature={self._temperature:g}"
        return f"{self._encoder.files.name}{softer}"

    def compare(self, pairs: Sequence[tuple[str, str]]) -> Sequence[tuple[float, ...]]:
        """Three probabilities a pair, in order. Raises an UpstreamError as `TorchEncoder.run`."""
        if not pairs:
            return []
        found = self._encoder.run(pairs, self._probabilities)
        return [tuple(row) for row in found.tolist()]

    def _probabilities(self, output: Any, batch: Any) -> Any:
        softmax = (output.logits.float() / self._temperature).softmax(dim=1)
        return softmax[:, list(self._order)]


def label_order(files: EncoderFiles) -> tuple[int, int, int]:
    """The model's indices of contradiction, neutrality and entailment, from its `id2label`.

    Raises:
        ConfigurationError: it has other labels than these three; says which.
    """
    labels = files.json("config.json").get("id2label")
    found = {}
    if isinstance(labels, dict):
        found = {str(label).strip().casefold(): index for index, label in labels.items()}
    if set(found) != set(_LABELS) or len(labels or ()) != len(_LABELS):
        shown = ", ".join(map(str, labels.values())) if isinstance(labels, dict) else "none"
        raise ConfigurationError(
            f"{files.name} has the labels {shown or 'none'}: an NLI model has contradiction, "
            "neutral and entailment. Name another model, or write the three into the id2label of "
            "its config.json if you know their order"
        )
    contradiction, neutral, entailment = (int(found[label]) for label in _LABELS)
    return contradiction, neutral, entailment
