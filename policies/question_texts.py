"""The texts of recorded questions: from the rows themselves, or from a file beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..router.errors import BadInput
from ..router.tables import read_lines
from .outcomes import OutcomeTable

__all__ = ["question_texts", "read_question_texts"]


def read_question_texts(path: Path) -> dict[str, str]:
    """Question by query id, from JSON Lines of `query_id` and `question` (or `prompt`).

    Raises:
        BadInput: names file, line and field.
    """
    found: dict[str, str] = {}
    for number, data in read_lines(path):
        name = str(path)
        query_id = data.get("query_id")
        if isinstance(query_id, bool) or not isinstance(query_id, str | int):
            raise BadInput("expected a text", file=name, line=number, field="query_id")
        text = data.get("question", data.get("prompt"))
        if not isinstance(text, str):
            raise BadInput("expected a text", file=name, line=number, field="question")
        found[str(query_id)] = text
    return found


def question_texts(
    table: OutcomeTable, beside: Mapping[str, str] | None = None
) -> dict[str, str] | None:
    """The text of every question; None where that of any is unknown."""
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
