"""Anything of LangChain's that finds documents, and everything that it may do wrong."""

import asyncio
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langgraph.errors import GraphInterrupt
from pydantic import Field

from surefoot.adapters.retriever_langchain import LangChainRetriever, open_langchain
from surefoot.router.errors import (
    ConfigurationError,
    RunError,
    StoreError,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamUnavailable,
)
from surefoot.router.evidence import Passage


def document(text: str, id: str | None = None, **metadata: object) -> Document:
    return Document(text, id=id, metadata=metadata)


class Blocking(BaseRetriever):
    """Knows only the blocking way; remembers the thread."""

    found: list[Document]
    threads: list[int] = Field(default_factory=list)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        self.threads.append(threading.get_ident())
        return self.found


class Async(Blocking):
    """Knows the async way, too."""

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        self.threads.append(threading.get_ident())
        return self.found


class Limited(Blocking):
    """Gives as many as its `search_kwargs` ask for."""

    search_kwargs: dict[str, Any] = Field(default_factory=dict)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return self.found[: self.search_kwargs.get("k", 4)]


TEN = [document(f"text {n}", id=f"d{n}") for n in range(10)]


async def search(source: object, k: int = 5, query: str = "a question") -> Sequence[Passage]:
    return await LangChainRetriever(source, name="the store").search(query, k)


# --- what is searched ---------------------------------------------------------------------------


async def test_a_retriever_that_blocks_runs_in_a_thread_and_an_async_one_does_not() -> None:
    here = threading.get_ident()
    blocking, awaited = Blocking(found=TEN), Async(found=TEN)
    assert await search(blocking) == await search(awaited)
    assert blocking.threads and here not in blocking.threads
    assert awaited.threads == [here]


async def find_async(query: str) -> list[Document]:
    return TEN


class Finder:
    """A callable object with an async call, which inspection does not show."""

    async def __call__(self, query: str) -> list[Document]:
        return TEN


@pytest.mark.parametrize(
    "source",
    [
        Blocking(found=TEN),
        Async(found=TEN),
        Limited(found=TEN),
        RunnableLambda(lambda query: TEN),
        RunnableLambda(find_async),
        RunnableLambda(str.upper) | RunnableLambda(lambda query: TEN),
        find_async,
        lambda query: TEN,
        lambda query: tuple(TEN),
        Finder(),
    ],
)
async def test_every_kind_of_source_finds_the_same(source: object) -> None:
    found = await search(source, k=3)
    assert [(passage.id, passage.text) for passage in found] == [
        ("d0", "text 0"),
        ("d1", "text 1"),
        ("d2", "text 2"),
    ]


@pytest.mark.parametrize("source", [None, 3, "text", object()])
def test_what_finds_nothing_is_refused(source: object) -> None:
    with pytest.raises(ConfigurationError, match="expected a LangChain retriever, a runnable or"):
        LangChainRetriever(source)


async def test_search_kwargs_give_as_many_as_are_wanted_and_stay_as_they_were() -> None:
    source = Limited(found=TEN, search_kwargs={"k": 2, "filter": "x"})
    retriever = LangChainRetriever(source)
    found = await asyncio.gather(*(retriever.search("q", k) for k in (1, 7, 3, 9)))
    assert [len(passages) for passages in found] == [1, 7, 3, 9]
    assert source.search_kwargs == {"k": 2, "filter": "x"}


async def test_the_query_is_cleaned() -> None:
    asked: list[str] = []

    def find(query: str) -> list[Document]:
        asked.append(query)
        return []

    await search(find, query="  what\0 is \ud800 this? \n")
    assert asked == ["what is \ufffd this?"]


# --- what a document becomes --------------------------------------------------------------------


async def test_ids_are_the_documents_or_of_source_and_text() -> None:
    def find(query: str) -> list[Document]:
        own = document("own", id="mine")
        return [own, document("a", source="x.md"), document("a b", source="x.md"), document("c")]

    first, again = await search(find), await search(find)
    assert [p.id for p in first] == [p.id for p in again]
    assert first[0].id == "mine"
    assert len({p.id for p in first}) == 4
    assert all(len(p.id) == 16 for p in first[1:])
    [other] = await search(lambda query: [document("a", source="y.md")])
    assert other.id != first[1].id


async def test_chunks_that_share_an_id_are_told_apart() -> None:
    found = await search(lambda query: [document("one", id="d"), document("two", id="d")])
    assert [p.text for p in found] == ["one", "two"]
    assert found[0].id == "d" != found[1].id


async def test_duplicates_and_empty_documents_are_dropped_before_the_cut() -> None:
    found = await search(
        lambda query: [
            document("one", id="a"),
            document(" \n"),
            document(""),
            document("one", id="b"),
            document("two", id="c"),
            document("three", id="d"),
        ],
        k=2,
    )
    assert [p.id for p in found] == ["a", "c"]


