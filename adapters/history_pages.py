"""Pages: some of many, and where to go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from ..router.errors import UsageError
from ..router.histories import Page

__all__ = ["cursor_number", "page_of", "page_of_rows"]

V = TypeVar("V")


def page_of(
    numbered: Sequence[tuple[int, V]], limit: int, cursor: str | None, oldest_first: bool
) -> Page[V]:
    """A page of all values there are, which stand in the order of their numbers.

    Raises:
        UsageError: the cursor is none of ours.
    """
    after = cursor_number(cursor)
    if oldest_first:
        left = [pair for pair in numbered if after is None or pair[0] > after]
    else:
        left = [pair for pair in reversed(numbered) if after is None or pair[0] < after]
    return page_of_rows(left, limit)


def page_of_rows(rows: Sequence[tuple[int, V | None]], limit: int) -> Page[V]:
    """A page of rows that were looked up from the cursor on, one more than `limit` where there are
    more; None stands for one that cannot be read."""
    shown = rows[: max(0, limit)]
    more = bool(shown) and len(rows) > len(shown)
    found = tuple(value for _, value in shown if value is not None)
    return Page(found, str(shown[-1][0]) if more else None)


def cursor_number(cursor: str | None) -> int | None:
    """The number that a cursor stands for.

    Raises:
        UsageError: it is none of ours.
    """
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 20):
        raise UsageError(f"{cursor!r} is no cursor of this history; begin without one")
    return int(cursor)
