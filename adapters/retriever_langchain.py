"""Any LangChain retriever, runnable or function that finds documents, as a `Retriever`."""

from __future__ import annotations

import hashlib
import inspect
import math
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from numbers import Real
from pathlib import PurePosixPath
from typing import Any, TypeGuard
from urllib.parse import unquote

from ..router.errors import ConfigurationError, UpstreamMalformed
from ..router.evidence import Passage
from ..router.text import clean_text
from .import_path import import_object
from .langchain_failures import typed_failure
from .worker_threads import WorkerThreads

__all__ = ["LangChainRetriever", "open_langchain"]

# A store in another process answers many at once, and one that hangs must not hold all searches.
_THREADS = 16
_SCORES = ("relevance_score", "score", "similarity_score", "_score", "@search.score")
_SOURCES = ("source", "file_path", "file_name", "filename", "url")
_LONGEST_TITLE = 200

Finder = Callable[[str, int], Awaitable[Any]]
"""Query and number wanted to documents, as the source returns them."""


class LangChainRetriever:
    """Searches whatever LangChain searches; a `Retriever`.

    Of a `BaseRetriever` with `search_kwargs` (every vector store's), `k` is set for each search; of
    others only the first `k` documents are taken, and there may be fewer. One with an async way of
    its own is awaited, all else runs in a thread.

    A passage's id is the document's, or else a digest of its metadata's `source` and its text, and
    its title the metadata's, or else the source's name. Its score is the metadata's
    (`relevance_score`, `score`) where all documents have one and it falls down the ranking: one
    that rises is a distance. Else it is 1/rank. Documents without text are dropped, and of those
    with the same text all but the first.

    Attributes:
        size: unknown, None.
        fingerprint: what a remembered answer must agree on. The source's own `fingerprint` is part
            of it where it has one; changes of the documents do not show otherwise.
        notes: nothing to note.

    Args:
        source: a `BaseRetriever`, any runnable, or a function of the query, async or not.
        name: what it is called in errors.

    Raises:
        ConfigurationError: the source is none of these.
    """

    size: int | None = None
    notes: tuple[str, ...] = ()

    def __init__(self, source: object, *, name: str | None = None) -> None:
        kind = type(source)
        self._name = name or getattr(source, "__name__", None) or kind.__name__
        given = getattr(source, "fingerprint", None)
        own = f" {given}" if isinstance(given, str) else ""
        about = f"langchain {self._name} {kind.__module__}.{kind.__qualname__}{own}"
        self.fingerprint = hashlib.sha256(about.encode()).hexdigest()
        self._threads = WorkerThreads("surefoot-langchain", _THREADS)
        self._find = self._finder(source)

    async def search(self, query: str, k: int) -> Sequence[Passage]:
        """At most `k` passages, best first. An empty query finds nothing.

        Raises:
            UpstreamError: the source failed, or returned something that is no list of documents.
        """
        query = clean_text(query).strip()
        if k <= 0 or not query:
            return ()
        with _typed(self._name):
            found = await self._find(query, k)
        return self._passages(found)[:k]

    def _finder(self, source: object) -> Finder:
        from langchain_core.retrievers import BaseRetriever
        from langchain_core.runnables import Runnable

        if isinstance(source, BaseRetriever):
            own = type(source)._aget_relevant_documents.__module__ != BaseRetriever.__module__
            return partial(self._retrieve, source, own)
        if isinstance(source, Runnable):
            own = type(source).ainvoke is not Runnable.ainvoke
            return partial(self._run, source, own)
        if callable(source):
            return partial(self._call, source)
        raise ConfigurationError(
            f"'{self._name}' finds no documents: expected a LangChain retriever, a runnable or a "
            f"function of the query, got {type(source).__name__}"
        )

    async def _retrieve(self, retriever: Any, is_async: bool, query: str, k: int) -> Any:
        kwargs = getattr(retriever, "search_kwargs", None)
        if isinstance(kwargs, Mapping) and kwargs.get("k") != k:
            # A copy, since other searches may want another number at the same time.
            retriever = retriever.model_copy(update={"search_kwargs": {**kwargs, "k": k}})
        return await self._run(retriever, is_async, query, k)

    async def _run(self, runnable: Any, is_async: bool, query: str, k: int) -> Any:
        if is_async:
            return await runnable.ainvoke(query)
        return await self._threads.run(partial(runnable.invoke, query))

    async def _call(self, function: Any, query: str, k: int) -> Any:
        if inspect.iscoroutinefunction(function):
            return await function(query)
        found = await self._threads.run(partial(function, query))
        return await found if inspect.isawaitable(found) else found

    def _passages(self, found: object) -> list[Passage]:
        documents = [document for document in self._checked(found) if document[0].strip()]
        scores = _scores([metadata for _, _, metadata in documents])
        taken: dict[str, Passage] = {}
        texts: set[str] = set()
        for (text, given, metadata), score in zip(documents, scores, strict=True):
            if text in texts:
                continue
            texts.add(text)
            identity = given if given and given not in taken else _identity(metadata, text)
            taken.setdefault(identity, Passage(identity, _title(metadata), text, score))
        return list(taken.values())

    def _checked(self, found: object) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Text, id ("" without one) and metadata of each document."""
        if not isinstance(found, Sequence) or isinstance(found, str | bytes):
            raise self._malformed(found)
        for document in found:
            text = getattr(document, "page_content", None)
            metadata = getattr(document, "metadata", None)
            if not isinstance(text, str) or not isinstance(metadata, Mapping):
                raise self._malformed(document)
            identity = getattr(document, "id", None)
            yield clean_text(text), clean_text(str(identity or "")), metadata

    def _malformed(self, got: object) -> UpstreamMalformed:
        return UpstreamMalformed(
            f"{self._name} returned no list of documents: expected objects with page_content and "
            f"metadata, got {type(got).__name__}"
        )


def _scores(found: Sequence[Mapping[str, Any]]) -> list[float]:
    for key in _SCORES:
        values = [_number(metadata.get(key)) for metadata in found]
        scores = [value for value in values if value is not None]
        if len(scores) == len(values) and all(a >= b for a, b in pairwise(scores)):
            return scores
    return [1.0 / rank for rank in range(1, len(found) + 1)]


def _number(value: object) -> float | None:
    """A finite number, of numpy's too; None for all else."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _identity(metadata: Mapping[str, Any], text: str) -> str:
    key = f"{_source(metadata)}\0{text}"
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _source(metadata: Mapping[str, Any]) -> str:
    return next((str(metadata[key]) for key in _SOURCES if metadata.get(key)), "")


