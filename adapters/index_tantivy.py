"""The tantivy side of an index: which fields a passage has there, and how it gets in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from ..router.errors import StoreCorrupt
from .index_store import store_errors
from .passages import SourcePassage
from .query_terms import name_parts, name_words, search_form

if TYPE_CHECKING:
    from tantivy import Index, IndexWriter, Schema, TextAnalyzer

__all__ = [
    "FORMAT",
    "PassageWriter",
    "engine_version",
    "open_index",
    "reading",
    "stemmer",
    "writing",
]

FORMAT = 1
"""Raised whenever the fields below, or how they are filled, change."""

# One thread writes one segment: the same passages give the same index. More would not be faster
# for the sizes in question, since Python prepares the passages.
_WRITER_THREADS = 1
_WRITER_BYTES = 64_000_000
_LONGEST_WORD = 40


def engine_version() -> str:
    """The version of tantivy: another one may not be able to read what this one writes."""
    return version("tantivy")


def _schema() -> Schema:
    import tantivy

    builder = tantivy.SchemaBuilder()
    # Terms of their own: the dotted paths of the title (case kept), and the source to delete by.
    builder.add_text_field("name", tokenizer_name="whitespace", index_option="basic")
    builder.add_text_field("source", tokenizer_name="raw", index_option="basic")
    for field in ("title", "lead", "body", "context"):
        builder.add_text_field(field, tokenizer_name="en_stem", index_option="freq")
    builder.add_bytes_field("stored", stored=True)
    return builder.build()


def stemmer() -> TextAnalyzer:
    """Cuts a text into the terms that tantivy's `en_stem` makes of it."""
    import tantivy

    filters = tantivy.Filter
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(filters.remove_long(_LONGEST_WORD))
        .filter(filters.lowercase())
        .filter(filters.stemmer("english"))
        .build()
    )


def open_index(directory: Path) -> tuple[Index, Schema]:
    """A finished index for reading; raises as `reading`."""
    import tantivy

    with reading(directory):
        index = tantivy.Index.open(str(directory))
        # A generation never changes: no thread has to watch it for news.
        index.config_reader("manual")
        index.reload()
        return index, index.schema


@contextmanager
def reading(directory: Path) -> Iterator[None]:
    """Turns what tantivy makes of damaged files into StoreCorrupt."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise _corrupt(directory, error) from error
    except BaseException as error:
        # Some damage makes the engine panic, which PyO3 tells as a BaseException that cannot be
        # imported; everything else of that rank (Ctrl-C, a cancelled task) goes on its way.
        if type(error).__name__ != "PanicException":
            raise
        raise _corrupt(directory, error) from error


def _corrupt(directory: Path, error: BaseException) -> StoreCorrupt:
    return StoreCorrupt(
        f"the search index in {directory} cannot be read: {error}; start again to have it rebuilt"
    )


class PassageWriter:
    """Adds passages to an index and removes them by their source."""

    def __init__(self, writer: IndexWriter, directory: Path) -> None:
        self._writer = writer
        self._directory = directory

    def add(self, source: str, passages: Iterable[SourcePassage]) -> None:
        """Passages of one source."""
        import tantivy

        with store_errors("write the search index to", self._directory):
            for passage in passages:
                self._writer.add_document(tantivy.Document(source=source, **_fields(passage)))

    def remove(self, source: str) -> None:
        """Everything that was added under this source before."""
        with store_errors("write the search index to", self._directory):
            self._writer.delete_documents_by_term("source", source)


def _fields(passage: SourcePassage) -> dict[str, str | bytes]:
    stored = json.dumps([passage.id, passage.title, passage.text], ensure_ascii=False)
    title = search_form(passage.title)
    return {
        "name": name_parts(title),
        "title": name_words(title.rpartition(".")[2] if " " not in title else title),
        "lead": search_form(passage.lead),
        "body": search_form(passage.text),
        "context": name_words(search_form(passage.context)),
        "stored": stored.encode("utf-8", "replace"),
    }


@contextmanager
def writing(directory: Path, *, is_new: bool) -> Iterator[PassageWriter]:
    """A writer whose changes are all in the directory once the block has ended without an error."""
    import tantivy

    with store_errors("write the search index to", directory):
        path = str(directory)
        index = tantivy.Index(_schema(), path) if is_new else tantivy.Index.open(path)
        writer = index.writer(_WRITER_BYTES, _WRITER_THREADS)
    yield PassageWriter(writer, directory)
    with store_errors("write the search index to", directory):
        writer.commit()
        # Takes the writer's threads down; until then files of the directory may still change.
        writer.wait_merging_threads()
