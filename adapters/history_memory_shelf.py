"""What the history in memory is made of: mappings that forget."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

__all__ = ["Shelf"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Shelf(Generic[K, V]):
    """A mapping that forgets: the least recently kept beyond `cap`, and what is over `ttl_s`.

    Whatever is kept gets a number, the higher the later.
    """

    def __init__(self, cap: int, ttl_s: float, clock: Callable[[], float]) -> None:
        self._cap = cap
        self._ttl_s = ttl_s
        self._clock = clock
        self._ever = 0
        self._kept: OrderedDict[K, tuple[float, int, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value; None where it is unknown or was forgotten."""
        found = self._kept.get(key)
        return None if found is None or self._is_over(found[0]) else found[2]

    def kept_at(self, key: K) -> float | None:
        """When it was kept; None where it is unknown or was forgotten."""
        found = self._kept.get(key)
        return None if found is None or self._is_over(found[0]) else found[0]

    def keep(self, key: K, value: V, at: float | None = None) -> list[K]:
        """Keep or replace a value; the keys that had to go for it, though their time was not over.

        Args:
            at: when its life began; now where None.
        """
        self._ever += 1
        self._kept[key] = (self._clock() if at is None else at, self._ever, value)
        self._kept.move_to_end(key)
        gone = []
        while self._kept:
            oldest, (kept_at, _, _) = next(iter(self._kept.items()))
            is_over = self._is_over(kept_at)
            if len(self._kept) <= self._cap and not is_over:
                break
            del self._kept[oldest]
            if not is_over:
                gone.append(oldest)
        return gone

    def drop(self, key: K) -> V | None:
        """Forget a value, and return it."""
        found = self._kept.pop(key, None)
        return None if found is None else found[2]

    def items(self) -> Iterator[tuple[K, int, V]]:
        """Key, number and value of everything that is still kept, oldest first."""
        for key, (at, number, value) in list(self._kept.items()):
            if not self._is_over(at):
                yield key, number, value

    def _is_over(self, at: float) -> bool:
        return self._clock() - at >= self._ttl_s
