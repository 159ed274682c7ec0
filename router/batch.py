"""Reading many records at once: what several estimators need of them is worked out once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar

from .evidence import Evidence
from .signals import Reading

__all__ = ["Batch", "BatchEstimator"]

P = ParamSpec("P")
T = TypeVar("T")


class Batch:
    """Records that are read together, and the views of them that estimators share.

    A view is a function of the batch: checked tokens, arrays of candidates, answer classes. It is
    made when the first estimator asks for it. Views hold one entry a record, in order; a record
    that a view cannot use has an `Unavailable` there and spoils no other.
    """

    __slots__ = ("_views", "records")

    def __init__(self, records: Sequence[Evidence]) -> None:
        self.records = records
        self._views: dict[tuple[Any, ...], Any] = {}

    def __len__(self) -> int:
        return len(self.records)

    def shared(
        self, view: Callable[Concatenate[Batch, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """`view(self, *args)`, made once for equal arguments (which must be hashable)."""
        key = (view, args, *sorted(kwargs.items())) if kwargs else (view, args)
        try:
            found: T = self._views[key]
        except KeyError:
            found = self._views[key] = view(self, *args, **kwargs)
        return found


class BatchEstimator(ABC):
    """Base of the estimators of the catalogue: each reads a batch, and one record as a batch of 1.

    One's own estimator need not derive from it: `protocols.Estimator` is all that is asked for.
    """

    __slots__ = ()

    @abstractmethod
    def estimate_batch(self, batch: Batch) -> Sequence[Reading]:
        """One reading a record, in order; never raises for bad evidence."""

    def estimate(self, evidence: Evidence) -> Reading:
        """The signal, or why there is none."""
        return self.estimate_batch(Batch((evidence,)))[0]
