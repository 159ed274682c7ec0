"""Confidence from votes among reasoning paths, each weighed by how sure the model was of it.

All of them speak of the answer that they *return*, the one of most weight, which need not be the
greedy one: the details name it as those of `self_consistency` do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..evidence import Evidence
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable
from .majority import returned, vote
from .path_pruning import Pruning, prune
from .sample_probability import sample_likelihoods
from .views import Answers, answers

__all__ = [
    "Paths",
    "PplVote",
    "Rpc",
    "at_least_two",
    "make_paths",
    "share_of_winner",
    "shown_filter",
    "sums_by_class",
]

_make_signal = maker(Signal)

_LARGEST_EXPONENT = 700.0  # exp(-700) is about 1e-304; below it floats lose precision, then vanish
_TOO_FEW = Unavailable("needs 2 samples")


@dataclass(frozen=True, slots=True)
class Paths:
    """The samples of one record, with one number each.

    Attributes:
        record: whose samples they are.
        classes: their answers.
        numbers: one a sample: its mean logprob, or its confidence.
        k: the fewest alternatives of any token read; 0 where none were.
    """

    record: Evidence
    classes: Answers
    numbers: tuple[float, ...]
    k: int = 0


make_paths = maker(Paths)


def shown_filter(content_filter: bool) -> str:
    """How the details name whether content tokens alone were asked for."""
    return "on" if content_filter else "off"


@dataclass(frozen=True, slots=True)
class Rpc(BatchEstimator):
    """Perplexity consistency with reasoning pruning: the returned answer's share of probability.

    r_i = exp(mean logprob of path i's content tokens). A mixture of two Weibull distributions is
    fitted to all r_i; a path is pruned if it likelier stems from the component of the smaller mean
    *and* r_i is below the mean of all. Then C(a) = sum of r over the different texts that are
    kept and give answer a, and `raw` and `value` are C of the returned answer over the sum of all
    C, in (0, 1], higher is surer. Of equal texts the largest r counts. Details say how many paths
    were `pruned`, and where none could be, why (`not_pruned`): "fewer than 8 paths", "no spread"
    (all r alike) or "fit failed". Unavailable where the greedy answer is empty, with less than two
    samples, and where hygiene finds fault with one of them.

    Source: Zhou et al. 2025, "A Theoretical Study on Bridging Internal Probability and
    Self-Consistency for LLM Reasoning", arXiv 2502.00511, which draws 64 to 128 paths. Departures:
    pruning is skipped rather than trusted in the three cases above; ties (whose credit is shared
    there) are resolved as in `self_consistency`.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
        content_filter: look at content tokens only; without it every token counts.
    """

    samples: int = 5
    content_filter: bool = True

    name: ClassVar[str] = "rpc"
    version: ClassVar[int] = 1

    @property
    def needs(self) -> Needs:
        """Samples of the same prompt, with logprobs."""
        return Needs(logprobs=True, samples=self.samples)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        found = [at_least_two(paths) for paths in batch.shared(_by_logprob, self.content_filter)]
        prunings = iter(prune([one.numbers for one in found if isinstance(one, Paths)]))
        return [
            self._read(paths, next(prunings)) if isinstance(paths, Paths) else paths
            for paths in found
        ]

    def _read(self, paths: Paths, pruning: Pruning) -> Signal:
        highest = max(paths.numbers)  # a common factor changes no share, and prevents underflow
        kept: dict[tuple[str, str], float] = {}
        for sample, name, logprob, dropped in zip(
            paths.record.samples, paths.classes.samples, paths.numbers, pruning.dropped, strict=True
        ):
            if not dropped:
                weight = math.exp(logprob - highest)
                kept[name, sample.text] = max(weight, kept.get((name, sample.text), 0.0))
        details: dict[str, Detail] = {
            "pruned": sum(pruning.dropped),
            "filter": shown_filter(self.content_filter),
        }
        if pruning.skipped is not None:
            details["not_pruned"] = pruning.skipped
        weights = sums_by_class([name for name, _ in kept], list(kept.values()))
        return share_of_winner(self.name, paths, weights, details)


@dataclass(frozen=True, slots=True)
class PplVote(BatchEstimator):
    """The probability of the likeliest path, max over i of r_i; its answer is returned.

    r_i = exp(mean logprob of path i's content tokens). `raw` and `value` are that maximum, in
    [0, 1], higher is surer. With one sample the details carry `one_sample`. Unavailable where the
    greedy answer is empty, without samples, and where hygiene finds fault with one of them.

    Source: the baseline "PPL" of RPC: Zhou et al. 2025, arXiv 2502.00511.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
        content_filter: look at content tokens only; without it every token counts.
    """

    samples: int = 5
    content_filter: bool = True

    name: ClassVar[str] = "ppl_vote"
    version: ClassVar[int] = 1

    @property
    def needs(self) -> Needs:
        """Samples of the same prompt, with logprobs."""
        return Needs(logprobs=True, samples=self.samples)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            self._read(paths) if isinstance(paths, Paths) else paths
            for paths in batch.shared(_by_logprob, self.content_filter)
        ]

    def _read(self, paths: Paths) -> Signal:
        best: dict[str, float] = {}
        for name, logprob in zip(paths.classes.samples, paths.numbers, strict=True):
            best[name] = max(logprob, best.get(name, logprob))
        winner, tied = vote(best, paths.classes.greedy)
        value = math.exp(max(best[winner], -_LARGEST_EXPONENT))
        details = returned(paths.record.samples, paths.classes, winner, tied)
        details["filter"] = shown_filter(self.content_filter)
        if len(paths.numbers) == 1:
            details["one_sample"] = True
        return _make_signal(self.name, value, value, "confidence", details)


def sums_by_class(names: Sequence[str], weights: Sequence[float]) -> dict[str, float]:
    """Per class the sum of its weights, rounded once, so that their order is no matter."""
    parts: dict[str, list[float]] = {}
    for name, weight in zip(names, weights, strict=True):
        parts.setdefault(name, []).append(weight)
    return {name: math.fsum(weights) for name, weights in parts.items()}


def share_of_winner(
    name: str, paths: Paths, weights: Mapping[str, float], details: Mapping[str, Detail]
) -> Signal:
    """The signal of a vote by these weights per class: the winner's share of their sum."""
    winner, tied = vote(weights, paths.classes.greedy)
    share = min(weights[winner] / math.fsum(weights.values()), 1.0)
    every = {**returned(paths.record.samples, paths.classes, winner, tied), **details}
    return _make_signal(name, share, share, "confidence", every)


def at_least_two(paths: Paths | Unavailable) -> Paths | Unavailable:
    """The same, or Unavailable where there is one sample: its share is 1 whatever it says."""
    return _TOO_FEW if isinstance(paths, Paths) and len(paths.numbers) < 2 else paths


def _by_logprob(batch: Batch, content_filter: bool) -> list[Paths | Unavailable]:
    """Per record its samples with their mean logprobs."""
    found: list[Paths | Unavailable] = []
    likely = batch.shared(sample_likelihoods, content_filter)
    for record, classes, one in zip(batch.records, batch.shared(answers), likely, strict=True):
        if isinstance(classes, Unavailable):
            found.append(classes)
        elif isinstance(one, Unavailable):
            found.append(one)
        else:
            found.append(make_paths(record, classes, tuple([path.mean for path in one])))
    return found
