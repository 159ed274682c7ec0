"""Texts of questions by query id, from a file beside an outcome table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as shown

from ..router.errors import BadInput
from ..router.tables import read_lines
from .outcomes import OutcomeTable
from .row_checks import RowChecks

__all__ = ["question_texts", "read_question_texts"]


def read_question_texts(path: Path) -> dict[str, str]:
    """JSON Lines of `query_id` and `question`, or `prompt` where there is no `question`.

    Raises:
        BadInput: names file, line and field; also for an id that occurs twice with other words.
    """
    found: dict[str, str] = {}
    for line, data in read_lines(path):
        checks = RowChecks(data, str(path), line)
        query_id = checks.query_id()
        name = "question" if data.get("question") is not None else "prompt"
        text = data.get(name)
        if not isinstance(text, str) or not text.strip():
            raise checks.bad(name, f"expected a text, got {shown(text)}")
        if found.setdefault(query_id, text) != text:
            raise checks.bad("query_id", f"{query_id!r} occurs twice, with other words")
    if not found:
        raise BadInput("there is no question", file=str(path))
    return found


def question_texts(
    table: OutcomeTable, beside: Mapping[str, str] | None = None
) -> dict[str, str] | None:
    """The text of every question of a table; None where that of any is unknown.

    Args:
        beside: texts from elsewhere, which come before those of the rows.
    """
    found: dict[str, str] = {}
    for query_id, ladder in table.queries.items():
        text = (beside or {}).get(query_id)
        if text is None:
            told = (row.question for row in ladder.values() if row.question is not None)
            text = next(told, None)
        if text is None:
            return None
        found[query_id] = text
    return found
