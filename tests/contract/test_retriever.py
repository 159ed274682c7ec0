"""What every retriever promises. A retriever of your own is one more line in `RETRIEVERS`."""

import asyncio
import inspect
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

from surefoot.adapters.retriever_hybrid import open_hybrid
from surefoot.adapters.retriever_langchain import LangChainRetriever
from surefoot.adapters.retriever_tantivy import (
    TantivyRetriever,
    open_documents,
    open_python_docs,
)
from surefoot.router.errors import ConfigurationError
from surefoot.router.evidence import Passage
from surefoot.router.protocols import Retriever
from surefoot.router.testing import FixedRetriever

from ..word_embedder import WordEmbedder

QUERY = "How does one read a file line by line?"


def notes() -> dict[str, str]:
    kinds = ("file", "line", "read a file line")
    return {f"Note {n}": f"On a {kinds[n % 3]}, note {n}." for n in range(30)}


def documents(folder: Path) -> TantivyRetriever:
    docs = folder / "docs"
    docs.mkdir()
    for title, text in notes().items():
        (docs / f"{title}.md").write_text(f"# {title}\n\n{text}\n")
    return open_documents(docs, folder / "index")


def hybrid(folder: Path) -> Retriever:
    return open_hybrid(documents(folder), WordEmbedder())


def hybrid_without_encoder(folder: Path) -> Retriever:
    """What is left where the encoder fails: at the first search, and from the beginning."""
    embedder = WordEmbedder()
    retriever = open_hybrid(documents(folder), embedder)
    embedder.fail = lambda: True
    return retriever


class _Embeddings(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[float(x) for x in row] for row in WordEmbedder().embed(texts)]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def langchain(folder: Path) -> Retriever:
    """A vector store's retriever: async, with `search_kwargs`."""
    store = InMemoryVectorStore(_Embeddings())
    store.add_documents(
        [Document(text, metadata={"title": title}) for title, text in notes().items()]
    )
    return LangChainRetriever(store.as_retriever())


def langchain_function(folder: Path) -> Retriever:
    """A function that blocks and knows nothing of k."""
    found = [
        Document(text, metadata={"source": f"{title}.md"}, id=title)
        for title, text in notes().items()
    ]
    return LangChainRetriever(lambda query: list(found), name="all of them")


def python_docs(folder: Path) -> Retriever:
    return open_python_docs(folder / "index")


def fixed(folder: Path) -> Retriever:
    return FixedRetriever(Passage(f"p{n}", f"T{n}", f"text {n}", 1.0 / (n + 1)) for n in range(30))


RETRIEVERS: dict[str, Callable[[Path], Retriever]] = {
    "documents": documents,
    "python_docs": python_docs,
    "fixed": fixed,
    "hybrid": hybrid,
    "hybrid_without_encoder": hybrid_without_encoder,
    "langchain": langchain,
    "langchain_function": langchain_function,
}
BY_WORDS = ["documents", "python_docs", "hybrid", "hybrid_without_encoder"]
BY_WORDS_ALONE = ["documents", "python_docs", "hybrid_without_encoder"]
SEARCHES = [name for name in RETRIEVERS if name != "fixed"]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Retriever]:
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in RETRIEVERS.items()}


@pytest.fixture(params=RETRIEVERS)
def retriever(request: pytest.FixtureRequest, opened: dict[str, Retriever]) -> Retriever:
    return opened[request.param]


@pytest.fixture(params=BY_WORDS)
def by_words(request: pytest.FixtureRequest, opened: dict[str, Retriever]) -> Retriever:
    return opened[request.param]


def test_the_shape_is_that_of_the_protocol(retriever: Retriever) -> None:
    assert inspect.iscoroutinefunction(retriever.search)
    wanted = list(inspect.signature(Retriever.search).parameters)[1:]
    assert list(inspect.signature(retriever.search).parameters) == wanted


@pytest.mark.parametrize("k", [1, 2, 3, 10])
async def test_k_is_respected(retriever: Retriever, k: int) -> None:
    assert len(await retriever.search(QUERY, k)) == k


async def test_more_than_there_is_gives_what_there_is(retriever: Retriever) -> None:
    assert 10 <= len(await retriever.search(QUERY, 1_000)) <= 1_000


async def test_none_wanted_none_given(retriever: Retriever) -> None:
    assert list(await retriever.search(QUERY, 0)) == []


