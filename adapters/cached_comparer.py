"""A comparer whose comparisons are kept in this process: NLI of a pair takes many milliseconds."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence

from ..router.protocols import Comparer
from ..router.requests import CompareKind
from ..router.tenancy import current_tenant
from .cache_keys import pair_key

__all__ = ["CachedComparer"]


class CachedComparer:
    """A `Comparer` around another, for several threads at once.

    Only pairs that are not known yet are compared, each once a call. What is kept is per tenant.

    Attributes:
        counts: `hit` and `miss`, in pairs.

    Args:
        most: pairs that are kept, those used last.
    """

    def __init__(self, inner: Comparer, most: int = 100_000) -> None:
        self.counts: Counter[str] = Counter()
        self._inner = inner
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[float, ...]] = OrderedDict()

    @property
    def name(self) -> str:
        """Of the comparer behind it: keeping changes no number."""
        return self._inner.name

    @property
    def kind(self) -> CompareKind:
        """Of the comparer behind it."""
        return self._inner.kind

    def compare(self, pairs: Sequence[tuple[str, str]]) -> Sequence[tuple[float, ...]]:
        """One tuple a pair, in order. Raises as the comparer behind it."""
        tenant = current_tenant()
        keys = [pair_key(tenant, self.name, self.kind, pair).digest + tenant for pair in pairs]
        with self._lock:
            found = {key: self._kept[key] for key in set(keys) if key in self._kept}
            for key in found:
                self._kept.move_to_end(key)
        missing = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in found}
        self.counts["hit"] += len(pairs) - len(missing)
        self.counts["miss"] += len(missing)
        if missing:
            values = self._inner.compare(list(missing.values()))
            made = dict(zip(missing, values, strict=True))
            found |= made
            with self._lock:
                self._kept |= made
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        return [found[key] for key in keys]