@pytest.mark.parametrize(
    ("metadata", "title"),
    [
        ({"title": "Bees", "source": "x/y.md"}, "Bees"),
        ({"title": " Two\n words "}, "Two words"),
        ({"title": "  ", "source": "docs/a guide.md"}, "a guide"),
        ({"title": 3, "source": "C:\\docs\\guide.txt"}, "guide"),
        ({"source": "https://example.org/a%20b.html?q=1#top"}, "a b"),
        ({"source": "https://[broken"}, "[broken"),
        ({"file_path": "/x/paper.pdf", "page": 0, "page_label": "iv"}, "paper, page iv"),
        ({"source": Path("x/y.txt")}, "y"),
        ({}, "Document"),
        ({"title": "x" * 999}, "x" * 200),
    ],
)
async def test_titles(metadata: dict[str, object], title: str) -> None:
    [found] = await search(lambda query: [Document("text", metadata=metadata)])
    assert found.title == title


@pytest.mark.parametrize(
    ("metadata", "scores"),
    [
        ([{"score": 0.9}, {"score": 0.4}, {"score": 0.4}], [0.9, 0.4, 0.4]),
        ([{"relevance_score": np.float32(2)}, {"relevance_score": 1}, {"relevance_score": -1}],
         [2.0, 1.0, -1.0]),
        ([{"score": 0.1}, {"score": 0.4}, {"score": 0.9}], [1.0, 1 / 2, 1 / 3]),  # a distance
        ([{"score": 0.9}, {}, {"score": 0.4}], [1.0, 1 / 2, 1 / 3]),
        ([{"score": 0.9}, {"score": float("nan")}, {"score": 0.1}], [1.0, 1 / 2, 1 / 3]),
        ([{"score": "0.9"}, {"score": "0.5"}, {"score": "0.1"}], [1.0, 1 / 2, 1 / 3]),
        ([{"score": True}, {"score": False}, {"score": False}], [1.0, 1 / 2, 1 / 3]),
        ([{"score": 10**400}, {"score": 2}, {"score": 1}], [1.0, 1 / 2, 1 / 3]),
        ([{}, {}, {}], [1.0, 1 / 2, 1 / 3]),
    ],
)  # fmt: skip
async def test_scores_fall_down_the_ranking(
    metadata: list[dict[str, object]], scores: list[float]
) -> None:
    documents = [Document(f"t{n}", metadata=each) for n, each in enumerate(metadata)]
    found = await search(lambda query: documents)
    assert [p.score for p in found] == pytest.approx(scores)
    assert [p.text for p in found] == ["t0", "t1", "t2"]


async def test_texts_hold_nothing_that_a_store_cannot_keep() -> None:
    [found] = await search(lambda query: [document("a\0b \ud800", id="i\0", title="t\0")])
    assert (found.id, found.title, found.text) == ("i", "t", "ab \ufffd")


# --- failures -----------------------------------------------------------------------------------