async def test_ids_are_unique_and_passages_whole(retriever: Retriever) -> None:
    found = await retriever.search(QUERY, 30)
    assert len({passage.id for passage in found}) == len(found)
    for passage in found:
        assert isinstance(passage, Passage)
        assert passage.id
        assert passage.title
        assert passage.text


async def test_best_first(retriever: Retriever) -> None:
    scores = [passage.score for passage in await retriever.search(QUERY, 30)]
    assert scores == sorted(scores, reverse=True)


async def test_the_same_query_finds_the_same(retriever: Retriever) -> None:
    assert list(await retriever.search(QUERY, 10)) == list(await retriever.search(QUERY, 10))


async def test_fewer_are_the_first_of_more(retriever: Retriever) -> None:
    assert list(await retriever.search(QUERY, 3)) == list(await retriever.search(QUERY, 10))[:3]


@pytest.mark.parametrize("query", ["", "  \n", "???", "the of and"])
async def test_a_query_without_words_finds_nothing(by_words: Retriever, query: str) -> None:
    assert list(await by_words.search(query, 5)) == []


@pytest.mark.parametrize("name", BY_WORDS_ALONE)
async def test_unknown_words_find_nothing(name: str, opened: dict[str, Retriever]) -> None:
    assert list(await opened[name].search("xyzzyplugh", 5)) == []


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("query", ["", " \n\t", "\0"])
async def test_an_empty_query_finds_nothing(
    name: str, query: str, opened: dict[str, Retriever]
) -> None:
    assert list(await opened[name].search(query, 5)) == []


@pytest.mark.parametrize("name", SEARCHES)
async def test_fewer_than_none_is_none(name: str, opened: dict[str, Retriever]) -> None:
    assert list(await opened[name].search(QUERY, -1)) == []


async def test_scores_are_numbers(retriever: Retriever) -> None:
    assert all(math.isfinite(passage.score) for passage in await retriever.search(QUERY, 30))


@pytest.mark.parametrize("name", SEARCHES)
async def test_texts_come_once(name: str, opened: dict[str, Retriever]) -> None:
    texts = [passage.text for passage in await opened[name].search(QUERY, 30)]
    assert len(set(texts)) == len(texts)


async def test_fifty_at_once_find_what_one_finds(retriever: Retriever) -> None:
    queries = [QUERY, "note 7 on a line", "read a file"]
    alone = [list(await retriever.search(query, 5)) for query in queries]
    together = await asyncio.gather(*(retriever.search(queries[n % 3], 5) for n in range(50)))
    assert [list(found) for found in together] == [alone[n % 3] for n in range(50)]


async def test_a_search_that_is_cancelled_leaves_the_next_one_alone(retriever: Retriever) -> None:
    wanted = list(await retriever.search(QUERY, 5))
    searches = [asyncio.ensure_future(retriever.search(QUERY, 5)) for _ in range(20)]
    await asyncio.sleep(0)
    for search in searches[::2]:
        search.cancel()
    ended = await asyncio.gather(*searches, return_exceptions=True)
    for found in ended:
        if isinstance(found, BaseException):  # one that never waits is done before that
            assert isinstance(found, asyncio.CancelledError)
        else:
            assert list(found) == wanted
    assert any(not isinstance(found, BaseException) for found in ended)
    assert list(await retriever.search(QUERY, 5)) == wanted


async def test_a_source_without_documents_finds_nothing() -> None:
    assert list(await LangChainRetriever(lambda query: []).search(QUERY, 5)) == []
    assert list(await FixedRetriever(()).search(QUERY, 5)) == []
    empty = InMemoryVectorStore(_Embeddings()).as_retriever()
    assert list(await LangChainRetriever(empty).search(QUERY, 5)) == []


@pytest.mark.parametrize("content", [None, ""])
def test_a_folder_without_documents_is_the_operators_mistake(
    tmp_path: Path, content: str | None
) -> None:
    (tmp_path / "docs").mkdir()
    if content is not None:
        (tmp_path / "docs/empty.md").write_text(content)
    with pytest.raises(ConfigurationError, match="holds no document that can be read"):
        open_documents(tmp_path / "docs", tmp_path / "index")


@pytest.mark.parametrize(
    "query",
    [
        "file\0line",
        "\ud800 file",
        "file AND (line OR",
        'body:file "line^2 +read -a *:*',
        "ﬁle",
        "file " * 10_000,
        "ファイル file",
    ],
)
@pytest.mark.parametrize("name", SEARCHES)
async def test_odd_queries_are_queries(name: str, query: str, opened: dict[str, Retriever]) -> None:
    assert await opened[name].search(query, 3)
