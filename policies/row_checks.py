"""One row's fields, checked one by one: what is wrong is named by file, line and field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from reprlib import repr as shown
from typing import Any

from ..router.errors import BadInput

__all__ = ["LARGEST", "RowChecks"]

LARGEST = 1e15
"""The largest number that an amount may be: sums, products and squares of such stay finite."""


class RowChecks:
    """The fields of one row. Every method raises BadInput for a value that it does not take.

    Args:
        is_log: whether the row may wait for the label that it was drawn for.
    """

    def __init__(
        self, data: Mapping[str, Any], file: str, line: int, *, is_log: bool = False
    ) -> None:
        self._data, self._file, self._line, self._is_log = data, file, line, is_log

    def bad(self, name: str, message: str) -> BadInput:
        """What is wrong with a field."""
        return BadInput(message, file=self._file, line=self._line, field=name)

    def get(self, name: str) -> Any:
        """A required field's value, null included."""
        if name not in self._data:
            raise self.bad(name, "is missing")
        return self._data[name]

    def number(self, name: str, value: Any, low: float, high: float) -> float:
        """A number in [low, high]."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.bad(name, f"expected a number, got {shown(value)}")
        # The bounds come first: a whole number may be too large to be a float at all.
        if not low <= value <= high:
            raise self.bad(name, f"expected a number in [{low:g}, {high:g}], got {shown(value)}")
        return float(value)

    def amount(self, name: str) -> float | None:
        """A number from 0, None where it is null or absent."""
        value = self._data.get(name)
        return None if value is None else self.number(name, value, 0.0, LARGEST)

    def whole(self, name: str) -> int:
        """A whole number from 0."""
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.bad(name, f"expected a whole number from 0, got {shown(value)}")
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.get(name)
        if not isinstance(value, bool):
            raise self.bad(name, f"expected true or false, got {shown(value)}")
        return value

    def query_id(self) -> str:
        """The question's id as a text; a number stands for its digits."""
        value = self.get("query_id")
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise self.bad("query_id", f"expected a text, got {shown(value)}")
        return str(value)

    def text_or_none(self, name: str) -> str | None:
        """A text, None where it is null or absent."""
        value = self._data.get(name)
        if value is not None and not isinstance(value, str):
            raise self.bad(name, f"expected a text or null, got {shown(value)}")
        return value

    def mapping(self, name: str) -> Mapping[str, Any]:
        """An object, empty where it is null or absent."""
        value = self._data.get(name)
        if value is not None and not isinstance(value, dict):
            raise self.bad(name, f"expected an object, got {shown(value)}")
        return value or {}

    def loss(self) -> float | None:
        """In [0, 1]; None where nobody has judged, which an audited row of a log alone can say."""
        value = self.get("loss")
        if value is not None:
            return self.number("loss", value, 0.0, 1.0)
        if self._data.get("audited") is True and not self._is_log:
            raise self.bad("loss", "expected a number in [0, 1] in an audited row, got null")
        return None

    def check_logged(self) -> None:
        """What logged traffic says beside the outcome, where it says anything."""
        data = self._data
        if data.get("audited") is not None:
            self.flag("audited")
        propensity = data.get("propensity")
        if propensity is not None and self.number("propensity", propensity, 0.0, 1.0) == 0.0:
            if data.get("audited") is True or not self._is_log:
                raise self.bad("propensity", "expected a number in (0, 1], got 0")
        for name, value in self.mapping("group").items():
            is_number = isinstance(value, float) and math.isfinite(value)
            if not (value is None or is_number or isinstance(value, str | int)):
                raise self.bad(
                    f"group.{name}", f"expected a text, number or truth value, got {shown(value)}"
                )