class Answered(Exception):
    """As the clients of HTTP stores raise it."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"status {status}")
        self.response = SimpleNamespace(status_code=status, headers=headers or {})


class Final(Exception):
    """As LangChain marks errors that repeating cannot help."""

    is_retryable = False


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Answered(429), UpstreamRateLimited),
        (Answered(503), UpstreamUnavailable),
        (Answered(408), UpstreamUnavailable),
        (Answered(401), UpstreamRefused),
        (Answered(404), UpstreamRefused),
        (Final("no such index"), UpstreamRefused),
        (ConnectionRefusedError("refused"), UpstreamUnavailable),
        (TimeoutError(), UpstreamUnavailable),
        (caused(ValueError("x"), ConnectionResetError("reset")), UpstreamUnavailable),
        (caused(RuntimeError("x"), Answered(403)), UpstreamRefused),
        (ValueError("bad JSON"), UpstreamMalformed),
        (KeyError("hits"), UpstreamMalformed),
        (RuntimeError("closed"), UpstreamUnavailable),
        (MemoryError(), UpstreamUnavailable),
    ],
)
@pytest.mark.parametrize("is_async", [True, False])
async def test_exceptions_become_typed(
    error: Exception, kind: type[RunError], is_async: bool
) -> None:
    async def find_later(query: str) -> list[Document]:
        raise error

    def find(query: str) -> list[Document]:
        raise error

    with pytest.raises(UpstreamError, match="the store failed") as caught:
        await search(find_later if is_async else find)
    assert type(caught.value) is kind
    assert type(caught.value.__cause__) is type(error)


async def test_patience_that_is_asked_for_is_told() -> None:
    def find(query: str) -> list[Document]:
        raise Answered(429, {"retry-after": "7"})

    with pytest.raises(UpstreamRateLimited) as caught:
        await search(find)
    assert caught.value.retry_after_s == 7.0


async def test_an_iterator_that_ends_too_early_ends_the_search() -> None:
    async with asyncio.timeout(5):
        with pytest.raises(UpstreamUnavailable, match="StopIteration"):
            await search(lambda query: next(iter([])))


async def test_our_own_errors_and_interrupts_go_through() -> None:
    ours = StoreError("full")

    def find(query: str) -> list[Document]:
        raise ours

    with pytest.raises(StoreError) as caught:
        await search(find)
    assert caught.value is ours

    async def interrupt(query: str) -> list[Document]:
        raise GraphInterrupt(())

    with pytest.raises(GraphInterrupt):
        await search(interrupt)


@pytest.mark.parametrize(
    "found", [None, "text", b"x", 3, {"a": 1}, ["text"], [None], [SimpleNamespace(page_content=3)]]
)
async def test_what_is_no_list_of_documents_is_malformed(found: object) -> None:
    with pytest.raises(UpstreamMalformed, match="the store returned no list of documents"):
        await search(lambda query: found)


async def test_a_source_that_hangs_holds_neither_the_loop_nor_other_threads() -> None:
    go = threading.Event()

    def find(query: str) -> list[Document]:
        assert go.wait(10)
        return TEN

    retriever = LangChainRetriever(find)
    searches = [asyncio.ensure_future(retriever.search("q", 1)) for _ in range(40)]
    try:
        await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            assert await asyncio.to_thread(lambda: "free") == "free"
        for one in searches[1:]:
            one.cancel()
        ended = await asyncio.gather(*searches[1:], return_exceptions=True)
        assert all(isinstance(error, asyncio.CancelledError) for error in ended)
    finally:
        go.set()
    assert len(await searches[0]) == 1


# --- by name ------------------------------------------------------------------------------------

MODULE = """
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda

def find(query):
    return [Document("found " + query)]

async def find_later(query):
    return find(query)

def make():
    return RunnableLambda(find)

def make_with_defaults(url="x"):
    return RunnableLambda(find)

class Maker:
    def __call__(self, query):
        return find(query)
    search = staticmethod(find)

def down():
    raise ConnectionRefusedError("the store is down")

def nothing():
    return None

runnable = RunnableLambda(find)
number = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "surefoot_user_code.py").write_text(MODULE)
    (tmp_path / "surefoot_broken_code.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "surefoot_user_code", raising=False)
    return "surefoot_user_code"


@pytest.mark.parametrize(
    "name",
    ["find", "find_later", "make", "make_with_defaults", "Maker", "Maker.search", "runnable"],
)
async def test_a_name_stands_for_a_source_or_for_what_makes_one(module: str, name: str) -> None:
    retriever = open_langchain(f"{module}:{name}")
    assert [p.text for p in await retriever.search("x", 3)] == ["found x"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("surefoot_user_code", "is no import path: expected package.module:name"),
        ("surefoot_user_code.find", "is no import path"),
        (":find", "is no import path"),
        ("a b:c", "is no import path"),
        ("os:path;x", "is no import path"),
        ("surefoot_user_code:fnd", "surefoot_user_code has no 'fnd'"),
        ("surefoot_user_code:Maker.x", r"surefoot_user_code\.Maker has no 'x'"),
        ("no_such_module_at_all:x", "put the folder that holds it on PYTHONPATH"),
        ("surefoot_broken_code:x", "ZeroDivisionError"),
        ("surefoot_user_code:number", "finds no documents: expected a LangChain retriever"),
        ("surefoot_user_code:nothing", "finds no documents"),
    ],
)
def test_a_wrong_name_is_told(module: str, path: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        open_langchain(path)


def test_a_store_that_is_down_is_no_mistake_of_the_configuration(module: str) -> None:
    with pytest.raises(UpstreamUnavailable, match="the store is down"):
        open_langchain(f"{module}:down")


def test_the_fingerprint_is_that_of_name_kind_and_the_sources_own() -> None:
    def of(source: object, name: str = "n") -> str:
        return LangChainRetriever(source, name=name).fingerprint

    def versioned(version: str) -> Callable[[str], list[Document]]:
        def find(query: str) -> list[Document]:
            return []

        find.fingerprint = version  # type: ignore[attr-defined]  # as a user may set one
        return find

    assert of(Blocking(found=TEN)) == of(Blocking(found=[]))
    assert of(Blocking(found=TEN)) != of(Async(found=TEN))
    assert of(find_async) != of(find_async, "other")
    assert of(versioned("1")) != of(versioned("2"))
