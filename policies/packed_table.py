"""Tables of small whole numbers times a unit per column, stored instead of floats."""

from __future__ import annotations

import base64
import binascii
import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..router.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["PackedTable", "packed"]

_LARGEST = 127


@dataclass(frozen=True, slots=True)
class PackedTable:
    """Rows of numbers, each a whole number in -127..127 times the unit of its column.

    Attributes:
        units: one a column, finite and not negative.
        data: the whole numbers, row after row, a signed byte each.
    """

    units: tuple[float, ...]
    data: bytes

    def __post_init__(self) -> None:
        if not all(math.isfinite(unit) and unit >= 0.0 for unit in self.units):
            raise UsageError(f"expected finite units of 0 or more, got {self.units}")
        if len(self.data) % (len(self.units) or 1) or (self.data and not self.units):
            raise UsageError(
                f"expected whole rows of {len(self.units)} numbers, got {len(self.data)} numbers"
            )

    def __len__(self) -> int:
        """How many rows."""
        return len(self.data) // len(self.units) if self.units else 0

    def rows(self) -> tuple[tuple[float, ...], ...]:
        """The numbers."""
        numbers, width = array("b", self.data), len(self.units)
        return tuple(
            tuple([n * unit for n, unit in zip(numbers[at : at + width], self.units, strict=True)])
            for at in range(0, len(numbers), width or 1)
        )

    def values(self) -> Floats:
        """The same numbers as an array of shape (rows, columns)."""
        import numpy as np

        shape = len(self), len(self.units)
        numbers = np.frombuffer(self.data, dtype=np.int8).reshape(shape)
        return numbers.astype(np.float64) * np.asarray(self.units, dtype=np.float64)

    def to_data(self) -> dict[str, Any]:
        """JSON-plain: the units, and the bytes in base64."""
        return {"units": list(self.units), "numbers": base64.b64encode(self.data).decode("ascii")}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> PackedTable:
        """The table that `to_data` wrote.

        Raises:
            UsageError: numbers that make no table.
            KeyError: a field is missing.
        """
        try:
            numbers = base64.b64decode(data["numbers"], validate=True)
            units = tuple([float(unit) for unit in data["units"]])
        except (binascii.Error, TypeError, ValueError) as error:
            raise UsageError(f"expected units and numbers in base64: {error}") from error
        return cls(units, numbers)


def packed(values: Floats) -> PackedTable:
    """Those nearest to values (rows, columns): off by at most 1/254 of the column's peak."""
    import numpy as np

    peaks = np.abs(values).max(axis=0, initial=0.0)
    units = tuple(float(f"{peak / _LARGEST:.6g}") for peak in peaks)
    safe = np.asarray([unit or 1.0 for unit in units])
    # The rounded unit may be a little smaller than the peak asks for.
    numbers = np.clip(np.rint(values / safe), -_LARGEST, _LARGEST).astype(np.int8)
    return PackedTable(units, numbers.tobytes())
