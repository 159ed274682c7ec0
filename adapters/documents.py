"""Reads a folder of documents into passages: plain text, Markdown, HTML and PDF."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..router.errors import ConfigurationError
from .document_blocks import Block, html_blocks, text_blocks
from .document_folder import (
    DOCS_FIELD,
    HTML,
    MARKDOWN,
    PDF,
    DocumentFile,
    Folder,
    failure,
    list_folder,
)
from .passages import Section, SizeRule, SourcePassage, pack, source_passage
from .pdf_text import PdfText, pdf_text

__all__ = [
    "DOCUMENTS_VERSION",
    "ReadDocument",
    "ReadReport",
    "read_document",
    "read_folder",
    "require_documents",
    "summary",
]

DOCUMENTS_VERSION = 1
"""Raised whenever the same files would give other passages."""

_SIZE = SizeRule(least=15, most=120, code=160)
_BINARY_PROBE = 8192
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_CONTROLS = {code: None for code in range(32) if chr(code) not in "\n\r\t\f\v"} | {
    12: "\n",
    11: "\n",
}
# Above this share of undecodable characters a file is no text in any encoding that we read.
_MOST_UNDECODABLE = 0.1


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """The passages of one file, and what was amiss with it (None where nothing was)."""

    passages: tuple[SourcePassage, ...]
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class ReadReport:
    """What became of a folder.

    Attributes:
        files: how many files gave passages.
        passages: how many there are.
        skipped: (path, reason) of what gave none.
        remarks: (path, remark) of files that were read, but not without loss.
        ignored: (suffix, count) of files of other kinds.
    """

    files: int
    passages: int
    skipped: tuple[tuple[str, str], ...]
    remarks: tuple[tuple[str, str], ...] = ()
    ignored: tuple[tuple[str, int], ...] = ()

    def lines(self, most: int = 5) -> tuple[str, ...]:
        """The report for people: what was not read, at most `most` files of it by name."""
        told = [f"{path} was skipped: {reason}" for path, reason in self.skipped]
        told += [f"{path}: {remark}" for path, remark in self.remarks]
        if len(told) > most:
            told = [*told[:most], f"{len(told) - most} more files were skipped or read with loss"]
        if self.ignored:
            kinds = ", ".join(f"{count} {suffix}" for suffix, count in self.ignored[:most])
            told.append(f"files of other kinds were not read: {kinds}")
        return tuple(told)


def read_folder(folder: Path) -> tuple[tuple[SourcePassage, ...], ReadReport]:
    """All passages of a folder, files in sorted order, and the report.

    Raises:
        ConfigurationError: there is no such folder, or nothing in it can be read.
    """
    listed = list_folder(folder)
    read = [(file.path, _read_file(folder, file)) for file in listed.files]
    passages = tuple(passage for _, document in read for passage in document.passages)
    report = summary(listed, ((p, len(d.passages), d.remark) for p, d in read))
    require_documents(folder, report)
    return passages, report


def _read_file(folder: Path, file: DocumentFile) -> ReadDocument:
    try:
        return read_document(file.path, (folder / file.path).read_bytes())
    except OSError as error:
        return ReadDocument((), failure(error))


def read_document(path: str, data: bytes) -> ReadDocument:
    """The passages of a file's content; `path` tells its kind and becomes part of the ids.

    UTF-8 is expected; byte order marks of UTF-8, 16 and 32 are understood. What cannot be decoded
    is replaced (U+FFFD) and remarked upon. Of a PDF every passage lies on one page, whose number is
    part of its title. Nothing that a file holds makes this raise.
    """
    if PurePosixPath(path).suffix.lower() in PDF:
        found = pdf_text(data)
        if isinstance(found, str):
            return ReadDocument((), found)
        return ReadDocument(tuple(_page_passages(path, found)), found.remark)
    text, lost = _decoded(data)
    if text is None:
        return ReadDocument((), "it is binary, not text")
    if lost > _MOST_UNDECODABLE * len(text):
        return ReadDocument((), "it is not UTF-8 text; convert it")
    passages = tuple(_passages(path, text))
    if not passages:
        return ReadDocument((), "it holds no text" if text.strip() else "it is empty")
    remark = f"undecodable bytes were replaced, {lost} in all; is it UTF-8?" if lost else None
    return ReadDocument(passages, remark)


def _decoded(data: bytes) -> tuple[str | None, int]:
    """The text without control characters, None for binary; and how much could not be decoded."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    if b"\0" in data[:_BINARY_PROBE] and not encoding.startswith(("utf-16", "utf-32")):
        return None, 0
    try:
        return data.decode(encoding).translate(_CONTROLS), 0
    except UnicodeDecodeError:
        text = data.decode(encoding, "replace").translate(_CONTROLS)
        return text, text.count("\ufffd")


def _passages(path: str, text: str) -> Iterator[SourcePassage]:
    place = PurePosixPath(path)
    suffix = place.suffix.lower()
    if suffix in HTML:
        title, blocks = html_blocks(text)
    else:
        title, blocks = "", list(text_blocks(text, markdown=suffix in MARKDOWN))
    title = title or place.stem
    context = f"{_spoken(place)} {title} {_first_heading(blocks)}"
    for position, section in enumerate(pack(blocks, title, _SIZE)):
        yield source_passage(path, position, section, context)


def _page_passages(path: str, found: PdfText) -> Iterator[SourcePassage]:
    place, position = PurePosixPath(path), 0
    title = found.title or place.stem
    context = f"{_spoken(place)} {title}"
    for number, text in found.pages:
        for section in pack(text_blocks(text), title, _SIZE):
            paged = Section(f"{section.title}, page {number}", section.text)
            yield source_passage(path, position, paged, context)
            position += 1


def _spoken(place: PurePosixPath) -> str:
    """The path without its suffix, in words."""
    return re.sub(r"[/_-]", " ", str(place.with_suffix("")))


def _first_heading(blocks: Iterable[Block]) -> str:
    return next((block.text for block in blocks if block.kind == "heading"), "")


def summary(listed: Folder, read: Iterable[tuple[str, int, str | None]]) -> ReadReport:
    """The report on files of which (path, number of passages, remark) is known."""
    outcomes = list(read)
    skipped = [(path, remark or "") for path, count, remark in outcomes if not count]
    return ReadReport(
        files=len(outcomes) - len(skipped),
        passages=sum(count for _, count, _ in outcomes),
        skipped=tuple(sorted([*listed.skipped, *skipped])),
        remarks=tuple((path, remark) for path, count, remark in outcomes if count and remark),
        ignored=listed.ignored,
    )


def require_documents(folder: Path, report: ReadReport) -> None:
    """Raises ConfigurationError where nothing of a folder could be read."""
    if not report.passages:
        why = "; ".join(report.lines()) or "it is empty"
        raise ConfigurationError(
            f"{folder} holds no document that can be read (.txt, .md, .html, .pdf): {why}",
            field=DOCS_FIELD,
        )
