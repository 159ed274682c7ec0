"""Confidence from a vote among traces, each weighed by how improbable its alternatives were."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..evidence import Generation
from ..hygiene import COVERAGE, check, select
from ..protocols import Needs
from ..signals import Detail, Reading, Unavailable
from .path_votes import (
    Paths,
    at_least_two,
    make_paths,
    share_of_winner,
    shown_filter,
    sums_by_class,
)
from .sample_probability import whole
from .views import answers

__all__ = ["DeepconfVote"]

_MOST = 20  # alternatives of a token that count, as for the other DeepConf signals
_FEWEST_KEPT = 2  # the share of a single trace is 1 whatever it says


@dataclass(frozen=True, slots=True)
class DeepconfVote(BatchEstimator):
    """The returned answer's share of trace confidence.

    A trace's confidence is the mean over its content tokens of C = -(1/k) sum of ln p over the k
    most probable alternatives, at most 20. `raw` and `value` are the sum of confidences over the
    traces with the answer, over the sum of all, in [0, 1], higher is surer. With `top10`, by the
    name of `deepconf_vote_top10`, only the most confident tenth of the traces votes: at least two,
    and every one as confident as the last of them (`kept` in the details). Unavailable where the
    greedy answer is empty, with less than two samples, where hygiene finds fault with a sample or
    less than 90 % of its content tokens have a logprob and two alternatives, and where no trace
    has any confidence.

    Source: Fu et al. 2025, "Deep Think with Confidence", arXiv 2508.15260. Departure: two traces
    at least, since the share of a single one is 1 whatever it says.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
        content_filter: look at content tokens only; without it every token counts.
        top10: let the most confident tenth vote.
    """

    samples: int = 5
    content_filter: bool = True
    top10: bool = False

    version: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """Of the vote of all traces and of that of the most confident."""
        return "deepconf_vote_top10" if self.top10 else "deepconf_vote"

    @property
    def needs(self) -> Needs:
        """Samples of the same prompt, with alternatives."""
        return Needs(logprobs=True, top_logprobs=2, samples=self.samples)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            self._read(paths) if isinstance(paths, Paths) else paths
            for paths in map(at_least_two, batch.shared(_by_confidence, self.content_filter))
        ]

    def _read(self, paths: Paths) -> Reading:
        confidences, names = paths.numbers, paths.classes.samples
        details: dict[str, Detail] = {"k": paths.k, "filter": shown_filter(self.content_filter)}
        if self.top10:
            wanted = max(_FEWEST_KEPT, math.ceil(len(confidences) / 10))
            least = sorted(confidences, reverse=True)[wanted - 1]
            names = tuple([n for n, c in zip(names, confidences, strict=True) if c >= least])
            confidences = tuple([c for c in confidences if c >= least])
            details["kept"] = len(confidences)
        if not any(confidences):
            return Unavailable("no trace has any confidence: all alternatives have logprob 0")
        return share_of_winner(self.name, paths, sums_by_class(names, confidences), details)


def _by_confidence(batch: Batch, content_filter: bool) -> list[Paths | Unavailable]:
    """Per record its samples with their trace confidences."""
    found: list[Paths | Unavailable] = []
    for record, classes in zip(batch.records, batch.shared(answers), strict=True):
        if isinstance(classes, Unavailable):
            found.append(classes)
            continue
        traces = whole([_trace_confidence(one, content_filter) for one in record.samples])
        if isinstance(traces, Unavailable):
            found.append(traces)
            continue
        numbers = tuple([confidence for confidence, _ in traces])
        found.append(make_paths(record, classes, numbers, min([k for _, k in traces])))
    return found


def _trace_confidence(
    generation: Generation, content_filter: bool
) -> tuple[float, int] | Unavailable:
    """The mean of C over the trace, and the fewest alternatives of its tokens."""
    checked = check(generation, candidates=True)
    if isinstance(checked, Unavailable):
        return checked
    chosen = select(checked, content_filter=content_filter, coverage=COVERAGE, least_candidates=2)
    if isinstance(chosen, Unavailable):
        return chosen
    rows = [checked.candidates[i][:_MOST] for i in chosen.positions]
    confidence = abs(math.fsum([sum(row) / len(row) for row in rows])) / len(rows)
    return confidence, min(map(len, rows))
