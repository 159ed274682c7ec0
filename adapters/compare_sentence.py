"""Similarity of texts by a sentence encoder: the cosine of their embeddings."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, ClassVar

from ..router.requests import CompareKind
from .encoder_files import EncoderFiles
from .encoder_sentence import SentenceEncoder

__all__ = ["SentenceComparer"]

# Embeddings kept, 1.5 kB each for 384 dimensions: pairs come in pieces, and share their texts.
_KEPT = 4096


class SentenceComparer:
    """Cosine of L2-normalized sentence embeddings, negative ones taken for 0.

    In [0, 1], 1 for equal texts. Cut off and not shifted to (1 + cos) / 2, so that unrelated
    sentences, whose cosines lie around 0, stay at 0. Each text is embedded once, whatever the
    number of its pairs. Tokens beyond the model's length are not looked at.
    Source: Reimers and Gurevych 2019, "Sentence-BERT", arXiv 1908.10084.

    Raises:
        ConfigurationError: the files are of a model that is no sentence encoder.
    """

    kind: ClassVar[CompareKind] = "similarity"

    def __init__(self, files: EncoderFiles, *, device: str | None = None) -> None:
        self._encoder = SentenceEncoder(files, device=device)
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The encoder with its digest."""
        return self._encoder.name

    def compare(self, pairs: Sequence[tuple[str, str]]) -> Sequence[tuple[float, ...]]:
        """One similarity a pair, in order. Raises an UpstreamError as `TorchEncoder.run`."""
        if not pairs:
            return []
        import torch

        rows = self._embedded(list(dict.fromkeys(text for pair in pairs for text in pair)))
        first = torch.stack([rows[one] for one, _ in pairs])
        second = torch.stack([rows[other] for _, other in pairs])
        cosines = (first * second).sum(dim=1).clamp(0.0, 1.0)
        return [(float(cosine),) for cosine in cosines]

    def _embedded(self, texts: Sequence[str]) -> dict[str, Any]:
        with self._lock:
            rows = {text: self._kept[text] for text in texts if text in self._kept}
        missing = [text for text in texts if text not in rows]
        if missing:
            vectors = self._encoder.tensors(missing)
            for text, vector in zip(missing, vectors, strict=True):
                rows[text] = vector.clone()  # a view would keep the whole batch
        self._keep(rows)
        return rows

    def _keep(self, rows: dict[str, Any]) -> None:
        with self._lock:
            for text, row in rows.items():
                self._kept[text] = row
                self._kept.move_to_end(text)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
