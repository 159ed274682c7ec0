"""Finds passages by words: BM25 over an index on disk, with names given their due."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..router.errors import StoreCorrupt
from ..router.evidence import Passage
from .corpus_python import python_docs_key, python_docs_passages
from .document_folder import list_folder, require_folder
from .documents import DOCUMENTS_VERSION
from .index_store import IndexStore, Manifest
from .index_tantivy import FORMAT, engine_version, open_index, reading, stemmer
from .index_update import FolderScan, Progress, index_folder, index_passages
from .pdf_text import pdf_engine
from .query_terms import QueryTerm, query_terms

if TYPE_CHECKING:
    from tantivy import DocAddress, Query

__all__ = ["FieldWeights", "TantivyRetriever", "open_documents", "open_python_docs"]


@dataclass(frozen=True, slots=True)
class FieldWeights:
    """What a match is worth, by where it is. Chosen on half of the shipped questions.

    Attributes:
        body: factor on BM25 in the text.
        lead: factor on BM25 in its first sentence.
        title: factor on BM25 in the title (of a dotted name in its last component).
        context: factor on BM25 in what surrounds the title.
        name: constant for a title that holds the name asked for ("json" for all of `json.*`): in
            BM25 the shortest title would win, which is rarely the answer.
        component: share of `name` by which each further component of a dotted name adds.
        kind: constant for a passage on the kind of thing that is asked for ("which function").
        tie: share of a word's weaker fields that is added to its strongest: nearly none, or else
            a word in the text and its first sentence would count twice.
    """

    body: float = 1.0
    lead: float = 1.0
    title: float = 0.75
    context: float = 0.5
    name: float = 9.0
    component: float = 0.5
    kind: float = 2.0
    tie: float = 0.1


# Equal scores are ordered by id, which takes a few hits more than are asked for.
_SPARE_HITS = 8
# A word in more than this share of many passages multiplies the time of a search (3 ms instead of
# 1 over 100,000) and left out of it changes no ranking that we measured.
_COMMON_SHARE = 0.5
_COMMON_FROM = 5_000


class TantivyRetriever:
    """Searches one finished index; a `Retriever`.

    Attributes:
        size: how many passages can be found.
        fingerprint: digest of the indexed content; changes whenever any document changes.
        notes: what the operator should know about how the index came about.
    """

    def __init__(
        self,
        directory: Path,
        *,
        size: int,
        fingerprint: str,
        notes: tuple[str, ...] = (),
        weights: FieldWeights | None = None,
    ) -> None:
        """Opens the index in `directory`; raises StoreCorrupt where it cannot be read."""
        self.size = size
        self.fingerprint = fingerprint
        self.notes = notes
        self._directory = directory
        self._weights = weights or FieldWeights()
        self._stemmer = stemmer()
        index, self._schema = open_index(directory)
        self._searcher = index.searcher()

    async def search(self, query: str, k: int) -> Sequence[Passage]:
        """The `k` best passages, best first; of passages with the same text only the first.

        Any text is a valid query; one without a word to look for finds nothing. Runs on the event
        loop: a search takes less than a millisecond, a hop to a thread and back costs about as
        much and would keep the loop no freer.

        Raises:
            StoreCorrupt: the files of the index were damaged after it was opened.
        """
        terms = query_terms(query)
        if k <= 0 or not terms:
            return ()
        with reading(self._directory):
            hits = self._searcher.search(self._query(terms), k + _SPARE_HITS, count=False).hits
            found = [self._passage(address, score) for score, address in hits]
        found.sort(key=lambda passage: (-passage.score, passage.id))
        distinct = {passage.text: passage for passage in reversed(found)}
        return [passage for passage in found if distinct[passage.text] is passage][:k]

    @property
    def home(self) -> Path:
        """The directory that outlives updates of the index: for what is kept beside it."""
        return self._directory.parent

    def addresses(self) -> list[DocAddress]:
        """Where each passage of the index lies, for `at`."""
        from tantivy import Query

        if not self.size:
            return []
        with reading(self._directory):
            found = self._searcher.search(Query.all_query(), self.size, count=False)
        return [address for _, address in found.hits]

    def at(self, address: DocAddress, score: float = 0.0) -> Passage:
        """The passage that lies there. Raises StoreCorrupt."""
        with reading(self._directory):
            return self._passage(address, score)

    def _passage(self, address: DocAddress, score: float) -> Passage:
        stored = self._searcher.doc(address).get_first("stored")
        identity, title, text = json.loads(bytes(stored or b""))
        return Passage(identity, title, text, float(score))

    def _query(self, terms: Sequence[QueryTerm]) -> Query:
        from tantivy import Occur, Query

        stems = {stem for term in terms for stem in self._stemmer.analyze(term.words)}
        common = {stem for stem in stems if self._is_common(stem)}
        done = set[str]() if common == stems else common
        wanted = [part for term in terms for part in self._parts(term, done)]
        return Query.boolean_query([(Occur.Should, part) for part in wanted])

    def _is_common(self, stem: str) -> bool:
        """Whether looking for it costs much and tells little."""
        frequency = self._searcher.doc_freq("body", stem)
        return frequency >= _COMMON_FROM and frequency > _COMMON_SHARE * self.size

    def _parts(self, term: QueryTerm, done: set[str]) -> Iterator[Query]:
        """What a term asks for, stems that are `done` left out; each is done from then on."""
        from tantivy import Query

        weights = self._weights
        stems = [s for s in dict.fromkeys(self._stemmer.analyze(term.words)) if s not in done]
        done.update(stems)
        words = [list(self._word(stem, term.weight)) for stem in stems]
        names = list(self._names(term))
        if names and len(words) == 1:
            # One word, as a name or in the text: whichever says more.
            words[0] += names
        elif names:
            words.append(names)
        yield from (Query.disjunction_max_query(word, weights.tie) for word in words)
        if term.kind:
            yield self._constant("context", self._stemmer.analyze(term.kind)[0], weights.kind)

    def _word(self, stem: str, weight: float) -> Iterator[Query]:
        from tantivy import Query

        weights = self._weights
        for field in ("body", "lead", "title", "context"):
            query = Query.term_query(self._schema, field, stem)
            yield Query.boost_query(query, weight * float(getattr(weights, field)))

    def _names(self, term: QueryTerm) -> Iterator[Query]:
        weights = self._weights
        for path, components in term.names:
            known = bool(self._searcher.doc_freq("name", path))
            bonus = weights.name * (1 + weights.component * (components - 1))
            yield self._constant("name", path if known else path.lower(), bonus)

    def _constant(self, field: str, term: str, score: float) -> Query:
        from tantivy import Query

        return Query.const_score_query(Query.term_query(self._schema, field, term), score)


def open_documents(
    folder: Path, index_root: Path, *, progress: Progress | None = None
) -> TantivyRetriever:
    """Searches the .txt, .md, .html and .pdf files below `folder`.

    The index lies below `index_root`, one for each folder, and is brought up to date first: files
    that have changed are read again, files that are gone are forgotten. A damaged index is built
    anew, with a note. Threads and processes may do this at the same time; they wait in turn.

    Args:
        progress: told how many files are done, of how many that have to be read.

    Raises:
        ConfigurationError: the folder is missing, is none, or holds nothing that can be read.
        StoreError: the index cannot be written, e.g. because the disk is full.
    """
    require_folder(folder)
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    store = IndexStore(index_root / f"docs-{name}")
    key = _key(f"documents-v{DOCUMENTS_VERSION} by {pdf_engine()}")
    with store.locked():
        # Listed with the lock held: an older listing must not undo what another process has done.
        at_ns = time.time_ns()
        scan = FolderScan(folder, list_folder(folder), at_ns)
        previous, notes = _previous(store, key)
        manifest, report = index_folder(store, previous, key, scan, progress)
        return _opened(store, manifest, (*notes, *report.lines()))


def open_python_docs(index_root: Path, *, progress: Progress | None = None) -> TantivyRetriever:
    """Searches the running Python's own documentation; see `corpus_python`.

    Built at first use, in about two seconds, and again when Python changes.

    Args:
        progress: told how many passages are done, of how many; not called where all is there.

    Raises:
        StoreError: the index cannot be written, e.g. because the disk is full.
    """
    store = IndexStore(index_root / f"python-{sys.version_info.major}.{sys.version_info.minor}")
    key = _key(python_docs_key())
    with store.locked():
        manifest, notes = _previous(store, key)
        if manifest is None:
            manifest = index_passages(store, key, python_docs_passages(), progress)
        return _opened(store, manifest, notes)


def _key(corpus: str) -> str:
    return f"{corpus} in format {FORMAT} of tantivy {engine_version()}"


def _previous(store: IndexStore, key: str) -> tuple[Manifest | None, tuple[str, ...]]:
    """What lies there, if it is of use, and a note if it is not."""
    try:
        return store.load(key), ()
    except StoreCorrupt as error:
        return None, (f"the search index was built anew: {error}",)


def _opened(store: IndexStore, manifest: Manifest, notes: tuple[str, ...]) -> TantivyRetriever:
    return TantivyRetriever(
        store.path_of(manifest),
        size=manifest.passages,
        fingerprint=manifest.fingerprint,
        notes=notes,
    )
