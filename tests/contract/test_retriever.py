"""What every retriever promises. A retriever of your own is one more line in `RETRIEVERS`."""

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from surefoot.adapters.retriever_tantivy import open_documents, open_python_docs
from surefoot.router.evidence import Passage
from surefoot.router.protocols import Retriever
from surefoot.router.testing import FixedRetriever

QUERY = "How does one read a file line by line?"


def documents(folder: Path) -> Retriever:
    docs = folder / "docs"
    docs.mkdir()
    for number in range(30):
        kind = ("file", "line", "read a file line")[number % 3]
        (docs / f"{number:02}.md").write_text(f"# Note {number}\n\nOn a {kind}, note {number}.\n")
    return open_documents(docs, folder / "index")


def python_docs(folder: Path) -> Retriever:
    return open_python_docs(folder / "index")


def fixed(folder: Path) -> Retriever:
    return FixedRetriever(Passage(f"p{n}", f"T{n}", f"text {n}", 1.0 / (n + 1)) for n in range(30))


RETRIEVERS: dict[str, Callable[[Path], Retriever]] = {
    "documents": documents,
    "python_docs": python_docs,
    "fixed": fixed,
}
BY_WORDS = ["documents", "python_docs"]


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


async def test_unknown_words_find_nothing(by_words: Retriever) -> None:
    assert list(await by_words.search("xyzzyplugh", 5)) == []


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
async def test_odd_queries_are_queries(by_words: Retriever, query: str) -> None:
    assert await by_words.search(query, 3)
