"""Reading signals: the one way from evidence to readings, for a request and for a file of them."""

from __future__ import annotations

from collections.abc import Sequence

from .batch import Batch
from .evidence import Evidence
from .guards import read_batch_safely
from .protocols import Estimator
from .signals import Reading

__all__ = ["read_signals"]


def read_signals(
    estimators: Sequence[Estimator], records: Sequence[Evidence]
) -> list[dict[str, Reading]]:
    """Per record every estimator's reading by name, in the order of the estimators.

    Estimators of the catalogue share what they need of a record (hygiene, alternatives, answer
    classes); reading many records at once is faster, and gives the same numbers as one by one. An
    estimator that raises, or leaves [0, 1], is Unavailable for that record.
    """
    batch = Batch(records)
    found: list[dict[str, Reading]] = [{} for _ in records]
    for estimator in estimators:
        name = estimator.name
        for signals, reading in zip(found, read_batch_safely(estimator, batch), strict=True):
            signals[name] = reading
    return found
