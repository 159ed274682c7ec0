"""Confidence from how improbable the alternatives are: over a whole trace and over its windows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..batch import Batch, BatchEstimator
from ..protocols import Needs
from ..signals import Detail, Reading
from .candidate_measures import thin_tail
from .candidate_table import CandidateTable, candidate_table, measured_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = [
    "DeepconfBottom10",
    "DeepconfGroup",
    "DeepconfLowestGroup",
    "DeepconfTail",
    "DeepconfTokenMean",
    "window_means",
]

_MOST = 20  # alternatives looked at: as many as the large providers send
_WINDOW = 2048


def window_means(confidences: Array, window: int) -> Array:
    """(max(T - window, 0) + 1,): means over all runs of `window` tokens; over all where T is less.

    Args:
        confidences: (T,), T at least 1.
    """
    import numpy as np

    width = min(window, len(confidences))
    sums = np.concatenate(([0.0], np.cumsum(confidences)))
    means: Array = (sums[width:] - sums[:-width]) / width
    return means


@dataclass(frozen=True, slots=True)
class _Deepconf(BatchEstimator):
    """What the five have in common.

    Per content token C = -(1/k) sum of ln p over its k most probable alternatives, at most 20. All
    `raw` numbers are means of C, in nats, in [ln k, inf), and a *high* one is sure: then the
    alternatives are improbable. `value` is 1 - exp(-(raw - ln k)). Unavailable where the answer is
    empty, hygiene finds fault, or less than 90 % of the content tokens have a logprob and two
    alternatives.

    Source: Fu et al. 2025, "Deep Think with Confidence", arXiv 2508.15260.

    Attributes:
        content_filter: look at content tokens only; without it every token counts.
    """

    content_filter: bool = True

    name: ClassVar[str]
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True, top_logprobs=2)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        import numpy as np

        table = batch.shared(candidate_table, self.content_filter)
        floors = batch.shared(_floors, self.content_filter)
        raws = self._raws(table, batch.shared(measured_rows, self.content_filter, _looked_at))
        values = -np.expm1(-np.maximum(raws - floors, 0.0))
        details = self._details(batch)
        return table.readings(self.name, values.tolist(), raws.tolist(), "confidence", details)

    def _raws(self, table: CandidateTable, confidences: Array) -> Array:
        return table.means(confidences)

    def _details(self, batch: Batch) -> list[dict[str, Detail]]:
        return batch.shared(_seen, self.content_filter)


@dataclass(frozen=True, slots=True)
class DeepconfTokenMean(_Deepconf):
    """The mean of C over the greedy answer's content tokens. See the module's base class."""

    name: ClassVar[str] = "deepconf_token_mean"


@dataclass(frozen=True, slots=True)
class _Windowed(_Deepconf):
    """C over runs of tokens; the details say where the answer is `shorter_than_window`.

    Attributes:
        window: tokens of a run; the paper's is 2048.
    """

    window: int = _WINDOW

    def _raws(self, table: CandidateTable, confidences: Array) -> Array:
        import numpy as np

        if not table.ends:
            return np.empty(0)
        sizes = np.diff(table.ends, prepend=0)
        if sizes.max() <= self.window:  # one window each: the mean
            return table.means(confidences)
        return np.array([self._of_trace(trace) for trace in table.per_record(confidences)])

    def _of_trace(self, trace: Array) -> float:
        raise NotImplementedError

    def _details(self, batch: Batch) -> list[dict[str, Detail]]:
        return batch.shared(_seen_windows, self.content_filter, self.window)


@dataclass(frozen=True, slots=True)
class DeepconfGroup(_Windowed):
    """The mean of C over the last `window` tokens, sliding: the confidence of the moment."""

    name: ClassVar[str] = "deepconf_group"

    def _of_trace(self, trace: Array) -> float:
        return float(window_means(trace, self.window)[-1])


@dataclass(frozen=True, slots=True)
class DeepconfLowestGroup(_Windowed):
    """The least mean of C over any `window` tokens in a row: the weakest stretch of the trace."""

    name: ClassVar[str] = "deepconf_lowest_group"

    def _of_trace(self, trace: Array) -> float:
        return float(window_means(trace, self.window).min())


@dataclass(frozen=True, slots=True)
class DeepconfBottom10(_Windowed):
    """The mean of the lowest 10 % (at least one) of the means of C over `window` tokens."""

    name: ClassVar[str] = "deepconf_bottom10"

    def _of_trace(self, trace: Array) -> float:
        import numpy as np

        means = np.sort(window_means(trace, self.window))
        return float(means[: max(1, len(means) // 10)].mean())


@dataclass(frozen=True, slots=True)
class DeepconfTail(_Windowed):
    """The mean of C over the last `window` tokens, where a long trace states its answer.

    Equal to `deepconf_group` once a trace is complete; the paper sets its length apart from that
    of the sliding window.
    """

    name: ClassVar[str] = "deepconf_tail"

    def _of_trace(self, trace: Array) -> float:
        return float(trace[-self.window :].mean())


def _looked_at(logprobs: Array) -> Array:
    return thin_tail(logprobs[:, :_MOST])


def _floors(batch: Batch, content_filter: bool) -> Array:
    """Per readable record the mean of ln k, which C cannot fall below."""
    import numpy as np

    table = batch.shared(candidate_table, content_filter)
    return table.means(np.minimum(table.log_widths(), math.log(_MOST)))


def _seen(batch: Batch, content_filter: bool) -> list[dict[str, Detail]]:
    """Per readable record its details, with the k that was looked at."""
    found = []
    for shared in batch.shared(candidate_table, content_filter).details:
        k = shared["k"]
        assert isinstance(k, int)
        found.append(shared if k <= _MOST else {**shared, "k": _MOST})
    return found


def _seen_windows(batch: Batch, content_filter: bool, window: int) -> list[dict[str, Detail]]:
    table = batch.shared(candidate_table, content_filter)
    details = batch.shared(_seen, content_filter)
    return [
        {**shared, "window": window, "shorter_than_window": True}
        if end - start < window
        else {**shared, "window": window}
        for shared, start, end in zip(details, table.starts, table.ends, strict=True)
    ]
