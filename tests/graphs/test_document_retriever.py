"""The router's own search as a LangChain retriever, through LangChain's suite, on a real index."""

from __future__ import annotations

import atexit
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from surefoot.adapters.retriever_langchain import LangChainRetriever
from surefoot.adapters.retriever_tantivy import TantivyRetriever, open_documents
from surefoot.graphs.document_retriever import DocumentRetriever

TEXTS = {
    "oslo.md": "# Oslo\n\nOslo is the capital of Norway and lies on a fjord.\n",
    "bergen.md": "# Bergen\n\nBergen is a city in Norway where it rains.\n",
    "rome.md": "# Rome\n\nRome is the capital of Italy and lies on the Tiber.\n",
    "lima.md": "# Lima\n\nLima is the capital of Peru and lies on a coast.\n",
}


@cache
def search() -> TantivyRetriever:
    folder = tempfile.TemporaryDirectory(prefix="surefoot-retriever-")
    atexit.register(folder.cleanup)
    documents = Path(folder.name) / "docs"
    documents.mkdir()
    for name, text in TEXTS.items():
        (documents / name).write_text(text)
    return open_documents(documents, Path(folder.name) / "index")


class TestStandard(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return DocumentRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"search": search()}

    @property
    def retriever_query_example(self) -> str:
        return "capital of a country, a city in Norway"


def test_documents_carry_title_score_and_id() -> None:
    first, *_ = DocumentRetriever(search=search()).invoke("capital of Norway")
    assert first.page_content.endswith("Oslo is the capital of Norway and lies on a fjord.")
    assert first.metadata["title"] == "Oslo" and first.metadata["score"] > 0.0
    assert first.id == first.metadata["id"]


async def test_there_and_back_again_the_passages_are_the_same() -> None:
    back = LangChainRetriever(DocumentRetriever(search=search(), k=2))
    found = await back.search("capital of Norway", 2)
    own = await search().search("capital of Norway", 2)
    assert [(one.title, one.text, one.score) for one in found] == [
        (one.title, one.text, one.score) for one in own
    ]
