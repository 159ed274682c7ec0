"""Confidence from how densely probable answers lie around the greedy one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..batch import Batch
from ..making import maker
from ..signals import Detail, Reading, Signal, Unavailable
from .nli_matrices import CONTRADICTION, NEUTRAL, NliEstimator, nli_details, nli_matrices
from .record_stacks import Stacked
from .sample_probability import sample_likelihoods
from .views import Likelihood, likelihoods

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["SemanticDensity", "SemanticDensityLmp"]

_make_signal = maker(Signal)


@dataclass(frozen=True, slots=True)
class SemanticDensity(NliEstimator):
    """Semantic density of the greedy answer, sum of q_i K_i / sum of q_i over the samples.

    q_i = exp(mean logprob of sample i); K_i = 1 - d2 where d1 <= 1, else 0, with d1 = c + n
    sqrt(2)/2 and d2 = c + n/2 from the NLI of the greedy answer as premise and sample i as
    hypothesis. `raw` and `value` are that share, in [0, 1], higher is surer. With one sample the
    details carry `one_sample`. Unavailable without an answer text or samples, where the NLI matrix
    is missing or wrong, and where hygiene finds fault with a sample.

    Source: Qiu and Miikkulainen 2024, "Semantic Density: Uncertainty Quantification for Large
    Language Models through Confidence Measurement in Semantic Space", arXiv 2405.13845.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
        content_filter: look at content tokens only; without it every token counts.
        nli_temperature: flattens the NLI distributions first, where above 1.
    """

    content_filter: bool = True
    nli_temperature: float = 1.0

    name: ClassVar[str] = "semantic_density"
    version: ClassVar[int] = 1
    reads_logprobs: ClassVar[bool] = True

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        nearness = batch.shared(_kernels, self.nli_temperature).rows()
        likely = batch.shared(sample_likelihoods, self.content_filter)
        return [self._read(*pair) for pair in zip(nearness, likely, strict=True)]

    def _read(self, kernels: Any, likely: tuple[Likelihood, ...] | Unavailable) -> Reading:
        if isinstance(kernels, Unavailable):
            return kernels
        if isinstance(likely, Unavailable):
            return likely
        raw = _weighted_mean([one.mean for one in likely], kernels)
        details: dict[str, Detail] = {
            "m": len(likely),
            "filter": "on" if self.content_filter else "off",
            **nli_details(self.nli_temperature),
        }
        if len(likely) == 1:
            details["one_sample"] = True
        return _make_signal(self.name, raw, raw, "confidence", details)


@dataclass(frozen=True, slots=True)
class SemanticDensityLmp(NliEstimator):
    """LM-Polygraph's semantic density, bug for bug: unique samples plus the greedy answer.

    -(q_0 + sum of q_i K_i) / (q_0 + sum of q_i) over the first sample of each text, K_i = 1 - d2
    with d2 = c + n/2, the greedy answer with K = 1, q = exp(mean logprob of all tokens). `raw` is
    in [-1, 0], high is unsure; `value` is -raw. Where equal texts came with other logprobs, the
    order of the samples decides, and the details carry `order_matters`. Unavailable as
    `SemanticDensity`, and where hygiene finds fault with the greedy answer.

    Source: LM-Polygraph 0.7.0, `SemanticDensity`, after Qiu and Miikkulainen 2024, arXiv
    2405.13845.
    """

    name: ClassVar[str] = "semantic_density_lmp"
    version: ClassVar[int] = 1
    reads_logprobs: ClassVar[bool] = True

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        found: list[Reading] = []
        nearness = batch.shared(_squared_nearness).rows()
        sampled = batch.shared(sample_likelihoods, False)
        every = batch.shared(likelihoods, False)
        for record, kernels, likely, whole in zip(
            batch.records, nearness, sampled, every, strict=True
        ):
            greedy = whole[0]
            if isinstance(kernels, Unavailable):
                found.append(kernels)
            elif isinstance(likely, Unavailable):
                found.append(likely)
            elif isinstance(greedy, Unavailable):
                found.append(greedy)
            else:
                texts = [sample.text for sample in record.samples]
                found.append(self._read(texts, kernels, likely, greedy))
        return found

    def _read(
        self,
        texts: Sequence[str],
        kernels: Sequence[float],
        likely: Sequence[Likelihood],
        greedy: Likelihood,
    ) -> Signal:
        firsts = {text: i for i, text in reversed(list(enumerate(texts)))}
        kept = sorted(firsts.values())
        read = list(zip(likely, kernels, strict=True))
        means = [greedy.mean, *[likely[i].mean for i in kept]]
        density = _weighted_mean(means, [1.0, *[kernels[i] for i in kept]])
        details: dict[str, Detail] = {"m": len(texts), "unique": len(kept)}
        if len(texts) == 1:
            details["one_sample"] = True
        elif any([read[i] != read[firsts[text]] for i, text in enumerate(texts)]):
            details["order_matters"] = True
        return _make_signal(self.name, density, 0.0 - density, "uncertainty", details)


def _weighted_mean(logs: Sequence[float], kernels: Sequence[float]) -> float:
    """The mean of kernels in [0, 1], weighted by exp(logs)."""
    most = max(logs)  # a common factor changes nothing, and the largest weight cannot underflow
    weights = [math.exp(one - most) for one in logs]
    total = math.fsum([w * k for w, k in zip(weights, kernels, strict=True)])
    return min(total / math.fsum(weights), 1.0)


def _squared_nearness(batch: Batch, temperature: float = 1.0) -> Stacked:
    """Per record 1 - d2 of each sample, (M,), in [0, 1]; a view."""
    return batch.shared(nli_matrices, temperature).mapped(_nearness)


def _nearness(nli: Array) -> Array:
    import numpy as np

    pairs = nli[:, 0, 1:]
    return np.maximum(1.0 - pairs[..., CONTRADICTION] - pairs[..., NEUTRAL] / 2.0, 0.0)


def _kernels(batch: Batch, temperature: float) -> Stacked:
    """Per record K of each sample, (M,), in [0, 1]; a view."""
    return batch.shared(nli_matrices, temperature).mapped(_kernel)


def _kernel(nli: Array) -> Array:
    pairs = nli[:, 0, 1:]
    distance = pairs[..., CONTRADICTION] + pairs[..., NEUTRAL] * math.sqrt(0.5)
    found: Array = _nearness(nli) * (distance <= 1.0)
    return found
