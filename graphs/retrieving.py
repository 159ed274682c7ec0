"""From the settings of retrieval to what searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..adapters.index_update import Progress
from ..adapters.retriever_tantivy import TantivyRetriever, open_documents, open_python_docs
from ..router.errors import ConfigurationError, MissingExtra, RunError, StoreError
from ..router.evidence import Passage
from .comparing import located_encoder
from .places import Surroundings
from .settings import RetrievalSettings, Settings

__all__ = ["CallerSearch", "DocumentSearch", "NoSearch", "build_retriever", "find_retriever"]


class DocumentSearch(Protocol):
    """A `Retriever` that can tell about itself."""

    @property
    def size(self) -> int | None:
        """How many passages can be found; None where that is not known."""
        ...

    @property
    def fingerprint(self) -> str:
        """What a remembered answer must agree on."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the operator should know, at present."""
        ...

    async def search(self, query: str, k: int) -> Sequence[Passage]:
        """As a `Retriever`."""
        ...


@dataclass(frozen=True, slots=True)
class NoSearch:
    """Stands for documents that cannot be searched: every search says why."""

    reason: str
    fingerprint: str = "none"
    size: int | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """The reason."""
        return (f"documents cannot be searched: {self.reason}",)

    async def search(self, query: str, k: int) -> Sequence[Passage]:
        """Raises StoreError."""
        raise StoreError(self.reason)


@dataclass(frozen=True, slots=True)
class CallerSearch:
    """Stands for an application that searches itself: what decides knows that it can be done."""

    fingerprint: str = "caller"
    size: int | None = None
    notes: tuple[str, ...] = ()

    async def search(self, query: str, k: int) -> Sequence[Passage]:
        """Raises StoreError."""
        raise StoreError(
            "retrieval.caller: the application searches itself; use this deployment to judge "
            "drafts, or name documents under retrieval.docs"
        )


def find_retriever(settings: Settings, around: Surroundings) -> DocumentSearch | None:
    """As `build_retriever`, but an index or a store that fails is no reason not to answer."""
    try:
        return build_retriever(settings, around)
    except RunError as error:
        return NoSearch(str(error))


def build_retriever(settings: Settings, around: Surroundings) -> DocumentSearch | None:
    """Searches the configured documents; None where retrieval is switched off.

    Raises:
        ConfigurationError: the folder is missing, is none, or holds nothing that can be read; the
            import path or the encoder cannot be used. Names the key.
        MissingExtra: the library that the encoder needs is not installed.
        RunError: the index cannot be written, or the LangChain retriever cannot be made.
    """
    given = settings.retrieval
    if not given.enabled:
        return None
    if given.caller:
        return CallerSearch()
    if given.langchain is not None:
        return _langchain(given.langchain)
    if given.encoder is None:
        return _by_words(given, around)
    return _hybrid(given, given.encoder, around)


def _by_words(given: RetrievalSettings, around: Surroundings) -> TantivyRetriever:
    index, progress = _index(around), _progress(around, "indexing documents")
    if given.docs is None:
        return open_python_docs(index, progress=progress)
    return open_documents(around.path(given.docs), index, progress=progress)


def _hybrid(given: RetrievalSettings, spec: str, around: Surroundings) -> DocumentSearch:
    from ..adapters.encoder_sentence import open_sentence_encoder
    from ..adapters.retriever_hybrid import open_hybrid

    try:
        encoder = open_sentence_encoder(
            located_encoder(spec, around),
            device=given.device,
            cache_dir=around.places.cache / "weights",
        )
    except MissingExtra:
        raise  # what has to be installed does not depend on the key
    except ConfigurationError as error:
        field = "retrieval.encoder"
        raise type(error)(f"{field}: {error}", field=field) from error
    words = _by_words(given, around)
    return open_hybrid(words, encoder, progress=_progress(around, "embedding passages"))


def _langchain(path: str) -> DocumentSearch:
    from ..adapters.retriever_langchain import open_langchain

    try:
        return open_langchain(path)
    except ConfigurationError as error:
        field = "retrieval.langchain"
        raise ConfigurationError(f"{field}: {error}", field=field) from error


def _index(around: Surroundings) -> Path:
    return around.places.cache / "index"


def _progress(around: Surroundings, doing: str) -> Progress:
    report = around.progress

    def progress(done: int, total: int) -> None:
        if report is not None:
            report(doing, done, total)

    return progress
