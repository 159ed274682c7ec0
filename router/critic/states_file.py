"""States files: JSON Lines, gzipped or not, one state a line, read and written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from ..errors import BadInput
from ..evidence import Passage
from ..tables import read_lines
from .states import CriticState, Labels, StateRecord

__all__ = ["parse_state", "read_states", "state_row"]

_LABELS = ("label_em", "label_f1", "label_contains", "label_sufficient")
_KNOWN = frozenset(
    {
        "thread_id",
        "question",
        "gold",
        "round",
        "passages",
        "queries",
        "answer",
        "rationale",
        "previous_answers",
        "found_in",
        "unshown_scores",
        *_LABELS,
    }
)


def read_states(path: Path) -> Iterator[StateRecord]:
    """The states of a file, in order.

    Raises:
        BadInput: the file cannot be read, or a line is no state; names file, line and field.
    """
    for number, row in read_lines(path):
        yield parse_state(row, str(path), number)


def parse_state(row: Mapping[str, Any], file: str, line: int) -> StateRecord:
    """One row as a record.

    Raises:
        BadInput: a field is missing or of another kind than documented.
    """
    fields = _Fields(row, file, line)
    passages = fields.passages()
    return StateRecord(
        fields.text("thread_id", required=True),
        CriticState(
            fields.text("question", required=True),
            fields.text("answer"),
            fields.text("rationale"),
            passages,
            fields.round(),
            fields.texts("previous_answers"),
            fields.texts("queries"),
            fields.found_in(len(passages)),
            fields.numbers("unshown_scores"),
        ),
        fields.texts("gold"),
        Labels(
            fields.flag("label_em"),
            fields.share("label_f1"),
            fields.flag("label_contains"),
            fields.flag("label_sufficient"),
        ),
        {name: value for name, value in row.items() if name not in _KNOWN},
        line,
    )


def state_row(record: StateRecord) -> dict[str, Any]:
    """The record as a line of a states file; what `parse_state` reads back."""
    state, labels = record.state, record.labels
    row: dict[str, Any] = {
        "thread_id": record.thread_id,
        "question": state.question,
        "gold": list(record.gold),
        "round": state.round,
        "passages": [
            {"id": one.id, "title": one.title, "text": one.text, "score": one.score}
            for one in state.passages
        ],
        "queries": list(state.queries),
        "answer": state.answer,
        "rationale": state.rationale,
        "previous_answers": list(state.previous_answers),
        "label_em": _bit(labels.em),
        "label_f1": labels.f1,
        "label_contains": _bit(labels.contains),
        "label_sufficient": _bit(labels.sufficient),
    }
    if state.found_in:
        row["found_in"] = list(state.found_in)
    if state.unshown_scores:
        row["unshown_scores"] = list(state.unshown_scores)
    return {**row, **record.extra}


def _bit(label: bool | None) -> int | None:
    return None if label is None else int(label)


class _Fields:
    """The fields of one row; each method raises BadInput for a value that it does not take."""

    def __init__(self, row: Mapping[str, Any], file: str, line: int) -> None:
        self._row, self._file, self._line = row, file, line

    def _bad(self, name: str, message: str) -> BadInput:
        return BadInput(message, file=self._file, line=self._line, field=name)

    def text(self, name: str, *, required: bool = False) -> str:
        value = self._row.get(name)
        if value is None:
            if required:
                raise self._bad(name, "is missing")
            return ""
        if not isinstance(value, str):
            raise self._bad(name, f"expected a text, got {shown(value)}")
        if required and not value.strip():
            raise self._bad(name, "is empty")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        values = self._list(name)
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise self._bad(f"{name}[{index}]", f"expected a text, got {shown(value)}")
        return tuple(values)

    def numbers(self, name: str) -> tuple[float, ...]:
        return tuple(
            self._number(f"{name}[{index}]", value) for index, value in enumerate(self._list(name))
        )

    def round(self) -> int:
        return self._whole("round", self._row.get("round", 0))

    def found_in(self, passages: int) -> tuple[int, ...]:
        values = self._list("found_in")
        if values and len(values) != passages:
            raise self._bad(
                "found_in", f"expected a round for each of {passages} passages, got {len(values)}"
            )
        return tuple(self._whole(f"found_in[{i}]", value) for i, value in enumerate(values))

    def passages(self) -> tuple[Passage, ...]:
        return tuple(
            self._passage(f"passages[{index}]", value)
            for index, value in enumerate(self._list("passages"))
        )

    def flag(self, name: str) -> bool | None:
        value = self._row.get(name)
        if value is None:
            return None
        if value not in (0, 1):
            raise self._bad(name, f"expected 0, 1 or null, got {shown(value)}")
        return bool(value)

    def share(self, name: str) -> float | None:
        value = self._row.get(name)
        if value is None:
            return None
        number = self._number(name, value)
        if not 0.0 <= number <= 1.0:
            raise self._bad(name, f"expected a number in [0, 1], got {shown(value)}")
        return number

    def _passage(self, place: str, value: object) -> Passage:
        if not isinstance(value, Mapping):
            raise self._bad(place, f"expected an object, got {shown(value)}")
        texts = {name: self._required(place, name, value) for name in ("id", "title", "text")}
        return Passage(**texts, score=self._number(f"{place}.score", value.get("score")))

    def _required(self, place: str, name: str, value: Mapping[str, Any]) -> str:
        found = value.get(name)
        if isinstance(found, str):
            return found
        problem = "is missing" if found is None else f"expected a text, got {shown(found)}"
        raise self._bad(f"{place}.{name}", problem)

    def _list(self, name: str) -> Sequence[Any]:
        value = self._row.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self._bad(name, f"expected an array, got {shown(value)}")
        return value

    def _whole(self, place: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._bad(place, f"expected a whole number from 0, got {shown(value)}")
        return value

    def _number(self, place: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            problem = "is missing" if value is None else f"expected a number, got {shown(value)}"
            raise self._bad(place, problem)
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self._bad(place, f"expected a finite number, got {shown(value)}")
        return number
