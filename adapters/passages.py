"""Packs the blocks of a document into passages of a size that small models can be shown."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .document_blocks import Block

__all__ = ["Section", "SizeRule", "SourcePassage", "pack", "passages_of", "word_count"]


@dataclass(frozen=True, slots=True)
class SizeRule:
    """How long passages are, in words (`word_count`).

    Attributes:
        least: a passage shorter than this takes the next section's beginning in.
        most: a paragraph that would bring it above this begins a new one.
        code: a piece of code up to this long stays whole.
    """

    least: int = 40
    most: int = 120
    code: int = 160


@dataclass(frozen=True, slots=True)
class SourcePassage:
    """A passage before any search has scored it.

    Attributes:
        id: digest of where it stands and what it says; the same for the same document.
        context: what surrounds the title (file name, document title): searched, not shown.
    """

    id: str
    title: str
    text: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Text that belongs under one title."""

    title: str
    text: str


def word_count(text: str) -> int:
    """Length in words; eight characters count as a word at least.

    Scripts without spaces, base64 and long identifiers cost a model tokens, though they hold
    few words.
    """
    return max(len(text.split()), len(text) // 8)


def passages_of(
    source: str, blocks: Iterable[Block], *, title: str, context: str = "", rule: SizeRule
) -> Iterator[SourcePassage]:
    """The passages of one document, in order; ids are stable for `source`, position and text."""
    for position, section in enumerate(pack(blocks, title, rule)):
        key = "\0".join((source, str(position), section.title, section.text))
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        yield SourcePassage(digest, section.title, section.text, context)


def pack(blocks: Iterable[Block], title: str, rule: SizeRule) -> Iterator[Section]:
    """Cuts at headings and between paragraphs; inside of one only where it is too long itself.

    The title is the nearest heading above, `title` before the first. A section below `rule.least`
    goes on into the next one, whose heading then stands as a line in the text.
    """
    heading, lines, size = title, list[str](), 0
    pending: str | None = None
    for block in blocks:
        if block.kind == "heading":
            if size >= rule.least:
                yield Section(heading, "\n".join(lines))
                lines, size = [], 0
            if not lines:
                heading = block.text
            else:
                pending = block.text
            continue
        for piece in _pieces(block, rule):
            length = word_count(piece)
            if lines and size + length > rule.most:
                yield Section(heading, "\n".join(lines))
                lines, size = [], 0
                heading, pending = (pending or heading), None
            if pending is not None:
                lines.append(pending)
                size, pending = size + word_count(pending), None
            lines.append(piece)
            size += length
    if lines:
        yield Section(heading, "\n".join(lines))


# A full stop ends a sentence before white space, unless it belongs to a common abbreviation.
_SENTENCE_END = re.compile(
    r"(?<=[.!?])[\"')\]]*\s+(?=[^\sa-z])|(?<=[。！？])|\n",  # noqa: RUF001  # CJK full stops
)
_ABBREVIATION = re.compile(r"(?:^|[\s(])(?:e\.g|i\.e|cf|vs|etc|Dr|Mr|Mrs|Ms|St|No|Fig|[A-Z])\.$")
_LONGEST_WORD = 400


def _pieces(block: Block, rule: SizeRule) -> Iterator[str]:
    """The block itself where it fits, else sentences (lines of code) packed up to the limit."""
    limit = rule.code if block.kind == "code" else rule.most
    if word_count(block.text) <= limit:
        yield block.text
        return
    is_code = block.kind == "code"
    parts = block.text.split("\n") if is_code else _sentences(block.text)
    yield from _joined([bit for part in parts for bit in _cut(part, limit)], limit, is_code)


def _sentences(text: str) -> list[str]:
    found, start = list[str](), 0
    for end in _SENTENCE_END.finditer(text):
        if not _ABBREVIATION.search(text, max(start, end.start() - 8), end.start()):
            found.append(text[start : end.end()].strip())
            start = end.end()
    return [sentence for sentence in (*found, text[start:].strip()) if sentence]


def _joined(parts: Sequence[str], limit: int, is_code: bool) -> Iterator[str]:
    run: list[str] = []
    size = 0
    for part in parts:
        length = word_count(part)
        if run and size + length > limit:
            yield ("\n" if is_code else " ").join(run)
            run, size = [], 0
        run.append(part)
        size += length
    if run:
        yield ("\n" if is_code else " ").join(run)


def _cut(sentence: str, limit: int) -> Iterator[str]:
    """A sentence of endless length, cut between words; a word of endless length is cut anywhere."""
    if word_count(sentence) <= limit:
        yield sentence
        return
    words = [
        word[start : start + _LONGEST_WORD]
        for word in sentence.split()
        for start in range(0, len(word), _LONGEST_WORD)
    ]
    yield from _joined(words, limit, is_code=False)
