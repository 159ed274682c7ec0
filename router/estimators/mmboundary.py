"""Confidence of one step of reasoning from its own tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..making import maker
from ..protocols import Needs
from ..signals import Reading, Signal, Unavailable
from .mean_token_entropy import MeanTokenEntropy
from .perplexity import Perplexity

__all__ = ["MMBoundary"]

_make_signal = maker(Signal)


@dataclass(frozen=True, slots=True)
class MMBoundary(BatchEstimator):
    """(P + E) / 2, with P = exp(mean log p) and E = exp(-mean entropy) over the content tokens.

    `raw` and `value` are that mean, in (0, 1], higher is surer; both parts stand in the details.
    Made for one step of a longer text (see `weakest_step`). Unavailable where either part is, see
    `perplexity` and `mean_token_entropy`.

    Source: He et al. 2025, "MMBoundary: Advancing MLLM Knowledge Boundary Awareness through
    Reasoning Step Confidence Calibration", arXiv 2505.23224, which averages length-normalized
    log-probability, mean token entropy, TokenSAR and, for pictures, CLIPScore per sentence, and
    trains the model to say it. Departure: of these the two that the tokens alone give, each mapped
    to (0, 1] as elsewhere here; nothing is trained.

    Attributes:
        content_filter: look at content tokens only; without it every token counts.
    """

    content_filter: bool = True

    name: ClassVar[str] = "mmboundary"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True, top_logprobs=2)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        likely = Perplexity(self.content_filter).estimate_batch(batch)
        peaked = MeanTokenEntropy(self.content_filter).estimate_batch(batch)
        return [_mean(p, e) for p, e in zip(likely, peaked, strict=True)]


def _mean(likely: Reading, peaked: Reading) -> Reading:
    for part in (likely, peaked):
        if isinstance(part, Unavailable):
            return part
    assert isinstance(likely, Signal) and isinstance(peaked, Signal)
    value = (likely.value + peaked.value) / 2
    details = {"probability": likely.value, "peakedness": peaked.value}
    if "tokens" in likely.details:
        details["tokens"] = likely.details["tokens"]  # type: ignore[assignment]
    return _make_signal(MMBoundary.name, value, value, "confidence", details)
