"""Finds passages by words and by meaning: BM25 and a sentence encoder, merged by their ranks."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..router.errors import RunError, UpstreamMalformed
from ..router.evidence import Passage
from ..router.text import clean_text
from .encoder_sentence import Embedder
from .index_update import Progress
from .passage_vectors import PassageVectors, embedded_passages, text_key
from .query_terms import query_terms
from .rank_fusion import RANK_OFFSET, fused_scores
from .retriever_tantivy import TantivyRetriever
from .worker_threads import WorkerThreads

if TYPE_CHECKING:
    from tantivy import DocAddress

__all__ = ["HybridRetriever", "PlacedVectors", "open_hybrid", "passage_text"]

# How far down each ranking is merged. Of one depth for all usual k, so that fewer passages are the
# first of more; below the hundredth place a passage gains less than 1/160.
_DEPTH = 100
_PAUSE_S = 60.0
_BY_WORDS_ALONE = "passages are searched by words alone"


@dataclass(frozen=True, slots=True)
class PlacedVectors:
    """The vectors of `passage_text` of an index's passages, and where in it each row's lies."""

    vectors: PassageVectors
    places: tuple[DocAddress, ...]


class HybridRetriever:
    """BM25 and cosine of embeddings merged by reciprocal rank fusion; a `Retriever`.

    Scores are those of `rank_fusion.fused_scores`, at most 2/61: comparable within a query. Where
    the encoder fails, searches go by words alone (their scores then are at most 1/61), `degraded`
    and `notes` say so, and the encoder is tried again after a minute.

    Attributes:
        size: how many passages can be found.
        fingerprint: digest of the indexed content and of the encoder.

    Args:
        words: the index that the passages lie in.
        placed: None searches by words alone, for the reason that `failure` gives.
        notes: on how the vectors came about.
        clock: seconds, for the pause after a failure.
    """

    def __init__(
        self,
        words: TantivyRetriever,
        embedder: Embedder,
        placed: PlacedVectors | None,
        *,
        notes: Sequence[str] = (),
        failure: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.size = words.size
        about = f"{words.fingerprint} {embedder.name} fusion {RANK_OFFSET}"
        self.fingerprint = hashlib.sha256(about.encode()).hexdigest()
        self._words = words
        self._embedder = embedder
        self._placed = placed
        self._notes = (*words.notes, *notes)
        self._clock = clock
        # The encoder runs one batch at a time in any case: a second thread would only wait for it.
        self._threads = WorkerThreads("surefoot-hybrid", 1)
        self._failure = failure
        self._paused_until = -float("inf")

    @property
    def degraded(self) -> tuple[str, ...]:
        """What is amiss at present; empty where both ways of searching work."""
        return () if self._failure is None else (self._failure,)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the operator should know about the index, and what is amiss at present."""
        return (*self._notes, *self.degraded)

    async def search(self, query: str, k: int) -> Sequence[Passage]:
        """The `k` best passages, best first; of passages with the same text only the first.

        A query without a word to look for finds nothing. Embedding runs in a thread.

        Raises:
            StoreCorrupt: the files of the index were damaged after it was opened.
        """
        if k <= 0 or not query_terms(query):
            return ()
        depth = max(_DEPTH, k)
        by_words = await self._words.search(query, depth)
        by_meaning = await self._by_meaning(query, depth)
        passages = {passage.id: passage for passage in (*by_meaning, *by_words)}
        scores = fused_scores([[p.id for p in by_words], [p.id for p in by_meaning]])
        merged = sorted(scores, key=lambda identity: (-scores[identity], identity))
        distinct: dict[str, Passage] = {}
        for identity in merged:
            found = passages[identity]
            fused = Passage(found.id, found.title, found.text, scores[identity])
            distinct.setdefault(found.text, fused)
        return list(distinct.values())[:k]

    async def _by_meaning(self, query: str, most: int) -> Sequence[Passage]:
        """The nearest passages; none, and a note, where the encoder fails."""
        placed = self._placed
        if placed is None or self._clock() < self._paused_until:
            return ()
        try:
            found = await self._threads.run(lambda: self._nearest(placed, query, most))
        except (RunError, MemoryError) as error:
            self._failure = f"{_BY_WORDS_ALONE}: {error or 'out of memory'}"
            self._paused_until = self._clock() + _PAUSE_S
            return ()
        self._failure = None
        return found

    def _nearest(self, placed: PlacedVectors, query: str, most: int) -> list[Passage]:
        import numpy as np

        embedded = np.asarray(self._embedder.embed([clean_text(query)]), np.float32)
        width = placed.vectors.rows.vectors.shape[1]
        if embedded.shape != (1, width) or not np.isfinite(embedded).all():
            raise UpstreamMalformed(
                f"{self._embedder.name} returned an array of shape {embedded.shape} for a query, "
                f"expected (1, {width}) finite numbers"
            )
        hits = placed.vectors.nearest(embedded[0], most)
        return [self._words.at(placed.places[row], cosine) for row, cosine in hits]


def open_hybrid(
    words: TantivyRetriever,
    embedder: Embedder,
    *,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> HybridRetriever:
    """Searches an index by words and by meaning.

    The vectors of its passages lie beside it, one folder an encoder, and are brought up to date
    first: only passages that are new are embedded (a small encoder takes some 30 a second on a
    core), and whoever interrupts that goes on where it stopped. Where the encoder fails or the
    vectors cannot be written, the search goes by words alone, with a note.

    Args:
        progress: told how many passages are embedded, of how many that have to be.
    """
    name = hashlib.sha256(embedder.name.encode()).hexdigest()[:16]
    try:
        places = _places(words)
        texts = [text for text, _ in places.values()]
        directory = words.home / f"vectors-{name}"
        vectors, notes = embedded_passages(directory, embedder, texts, progress)
    except RunError as error:
        failure = f"{_BY_WORDS_ALONE}: {error}"
        return HybridRetriever(words, embedder, None, failure=failure, clock=clock)
    placed = PlacedVectors(vectors, tuple(places[key][1] for key in vectors.rows.keys))
    return HybridRetriever(words, embedder, placed, notes=notes, clock=clock)


def passage_text(passage: Passage) -> str:
    """What of a passage is embedded: the title often names what the text calls "it"."""
    return clean_text(f"{passage.title}\n{passage.text}")


def _places(words: TantivyRetriever) -> Mapping[bytes, tuple[str, DocAddress]]:
    """The text and place of each distinct passage by its key; of equal ones that of the least id,
    which is also the one that a search by words finds."""
    found: dict[bytes, tuple[str, DocAddress]] = {}
    ids: dict[bytes, str] = {}
    for address in words.addresses():
        passage = words.at(address)
        text = passage_text(passage)
        key = text_key(text)
        if key not in ids or passage.id < ids[key]:
            found[key], ids[key] = (text, address), passage.id
    return found
