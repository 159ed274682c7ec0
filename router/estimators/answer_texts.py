"""The texts of an answer and its samples, for estimators that compare texts."""

from __future__ import annotations

from ..batch import Batch
from ..evidence import Evidence
from ..hygiene import TOOL_CALL, answer_problem
from ..signals import Unavailable

__all__ = ["NO_SAMPLES", "answer_texts"]

NO_SAMPLES = Unavailable("no samples")
_TOOL_CALL_SAMPLE = Unavailable("a sample is a tool call")


def answer_texts(batch: Batch) -> list[tuple[str, ...] | Unavailable]:
    """Per record the texts of the greedy answer (index 0) and its M >= 1 samples; a view.

    Outer white space is off; a sample may be empty. Unavailable where the greedy answer is empty
    or any answer is a tool call without text, and without samples.
    """
    return [_texts(record) for record in batch.records]


def _texts(record: Evidence) -> tuple[str, ...] | Unavailable:
    greedy = record.greedy.text.strip()
    if not greedy:
        return answer_problem(record.greedy) or TOOL_CALL
    if not record.samples:
        return NO_SAMPLES
    texts = tuple([sample.text.strip() for sample in record.samples])
    if not all(texts):
        for sample in record.samples:
            if answer_problem(sample) == TOOL_CALL:
                return _TOOL_CALL_SAMPLE
    return (greedy, *texts)
