"""Packed tables: small, exact on the way back, strict about what they read."""

from __future__ import annotations

import json

import numpy as np
import pytest

from surefoot.policies.packed_table import PackedTable, packed
from surefoot.router.errors import UsageError


def test_values_are_whole_numbers_of_a_unit_per_column() -> None:
    table = packed(np.array([[1.27, -254.0], [0.505, 0.9], [-1.27, 3.1]]))
    assert table.units == (0.01, 2.0)
    assert table.rows() == ((127 * 0.01, -254.0), (50 * 0.01, 0.0), (-127 * 0.01, 4.0))
    assert table.values().tolist() == [list(row) for row in table.rows()]


def test_no_value_is_off_by_more_than_half_a_unit() -> None:
    values = np.random.default_rng(0).normal(size=(500, 7)) * np.logspace(-6, 6, 7)
    table = packed(values)
    assert (np.abs(table.values() - values) <= 0.5001 * np.asarray(table.units)).all()


def test_columns_of_zeros_and_tables_without_rows() -> None:
    assert packed(np.zeros((2, 3))).rows() == ((0.0, 0.0, 0.0),) * 2
    empty = packed(np.zeros((0, 4)))
    assert len(empty) == 0 and empty.rows() == () and empty.values().shape == (0, 4)


def test_round_trip_through_json() -> None:
    table = packed(np.random.default_rng(1).normal(size=(20, 3)))
    assert PackedTable.from_data(json.loads(json.dumps(table.to_data()))) == table


@pytest.mark.parametrize(
    "data",
    [
        {"units": [1.0, 1.0], "numbers": "AQID"},  # three numbers in two columns
        {"units": [1.0], "numbers": "not base64!"},
        {"units": [float("nan")], "numbers": "AQID"},
        {"units": [-1.0], "numbers": "AQID"},
        {"units": ["one"], "numbers": "AQID"},
        {"units": [], "numbers": "AQID"},
        {"units": None, "numbers": "AQID"},
        {"units": [1.0], "numbers": 7},
    ],
)
def test_numbers_that_make_no_table_are_refused(data: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        PackedTable.from_data(data)
