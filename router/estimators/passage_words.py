"""The content words of a record's passages, read once for all that looks for support in them."""

from __future__ import annotations

from ..batch import Batch
from ..text import content_words

__all__ = ["passage_words"]


def passage_words(batch: Batch) -> list[tuple[tuple[str, ...], ...]]:
    """Per record and passage the content words of its title and text, in order."""
    return [
        tuple([content_words(f"{passage.title} {passage.text}") for passage in record.passages])
        for record in batch.records
    ]
