"""What the router searches, as a LangChain retriever."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field, PrivateAttr

from ..router.evidence import Passage
from ..router.protocols import Retriever
from .sync_door import SyncDoor

__all__ = ["DocumentRetriever", "document_of"]


def document_of(passage: Passage) -> Document:
    """The passage as LangChain has it: title and score stand in the metadata."""
    return Document(
        passage.text,
        id=passage.id,
        metadata={"title": passage.title, "score": passage.score, "id": passage.id},
    )


class DocumentRetriever(BaseRetriever):
    """A `Retriever` of the router's (`Built.retriever`), wherever LangChain takes one.

    Attributes:
        search: what is asked; whoever built it closes it.
        k: how many documents at most; a call may bring its own (`invoke(query, k=1)`).

    Raises:
        RunError: from a call, where the index or the store fails.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    search: Any = Field(repr=False, exclude=True)
    k: int = Field(default=3, ge=1)

    _door: SyncDoor = PrivateAttr(default_factory=SyncDoor)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        return self._door.call(self._found(query, k))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        return await self._found(query, k)

    async def _found(self, query: str, k: int | None) -> list[Document]:
        retriever: Retriever = self.search
        return [document_of(one) for one in await retriever.search(query, k or self.k)]
