"""Turns the text of a document into blocks: headings, paragraphs and code, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from textwrap import dedent
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

__all__ = ["Block", "html_blocks", "text_blocks"]

BlockKind = Literal["heading", "text", "code"]
"""What a block is: `code` keeps its line breaks and is not cut where that can be avoided."""


@dataclass(frozen=True, slots=True)
class Block:
    """One heading, paragraph or piece of code."""

    kind: BlockKind
    text: str


_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ATX_HEADING = re.compile(r" {0,3}#{1,6}(?:\s+(.*?))?(?:\s+#+)?\s*$")
_UNDERLINE = re.compile(r"\s*([=\-*~^+#])\1{2,}\s*$")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\s+\"[^\"]*\")?\)")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,3}[.)])\s+")
_ROW = re.compile(r"\s*[|>]")
_COLUMNS = re.compile(r"\s*\S*[^\s.!?:;,]\s{2,}\S")
_RAGGED = 10
_LONGEST_TITLE = 100
_BLANKS = re.compile(r"\s+")


def text_blocks(text: str, *, markdown: bool = False) -> Iterator[Block]:
    """The blocks of a plain text or Markdown document.

    Underlined lines are headings in both. Markdown adds `#` headings, fenced code, comments, front
    matter (both dropped) and links (reduced to their text).
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(4)
    if markdown:
        text = _COMMENT.sub("", _FRONT_MATTER.sub("", text, count=1))
    paragraph: list[str] = []
    lines = iter(text.split("\n"))
    for line in lines:
        fence = _FENCE.match(line) if markdown else None
        heading = _ATX_HEADING.match(line) if markdown else None
        underline = None if fence or heading else _UNDERLINE.match(line)
        if underline and len(paragraph) == 1 and _is_title(paragraph[0], line, markdown):
            yield from _block("heading", _inline(paragraph.pop(), markdown))
        if fence or heading or underline or not line.strip():
            yield from _paragraph(paragraph, markdown)
            paragraph = []
        if fence:
            yield from _block("code", "\n".join(_fenced(lines, fence[1])))
        elif heading:
            yield from _block("heading", _inline(heading[1] or "", markdown))
        elif not underline and line.strip():
            paragraph.append(line)
    yield from _paragraph(paragraph, markdown)


def _is_title(title: str, underline: str, markdown: bool) -> bool:
    """Whether the line makes the one above a heading; else it is a rule across the page."""
    length = len(title.strip())
    if markdown and underline.strip()[0] in "=-":
        return length <= _LONGEST_TITLE
    return length <= 2 * len(underline.strip())


def _fenced(lines: Iterator[str], fence: str) -> Iterator[str]:
    """The lines up to the closing fence, which is at least as long as the opening one."""
    for line in lines:
        if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            return
        yield line


def _paragraph(lines: list[str], markdown: bool) -> Iterator[Block]:
    """A paragraph: hard-wrapped lines joined, lists and tables left as they stand."""
    if not lines:
        return
    if all(line.startswith("    ") for line in lines):
        yield from _block("code", dedent("\n".join(lines)))
        return
    joined, width = lines[0].strip(), max(len(line.rstrip()) for line in lines)
    for before, line in pairwise(lines):
        joined += ("\n" if _stands_alone(before, line, width) else " ") + line.strip()
    yield from _block("text", _inline(joined, markdown))


def _stands_alone(before: str, line: str, width: int) -> bool:
    """Whether the break before `line` means something, in a paragraph up to `width` wide.

    It does at an item, at a row of a table, at another indent, and where a line ends so early that
    the next word would have fitted: nobody wrapped it.
    """
    if _ITEM.match(line) or _ROW.match(line) or _COLUMNS.match(line):
        return True
    item = _ITEM.match(before)
    if item and _indent(line) == item.end():
        return False
    if _indent(line) != _indent(before):
        return True
    next_word = line.split(maxsplit=1)[0]
    return len(before.rstrip()) + 1 + len(next_word) <= width - _RAGGED


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _inline(text: str, markdown: bool) -> str:
    return _LINK.sub(r"\1", text).replace("**", "") if markdown else text


def _block(kind: BlockKind, text: str) -> Iterator[Block]:
    text = text.strip("\n").rstrip() if kind == "code" else text.strip()
    if text.strip():
        yield Block(kind, text)


_DROPPED = frozenset("script style noscript template svg math nav head iframe object".split())
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_BREAKING = _HEADINGS | frozenset(
    "address article aside blockquote body br caption dd details div dl dt fieldset figcaption "
    "figure footer form header hr html li main ol option p pre section summary table tbody tfoot "
    "thead tr ul".split()
)
_CELLS = frozenset({"td", "th"})


def html_blocks(html: str) -> tuple[str, list[Block]]:
    """The document's title ("" without one) and its blocks; scripts, styles and menus are dropped.

    Nothing is executed or fetched; text that a style sheet hides is kept.
    """
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(html)
    titles = tree.css("head > title")
    title = _BLANKS.sub(" ", titles[0].text()).strip() if titles else ""
    return title, list(_html_body(tree.body)) if tree.body is not None else []


def _html_body(body: LexborNode) -> Iterator[Block]:
    run: list[str] = []
    kinds: list[BlockKind] = ["text"]
    for node, leaving in _walk(body):
        tag = node.tag or ""
        if tag == "-text":
            run.append(node.text_content or "")
        elif tag == "br" and kinds[-1] == "code":
            run.append("" if leaving else "\n")
        elif tag in _BREAKING:
            yield from _html_block(kinds[-1], run)
            run = []
            if leaving:
                kinds.pop()
            else:
                kinds.append(_kind_of(tag, kinds[-1]))
        elif tag in _CELLS:
            run.append(" ")


def _walk(body: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Each node when it is entered and, but for dropped ones, again (True) when it is left.

    Without recursion, since hostile pages nest thousands of levels deep.
    """
    stack = [(body, False)]
    while stack:
        node, leaving = stack.pop()
        if node.tag in _DROPPED:
            continue
        yield node, leaving
        if not leaving and node.tag != "-text":
            stack.append((node, True))
            stack += [(child, False) for child in node.iter(include_text=True)][::-1]


def _kind_of(tag: str, around: BlockKind) -> BlockKind:
    if tag in _HEADINGS:
        return "heading"
    return "code" if tag == "pre" or around == "code" else "text"


def _html_block(kind: BlockKind, run: list[str]) -> Iterator[Block]:
    text = "".join(run)
    yield from _block(kind, text if kind == "code" else _BLANKS.sub(" ", text))
