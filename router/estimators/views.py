"""Views of a batch that estimators of several families share."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..answers import class_of, judged_problem
from ..batch import Batch
from ..content import special_flags
from ..evidence import Evidence, Generation
from ..hygiene import COVERAGE, MISSING_TOKEN, Checked, Selection, check, select
from ..making import maker
from ..signals import Unavailable

__all__ = [
    "Answers",
    "Likelihood",
    "answers",
    "checked_answers",
    "chosen_tokens",
    "likelihood",
    "likelihoods",
    "selected",
    "total_logprob",
]


@dataclass(frozen=True, slots=True)
class Answers:
    """The greedy answer and its samples, each by its class (see `router.answers`).

    Attributes:
        greedy: class of the greedy answer.
        samples: classes of the M samples, in order; M is at least 1.
    """

    greedy: str
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How probable a generation was.

    Attributes:
        total: L, the sum of the logprobs of all its tokens, in nats; None where one is missing.
        mean: the mean logprob of its content tokens, in nats.
        coverage: share of the content tokens that has a logprob, at least 0.9.
    """

    total: float | None
    mean: float
    coverage: float


_make_likelihood = maker(Likelihood)


def checked_answers(batch: Batch) -> list[Checked | Unavailable]:
    """Per record the checked tokens of its greedy answer, without their alternatives."""
    return [check(record.greedy) for record in batch.records]


def chosen_tokens(
    batch: Batch, content_filter: bool
) -> list[tuple[Checked, Selection] | Unavailable]:
    """Per record the greedy answer's checked tokens and those of them that count, however few."""
    found: list[tuple[Checked, Selection] | Unavailable] = []
    for checked in batch.shared(checked_answers):
        if isinstance(checked, Unavailable):
            found.append(checked)
            continue
        chosen = select(checked, content_filter=content_filter, coverage=0.0)
        found.append(chosen if isinstance(chosen, Unavailable) else (checked, chosen))
    return found


def selected(
    batch: Batch, content_filter: bool, coverage: float
) -> list[tuple[Checked, Selection] | Unavailable]:
    """The same where at least this share of the content tokens has a logprob."""
    return [
        MISSING_TOKEN
        if not isinstance(found, Unavailable) and found[1].coverage < coverage
        else found
        for found in batch.shared(chosen_tokens, content_filter)
    ]


def answers(batch: Batch) -> list[Answers | Unavailable]:
    """Per record the classes of its answers; Unavailable without an answer or without samples."""
    return [_answers(record) for record in batch.records]


def _answers(record: Evidence) -> Answers | Unavailable:
    problem = judged_problem(record.greedy)
    if problem is not None:
        return problem
    if not record.samples:
        return Unavailable("no samples")
    greedy = class_of(record.greedy)
    if isinstance(greedy, Unavailable):
        return greedy
    classes = []
    for sample in record.samples:
        found = class_of(sample)
        if isinstance(found, Unavailable):
            return Unavailable(f"a sample is a {found.reason}")
        classes.append(found)
    return Answers(greedy, tuple(classes))


def total_logprob(checked: Checked) -> float | Unavailable:
    """The sum over all tokens; Unavailable where any but a control token lacks its logprob.

    Of a tool call only its arguments' values count: its syntax is the protocol's, not the model's.
    """
    if checked.arguments:
        chosen = [checked.logprobs[i] for i in checked.arguments]
        present = [logprob for logprob in chosen if logprob is not None]
        return math.fsum(present) if len(present) == len(chosen) else MISSING_TOKEN
    if checked.missing:
        flags = special_flags(checked.tokens)
        for control, logprob in zip(flags, checked.logprobs, strict=True):
            if logprob is None and not control:
                return MISSING_TOKEN
    return math.fsum([logprob for logprob in checked.logprobs if logprob is not None])


def likelihood(generation: Generation, content_filter: bool) -> Likelihood | Unavailable:
    """How probable one generation was."""
    checked = check(generation)
    if isinstance(checked, Unavailable):
        return checked
    chosen = select(checked, content_filter=content_filter, coverage=COVERAGE)
    if isinstance(chosen, Unavailable):
        return chosen
    total = total_logprob(checked)
    mean = math.fsum(chosen.logprobs) / len(chosen.logprobs)
    known = None if isinstance(total, Unavailable) else total
    return _make_likelihood(known, mean, chosen.coverage)


def likelihoods(batch: Batch, content_filter: bool) -> list[tuple[Likelihood | Unavailable, ...]]:
    """Per record the likelihoods of its greedy answer (index 0) and of its samples."""
    return [
        tuple([likelihood(one, content_filter) for one in (record.greedy, *record.samples)])
        for record in batch.records
    ]
