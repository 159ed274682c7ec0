"""Turns a question into weighted search terms, and names into the terms they are found by.

Questions are full of words that say how something is asked, not what about ("which function of the
... module does ..."); plain BM25 would look for them. Names are the opposite: `os.path.join` is to
be found whole, by its parts (`os.path`), and by its words (`read_text`, `JSONDecoder`).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from ..router.text import content_words

__all__ = ["MAX_TERMS", "QueryTerm", "name_parts", "name_words", "query_terms", "search_form"]

MAX_TERMS = 48
"""Distinct words of a query that are looked for: a pasted page would cost milliseconds more."""

_LONGEST_QUERY = 20_000
_TOKEN = re.compile(r"\w+(?:[.-]\w+)*")
_NAME = re.compile(r"\w+(?:\.\w+)*")
# "JSONDecodeError" -> JSON Decode Error; "b64encode" -> b 64 encode.
_CASED_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_LOOKS_LIKE_NAME = re.compile(r"\w[._]\w|[a-z][A-Z]|^_")
_LONGEST_NAME = 120
_DEEPEST_NAME = 8
# Words for the kind of thing that is asked for, and the word by which each kind is indexed.
_KINDS = {
    form: kind
    for kind in "attribute class constant exception function method module".split()
    for form in (kind, f"{kind}s", f"{kind}es")
}
# They say which corpus is meant rather than what in it.
_VAGUE = frozenset({"language", "library", "python", "standard"})
_VAGUE_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class QueryTerm:
    """One word or name of a query.

    Attributes:
        words: the words to look for in texts, separated by spaces, not yet stemmed.
        names: dotted paths to look for among titles, with the number of their components;
            empty for a word that does not seem to name anything.
        kind: the kind of thing it stands for ("function"), empty for other words.
        weight: 1 for a word that says what is wanted, less for one that hardly does.
    """

    words: str
    names: tuple[tuple[str, int], ...] = ()
    kind: str = ""
    weight: float = 1.0


def search_form(text: str) -> str:
    """Compatibility form (NFKC) without lone surrogates: one spelling for one word, any text in."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return unicodedata.normalize("NFKC", whole)


def query_terms(query: str) -> tuple[QueryTerm, ...]:
    """The terms of a query, in order, each once, `MAX_TERMS` at most; none for an empty query.

    A word counts as a name where it looks like one (`os.path`, `read_text`, `ZipFile`), where it
    is capitalized inside of a sentence, or where the next word says so ("the json module").
    """
    tokens = _TOKEN.findall(search_form(query[:_LONGEST_QUERY]))
    found: dict[str, QueryTerm] = {}
    for position, token in enumerate(tokens):
        if token in found or not content_words(token):
            continue
        following = tokens[position + 1].lower() if position + 1 < len(tokens) else ""
        is_name = bool(
            _LOOKS_LIKE_NAME.search(token)
            or (position > 0 and token[0].isupper())
            or following in _KINDS
        )
        found[token] = _term(token, is_name)
        if len(found) == MAX_TERMS:
            break
    return tuple(found.values())


def _term(token: str, is_name: bool) -> QueryTerm:
    lowered = token.lower()
    if lowered in _KINDS or lowered in _VAGUE:
        return QueryTerm(lowered, kind=_KINDS.get(lowered, ""), weight=_VAGUE_WEIGHT)
    joined = f" {token.replace('-', '')}" if "-" in token else ""
    return QueryTerm(name_words(token) + joined, tuple(_paths(token)) if is_name else ())


def name_words(name: str) -> str:
    """The words of a name, for a text field: parts between dots and underscores, cased words."""
    parts = re.split(r"[\W_]+", name)
    words = [word for part in parts for word in (part, *_cased_words(part))]
    return " ".join(dict.fromkeys(word for word in words if word))


def _cased_words(part: str) -> list[str]:
    return _CASED_WORD.findall(part) if part.isascii() else []


def name_parts(title: str) -> str:
    """Every dotted path in a title, as written and in lower case, separated by spaces.

    `os.path.join` gives os, os.path, os.path.join, path, path.join and join.
    """
    names = [name for name in _NAME.findall(title) if len(name) <= _LONGEST_NAME]
    paths = [path for name in names for path, _ in _paths(name)]
    return " ".join(dict.fromkeys([*paths, *(path.lower() for path in paths)]))


def _paths(name: str) -> list[tuple[str, int]]:
    """The runs of neighboring components of a dotted name, with their lengths."""
    parts = name[:_LONGEST_NAME].split(".")[:_DEEPEST_NAME]
    starts = range(len(parts))
    return [(".".join(parts[i:j]), j - i) for i in starts for j in range(i + 1, len(parts) + 1)]
