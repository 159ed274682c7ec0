"""Whether the labels of a table are a plain sample of its requests."""

from __future__ import annotations

from typing import NamedTuple

from ..router.decisions import Rung
from .outcomes import Outcome, OutcomeTable

__all__ = ["UnfairLabel", "repeats_in_words", "unfair_label"]

_MANY = 0.05


class UnfairLabel(NamedTuple):
    """A row that does not stand for the requests as the others do: its field, and why."""

    row: Outcome
    field: str
    why: str


def unfair_label(table: OutcomeTable) -> UnfairLabel | None:
    """The first row whose label was not drawn as those of the other rows on its rung.

    A certificate counts every label alike. That is right where all rows were judged, and where the
    audit drew with one propensity; a row without a word of it counts as surely judged. It is wrong
    for labels that no draw asked for, and for draws at unequal odds: 9 in 10 of the easy questions
    and 1 in 10 of the hard ones make a bad gate look good. Their losses are not looked at.
    """
    first: dict[Rung, tuple[float, Outcome]] = {}
    for row in table.rows():
        if not row.extra and row.loss is None:
            continue
        if row.loss is not None and row.extra.get("audited") is False:
            return UnfairLabel(
                row,
                "audited",
                "is false, and the row has a loss: labels that no draw asked for are no random "
                "sample of the requests; make such losses null",
            )
        told = row.extra.get("propensity")
        if told is None and row.loss is None:
            continue
        propensity = 1.0 if told is None else float(told)
        known, other = first.setdefault(row.rung, (propensity, row))
        if propensity != known:
            return UnfairLabel(
                row,
                "propensity",
                f"is {propensity:g} here and {known:g} for query {other.query_id!r}: labels drawn "
                "at unequal odds are no plain sample of the requests; certify on draws of one "
                "propensity, or let `surefoot evaluate` weigh them for a profile fitted elsewhere",
            )
    return None


def repeats_in_words(table: OutcomeTable) -> str | None:
    """A warning where many questions have the text of another one; None where few have.

    Traffic repeats itself, and then each request counts. But a question that was recorded ten times
    is one observation, and nothing in the table tells the two apart.
    """
    texts: dict[str, int] = {}
    for ladder in table.queries.values():
        text = next((row.question for row in ladder.values() if row.question), None)
        if text is not None:
            words = " ".join(text.lower().split())
            texts[words] = texts.get(words, 0) + 1
    again = sum(texts.values()) - len(texts)
    if again < _MANY * len(table.queries):
        return None
    return (
        f"{again} of {len(table.queries)} questions repeat the text of an earlier one, and each "
        "counts as a request of its own: right for traffic as it came, wrong where a question was "
        "recorded several times; keep one of each then, or the promise does not hold"
    )
