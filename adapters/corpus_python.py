"""The default corpus: the documentation that every Python carries, as passages.

Docstrings of the public standard library and the topics of the language reference (`help()`).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import dedent, indent

from . import stdlib_docs
from .document_blocks import Block, text_blocks
from .passages import Section, SizeRule, SourcePassage, pack, source_passage
from .stdlib_docs import Entry

__all__ = ["python_docs_key", "python_docs_passages"]

CORPUS_VERSION = 1
"""Raised whenever the same Python would give other passages."""

# Small tiers read 300 tokens a second on a CPU, and three passages go into one prompt.
_SIZE = SizeRule(least=20, most=90, code=90)
_SIGNATURE_CHARS = 320
_CHILD_TIMEOUT_S = 120.0
# The words for a kind of thing, as `query_terms` looks for them.
_CONTEXTS = {
    "attribute": "attribute",
    "class": "class",
    "constants": "constant",
    "exception": "exception class",
    "function": "function",
    "method": "method",
    "module": "module",
    "topic": "language",
}


def python_docs_key() -> str:
    """Names the corpus that this interpreter gives; another Python or version of ours, another."""
    name, version = sys.implementation.name, ".".join(map(str, sys.version_info[:3]))
    return f"{name}-{version}-{sys.platform}-v{CORPUS_VERSION}"


def python_docs_passages() -> list[SourcePassage]:
    """The passages, a few thousand of up to 90 words, in a fixed order; takes about a second.

    The text of a passage begins with the dotted name and, where known, the signature.
    """
    entries = _entries()
    split = [_chapter(entry) for entry in entries if entry.kind == "topic"]
    definitions = {made.name: made for _, made_here in split for made in made_here}
    # The reference says more about a method (`str.split`) than its docstring does.
    docstrings = [entry for entry in entries if entry.kind != "topic"]
    docstrings = [entry for entry in docstrings if entry.name not in definitions]
    found = {
        entry: list(_docstring_sections(entry))
        for entry in _without_twins([*docstrings, *definitions.values()])
    }
    found |= {entry: list(pack(text_blocks(entry.doc), entry.name, _SIZE)) for entry, _ in split}
    return list(_distinct(found))


def _without_twins(entries: Iterable[Entry]) -> Iterable[Entry]:
    """Of equal docstrings in one module that with the shortest name: no `random.Random.choice`."""
    best: dict[tuple[str, str, str], Entry] = {}
    for entry in sorted(entries, key=lambda entry: (entry.name.count("."), len(entry.name), entry)):
        best.setdefault(
            (entry.name.partition(".")[0], entry.name.rpartition(".")[2], entry.doc), entry
        )
    return best.values()


def _distinct(found: Mapping[Entry, Sequence[Section]]) -> Iterator[SourcePassage]:
    """A passage for each section; chapters of the reference repeat each other, passages do not."""
    seen: set[Section] = set()
    for entry, sections in found.items():
        for position, section in enumerate(sections):
            if section not in seen:
                seen.add(section)
                source = f"{entry.kind}:{entry.name}"
                yield source_passage(source, position, section, _CONTEXTS.get(entry.kind, ""))


def _entries() -> list[Entry]:
    """What `stdlib_docs` collects, in a child interpreter where there is one to be had."""
    if sys.executable and not getattr(sys, "frozen", False):
        command = [sys.executable, "-I", "-X", "utf8", stdlib_docs.__file__]
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=_CHILD_TIMEOUT_S, check=True
            )
            return [Entry(*row) for row in json.loads(done.stdout)]
        except (OSError, ValueError, TypeError, subprocess.SubprocessError):
            # An embedding application's executable is no Python: do it here instead.
            pass
    return stdlib_docs.collect_quietly()


def _docstring_sections(entry: Entry) -> Iterator[Section]:
    opening = f"Constants of {entry.name}:" if entry.kind == "constants" else entry.name
    doc, short = entry.doc, entry.name.rpartition(".")[2]
    if doc.startswith(f"{short}("):
        # C docstrings begin with the call's form; the opening line makes its name whole.
        form, _, doc = doc.partition("\n")
        first = entry.name.removesuffix(short) + form
    else:
        first = opening + _shortened(entry.signature)
    sections = list(pack(_plain(text_blocks(doc)), entry.name, _SIZE))
    for section in sections or [Section(entry.name, "")]:
        yield Section(entry.name, _unmarked(section.text), opening=f"{first}\n")
        first = opening


def _shortened(signature: str) -> str:
    if len(signature) <= _SIGNATURE_CHARS:
        return signature
    return signature[:_SIGNATURE_CHARS].rpartition(",")[0] + ", ...)"


def _plain(blocks: Iterable[Block]) -> Iterator[Block]:
    """Headings inside of a docstring as lead-ins: the title of its passages is the dotted name."""
    for block in blocks:
        is_heading = block.kind == "heading"
        yield Block("text", f"{block.text.rstrip(':')}:") if is_heading else block


_ROLE = re.compile(r":[a-z:]+:`[~!.]?([^`]+)`")


def _unmarked(text: str) -> str:
    """The text without reStructuredText's marks, which cost tokens and say nothing."""
    return _ROLE.sub(r"\1", text).replace("``", "")


# A line of its own, such as "str.count(sub[, start[, end]])", above an indented explanation.
_DEFINITION = re.compile(
    r"(?:(?:class|exception|static|classmethod|async|coroutine) )*"
    r"([A-Za-z_]\w*(?:\.\w+)+)(\(.*)?$"
)


def _chapter(topic: Entry) -> tuple[Entry, list[Entry]]:
    """A chapter of the reference, and the definitions that stood in it as entries of their own."""
    chapter, definitions, is_defining = list[str](), list[Entry](), False
    paragraphs = [part.strip("\n") for part in topic.doc.split("\n\n") if part.strip()]
    for paragraph, following in zip(paragraphs, [*paragraphs[1:], ""], strict=True):
        found = _DEFINITION.match(paragraph.partition("\n")[0])
        if found and following.startswith("   "):
            kind = "method" if found[2] else "attribute"
            signature = (found[2] or "").replace("=- ", "=-")
            definitions.append(Entry(kind, found[1], signature, ""))
            is_defining = True
        elif is_defining and paragraph.startswith(" "):
            last = definitions.pop()
            definitions.append(last._replace(doc=f"{last.doc}\n\n{dedent(paragraph)}".strip()))
        else:
            is_defining = False
            chapter.append(_chapter_paragraph(paragraph))
    return topic._replace(doc="\n\n".join(chapter)), definitions


def _chapter_paragraph(paragraph: str) -> str:
    """A paragraph in the form that `text_blocks` reads: code indented by four, plain headings."""
    is_heading = len({*paragraph.partition("\n")[2].strip()}) == 1
    if is_heading:
        return paragraph.replace('"', "")
    return indent(paragraph, " ") if paragraph.startswith("   ") else paragraph