def _title(metadata: Mapping[str, Any]) -> str:
    given = metadata.get("title")
    title = given if isinstance(given, str) else ""
    if not title.strip():
        title = _file_name(_source(metadata))
    title = " ".join(clean_text(title).split())[:_LONGEST_TITLE] or "Document"
    page = metadata.get("page_label")
    return f"{title}, page {page}" if isinstance(page, str) and page else title


def _file_name(source: str) -> str:
    """The last part of a path or URL, without its suffix."""
    if "://" in source:
        source = unquote(re.split("[?#]", source)[0])
    return PurePosixPath(source.replace("\\", "/")).stem


@contextmanager
def _typed(name: str) -> Iterator[None]:
    """The user's code and the clients of all stores raise what they like; here it gets a type."""
    from langgraph.errors import GraphBubbleUp

    try:
        yield
    except GraphBubbleUp:
        raise  # no failure: the graph around us is being interrupted
    except Exception as error:
        # Whatever it was, nothing was found, and that must not end a run.
        raise typed_failure(name, error) from error


def open_langchain(path: str) -> LangChainRetriever:
    """The retriever that a configuration names as `package.module:name`.

    The name stands for a retriever, a runnable, a function of the query, or for a function or class
    without required arguments that makes one of these.

    Raises:
        ConfigurationError: there is no such name, or it is none of these.
        UpstreamError: the function that makes it failed; its store may be down.
    """
    found = import_object(path)
    if _is_factory(found):
        with _typed(path):
            found = found()
    return LangChainRetriever(found, name=path)


def _is_factory(found: object) -> TypeGuard[Callable[[], object]]:
    """Whether it can be called with nothing: what finds documents needs a query."""
    from langchain_core.runnables import Runnable

    if isinstance(found, Runnable) or not callable(found):
        return False
    try:
        inspect.signature(found).bind()
    except (TypeError, ValueError):
        return False
    return True
