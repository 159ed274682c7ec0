"""Embeddings of sentences and short passages by a transformer encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..router.errors import ConfigurationError
from .encoder_files import EncoderFiles, find_encoder
from .encoder_torch import TorchEncoder
from .weights import default_cache_dir

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

__all__ = ["Embedder", "SentenceEncoder", "open_sentence_encoder"]


class Embedder(Protocol):
    """Turns texts into vectors. Raises a `RunError` where it cannot.

    Blocks, so callers run it in a worker thread; several threads may call it at once.
    """

    @property
    def name(self) -> str:
        """What embeds, with a version or hash: vectors of another name are of no use."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[float32]:
        """One row a text, in order: (n, d), each of Euclidean length 1."""
        ...


class SentenceEncoder:
    """L2-normalized sentence embeddings: the mean of all token states, or the first one's.

    Tokens beyond the model's length are not looked at.
    Source: Reimers and Gurevych 2019, "Sentence-BERT", arXiv 1908.10084.

    Raises:
        ConfigurationError: the files are of a model that is no sentence encoder.
    """

    def __init__(self, files: EncoderFiles, *, device: str | None = None) -> None:
        self._by_first = _pools_first_token(files)
        length = files.json("sentence_bert_config.json").get("max_seq_length")
        self._encoder = TorchEncoder(
            files,
            "AutoModel",
            max_length=length if isinstance(length, int) else None,
            device=device,
        )

    @property
    def name(self) -> str:
        """The encoder with its digest."""
        return self._encoder.files.name

    def tensors(self, texts: Sequence[str]) -> Any:
        """A float tensor (n, d) on the CPU. Raises an UpstreamError as `TorchEncoder.run`."""
        return self._encoder.run([(text,) for text in texts], self._pooled)

    def embed(self, texts: Sequence[str]) -> NDArray[float32]:
        """The same as an array; no texts give none. Raises as `tensors`."""
        import numpy as np

        if not texts:
            return np.empty((0, 0), np.float32)
        rows: NDArray[float32] = self.tensors(texts).numpy()
        return rows

    def _pooled(self, output: Any, batch: Any) -> Any:
        from torch.nn.functional import normalize

        states = output.last_hidden_state.float()
        if self._by_first:
            return normalize(states[:, 0], dim=1)
        mask = batch["attention_mask"].unsqueeze(-1).float()
        return normalize((states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1.0), dim=1)


def open_sentence_encoder(
    spec: str, *, device: str | None = None, cache_dir: Path | None = None
) -> SentenceEncoder:
    """The encoder that a configuration names; it is loaded at its first use.

    Args:
        spec: `package:NAME` or `transformers:NAME_OR_PATH`; nothing is downloaded.
        device: `cpu`, `cuda`, `cuda:1`, `mps`; None for a GPU where there is one.
        cache_dir: where digests of weights are remembered; None for the user's cache directory.

    Raises:
        MissingExtra: torch or transformers is not installed.
        ConfigurationError: the name is of no known form, or its model embeds no sentences.
        WeightsError: the model is not on this machine, or is not the pinned one.
    """
    return SentenceEncoder(find_encoder(spec, cache_dir or default_cache_dir()), device=device)


def _pools_first_token(files: EncoderFiles) -> bool:
    """Whether the first token's state is the embedding; else it is the mean of all states."""
    classes = files.json("config.json").get("architectures") or [""]
    if str(classes[0]).endswith("ForSequenceClassification"):
        raise ConfigurationError(
            f"{files.name} is a classifier ({classes[0]}) and embeds no sentences: name a sentence "
            "encoder, or use it as comparison.nli if it is an NLI model"
        )
    pooling = files.json("1_Pooling/config.json")
    chosen = {key for key, on in pooling.items() if key.startswith("pooling_mode_") and on is True}
    if chosen - {"pooling_mode_mean_tokens", "pooling_mode_cls_token"} or len(chosen) > 1:
        raise ConfigurationError(
            f"{files.name} pools by {', '.join(sorted(chosen))}: supported are the mean of all "
            "tokens and the first token"
        )
    return chosen == {"pooling_mode_cls_token"}
