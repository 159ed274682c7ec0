"""A model of which only so many calls are under way at once."""

from __future__ import annotations

from collections import Counter

from ..router.errors import Overloaded
from ..router.protocols import Completion, Model, ModelCall, OnTokens
from .bulkhead import Bulkhead
from .model_around import ModelAround

__all__ = ["BulkheadModel"]


class BulkheadModel(ModelAround):
    """A `Model` around another. Counts what is turned away as `overloaded`."""

    def __init__(self, inner: Model, bulkhead: Bulkhead, counts: Counter[str]) -> None:
        super().__init__(inner)
        self._bulkhead = bulkhead
        self._counts = counts

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        """As the model, once there is a place. Raises `Overloaded` where there is none in time."""
        try:
            async with self._bulkhead.slot(call.timeout_s) as waited_s:
                return await self._inner.generate(call.within(waited_s), on_tokens)
        except Overloaded:
            self._counts["overloaded"] += 1
            raise
