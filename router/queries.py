"""What to search for next: proposals in order of preference, and which of them are new."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from .critic.corrective import sentences
from .text import clean_text, content_words, normalize_answer

__all__ = ["first_new", "query_fingerprint", "query_in", "rationale_query"]

_LONGEST = 400
_LABEL = re.compile(
    r"^\s*(?:next |search |standalone |follow[- ]up )?(?:query|question|search)\s*:\s*", re.I
)
_OBJECT = re.compile(r"\{.*?\}", re.DOTALL)
_QUOTES = "\"'`\u201c\u201d\u2018\u2019 \t"


def query_fingerprint(query: str) -> frozenset[str]:
    """The words of a query without case, order, repeats and stop words: equal for equal searches.

    A query of stop words alone ("Who?") is told by all its words.
    """
    return frozenset(content_words(query)) or frozenset(normalize_answer(query).split())


def query_in(text: str) -> str:
    """The query in what a model wrote when it was asked for one; "" where there is none.

    A JSON object's `query` or `question`, whole or cut off behind it, else the first line with
    words in it, without a label and quotes. What is longer than a query can be is none: a small
    model that answers at length has not proposed anything.
    """
    found = _from_object(text)
    if found is None:
        lines = [line.strip() for line in text.splitlines()]
        found = next((line for line in lines if content_words(line)), "")
    query = clean_text(_LABEL.sub("", found)).strip(_QUOTES)
    query = " ".join(query.split())
    return query if content_words(query) and len(query) <= _LONGEST else ""


def _from_object(text: str) -> str | None:
    for match in _OBJECT.finditer(text):
        try:
            row = json.loads(match.group())
        except ValueError:
            continue
        for name in ("query", "question", "search"):
            if isinstance(row, dict) and isinstance(row.get(name), str):
                return str(row[name])
    cut = re.search(r'"(?:query|question|search)"\s*:\s*"((?:[^"\\\n]|\\.)*)', text)
    return None if cut is None else cut.group(1)


def rationale_query(rationale: str) -> str:
    """The last sentence of the reasons given for an answer; "" where there are none.

    Source: Trivedi et al. 2023, "Interleaving Retrieval with Chain-of-Thought Reasoning" (IRCoT),
    arXiv 2212.10509, which searches for the latest sentence of the reasoning.
    """
    parts = [part for part in sentences(rationale) if content_words(part)]
    return parts[-1][:_LONGEST].strip() if parts else ""


def first_new(proposals: Iterable[str], asked: Sequence[str]) -> str | None:
    """The first proposal that was not searched for yet; None where there is none."""
    known = {query_fingerprint(query) for query in asked}
    for proposal in proposals:
        if proposal and query_fingerprint(proposal) not in known:
            return proposal
    return None
