"""Packs the blocks of a document into passages of a size that small models can be shown."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .document_blocks import Block

__all__ = ["Section", "SizeRule", "SourcePassage", "pack", "source_passage", "word_count"]


@dataclass(frozen=True, slots=True)
class SizeRule:
    """How long passages are, in words (`word_count`).

    Attributes:
        least: a section shorter than this goes on into the next one.
        most: a paragraph that would bring it above this begins a new one.
        code: a piece of code up to this long stays whole.
    """

    least: int = 15
    most: int = 120
    code: int = 160


@dataclass(frozen=True, slots=True)
class SourcePassage:
    """A passage before any search has scored it.

    Attributes:
        id: digest of where it stands and what it says; the same for the same document.
        lead: its first sentence, which tells best what it is about: searched with more weight.
        context: what surrounds the title (file name, kind of thing): searched, not shown.
    """

    id: str
    title: str
    text: str
    lead: str = ""
    context: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Text that belongs under one title; `opening` stands before the text and is no sentence."""

    title: str
    text: str
    opening: str = ""


def word_count(text: str) -> int:
    """Length in words; eight characters count as a word at least.

    Scripts without spaces, base64 and long identifiers cost a model tokens, though they hold
    few words.
    """
    return max(len(text.split()), len(text) // 8)


def source_passage(source: str, position: int, section: Section, context: str) -> SourcePassage:
    """The section as a passage; its id is stable for the source, the position and the text."""
    title, text = section.title, section.opening + section.text
    key = "\0".join((source, str(position), title, text))
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    lead = next(_sentences(section.text), "")[:_LEAD_CHARS]
    return SourcePassage(digest, title, text.strip(), lead.strip(), context)


def pack(blocks: Iterable[Block], title: str, rule: SizeRule) -> Iterator[Section]:
    """Cuts at headings and between paragraphs; inside of one only where it is too long itself.

    The title is the nearest heading above, `title` before the first. A section below `rule.least`
    goes on into the next one, whose heading then stands as a line in the text; what is left over at
    the end of a longer section stands alone, since its title is right.
    """
    open_section = _OpenSection(title)
    for piece in _with_lead_ins(part for block in blocks for part in _pieces(block, rule)):
        is_heading = piece.kind == "heading"
        fits = open_section.size + word_count(piece.text) <= rule.most
        is_full = open_section.is_enough(rule.least) if is_heading else not fits
        if is_full and open_section.size:
            yield open_section.close()
        if is_heading:
            open_section.head(piece.text)
        else:
            open_section.add(piece.text)
    if open_section.size:
        yield open_section.close()


def _with_lead_ins(blocks: Iterable[Block]) -> Iterator[Block]:
    """The blocks, with a line such as "For example:" joined to the block that it announces."""
    lead_in = ""
    for block in blocks:
        text = block.text
        if block.kind == "heading" and lead_in:
            yield Block("text", lead_in.rstrip())
            lead_in = ""
        if block.kind != "heading" and text.endswith(":") and word_count(text) <= _LEAD_IN_WORDS:
            lead_in += f"{text}\n"
            continue
        yield Block(block.kind, lead_in + text)
        lead_in = ""
    if lead_in:
        yield Block("text", lead_in.rstrip())


class _OpenSection:
    """The passage that is being filled."""

    def __init__(self, title: str) -> None:
        self.size = 0
        self._title = title
        self._heads: list[str] = []
        self._lines: list[str] = []
        self._is_tail = False

    def is_enough(self, least: int) -> bool:
        """Whether it may stand alone: long enough, or the end of a section that was cut."""
        return self.size >= least or self._is_tail

    def head(self, heading: str) -> None:
        """A heading: the title of an empty section, else a line once text follows it."""
        if self._lines:
            self._heads.append(heading)
        else:
            self._title, self._is_tail = heading, False

    def add(self, piece: str) -> None:
        """Appends a paragraph under the headings that came before it."""
        for line in (*self._heads, piece):
            self._lines.append(line)
            self.size += word_count(line)
        self._heads = []

    def close(self) -> Section:
        """The section so far; what follows begins a new one under the latest heading."""
        done = Section(self._title, "\n".join(self._lines))
        self._title = self._heads[-1] if self._heads else self._title
        self._is_tail = not self._heads
        self.size, self._heads, self._lines = 0, [], []
        return done


# A full stop ends a sentence before white space, unless it belongs to a common abbreviation;
# in Chinese and Japanese it needs no space.
_SENTENCE_END = re.compile("(?<=[.!?])[\"')\\]]*\\s+(?=[^\\sa-z])|(?<=[\u3002\uff01\uff1f])|\n")
_ABBREVIATION = re.compile(r"(?:^|[\s(])(?:e\.g|i\.e|cf|vs|etc|Dr|Mr|Mrs|Ms|St|No|Fig|[A-Z])\.$")
_LONGEST_WORD = 400
_LEAD_IN_WORDS = 12
_LEAD_CHARS = 300


def _pieces(block: Block, rule: SizeRule) -> Iterator[Block]:
    """The block itself where it fits, else sentences (lines of code) packed up to the limit."""
    limit = rule.code if block.kind == "code" else rule.most
    if block.kind == "heading" or word_count(block.text) <= limit:
        yield block
        return
    for text in _joined(_parts(block.text, limit), limit):
        yield Block(block.kind, text)


def _parts(text: str, limit: int) -> Iterator[str]:
    """Lines; of a longer line its sentences; of a longer sentence its words; no word is longer.

    Each with the white space behind it.
    """
    for line in text.splitlines(True):
        for sentence in _sentences(line) if word_count(line) > limit else (line,):
            if word_count(sentence) <= limit:
                yield sentence
                continue
            for word in re.findall(r"\S+\s*", sentence):
                starts = range(0, len(word), _LONGEST_WORD)
                yield from (word[at : at + _LONGEST_WORD] for at in starts)


def _sentences(text: str) -> Iterator[str]:
    """The sentences, each with the white space behind it."""
    start = 0
    for end in _SENTENCE_END.finditer(text):
        if not _ABBREVIATION.search(text, max(start, end.start() - 8), end.start()):
            yield text[start : end.end()]
            start = end.end()
    yield text[start:]


def _joined(parts: Iterable[str], limit: int) -> Iterator[str]:
    run, size = "", 0
    for part in parts:
        length = word_count(part)
        if run and size + length > limit:
            yield run.rstrip()
            run, size = "", 0
        run, size = run + part, size + length
    if run.strip():
        yield run.rstrip()
