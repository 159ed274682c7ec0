"""Outcome tables in Parquet files say what the same rows in JSON Lines say."""

from __future__ import annotations

import datetime
import json
import math
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from surefoot.policies.outcomes import Outcome, outcome_row, read_outcomes
from surefoot.router.decisions import Rung
from surefoot.router.errors import BadInput, MissingExtra
from surefoot.router.tables import write_lines

ROWS: list[dict[str, Any]] = [
    {
        "query_id": f"q{number}",
        "tier": tier,
        "round": 0,
        "retrieved": False,
        "answer": None if number == 2 else "Paris",
        "loss": None if number == 3 else float(tier == 0),
        "cost": 0.25,
        "latency_s": 1.5,
        "signals": {"s": 0.75, "t": None if tier else 0.5},
        "signal_costs": {"s": 0.5},
        "group": {"topic": "geo", "vip": True},
        "audited": number != 3,
        "propensity": 0.5,
        "served": [number, tier],
    }
    for number in range(4)
    for tier in range(2)
]


def stored_as(path: Path, rows: list[dict[str, Any]], schema: Any = None) -> Path:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.Table.from_pylist(rows, schema=schema), path)
    return path


def test_without_the_library_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(MissingExtra, match=r"pip install 'surefoot\[parquet\]'") as caught:
        read_outcomes(tmp_path / "table.parquet")
    assert isinstance(caught.value.__cause__, ImportError)


def test_a_parquet_file_is_the_table_that_the_same_lines_are(tmp_path: Path) -> None:
    found = read_outcomes(stored_as(tmp_path / "table.parquet", ROWS))

    lines = tmp_path / "table.jsonl"
    write_lines(lines, ROWS)
    assert found == read_outcomes(lines)
    assert [outcome_row(row) for row in found.rows()] == ROWS


def test_more_rows_than_are_read_at_once(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "query_id": f"q{number}"} for number in range(20_000)]
    rows[19_999] = {**rows[19_999], "cost": -1.0}
    path = stored_as(tmp_path / "table.parquet", rows)

    with pytest.raises(BadInput, match="expected a number in") as caught:
        read_outcomes(path)
    assert (caught.value.file, caught.value.line, caught.value.field) == (
        str(path),
        20_000,
        "cost",
    )


def test_objects_may_be_maps_or_texts(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    texts = [{**row, "signals": json.dumps(row["signals"])} for row in ROWS]
    maps = arrow.map_(arrow.string(), arrow.float64())
    table = arrow.Table.from_pylist(ROWS)
    place = table.schema.get_field_index("signals")
    pairs = [list(row["signals"].items()) for row in ROWS]
    pairs[7] = []
    as_maps = table.set_column(place, "signals", arrow.array(pairs, type=maps))
    pytest.importorskip("pyarrow.parquet").write_table(as_maps, tmp_path / "maps.parquet")
    from_texts = read_outcomes(stored_as(tmp_path / "texts.parquet", texts))
    from_maps = read_outcomes(tmp_path / "maps.parquet")

    *rows, last = from_maps.rows()
    assert rows == [*from_texts.rows()][:7]
    assert (rows[0].signals, last.signals) == ({"s": 0.75, "t": 0.5}, {})


def test_a_null_is_as_good_as_an_absent_field(tmp_path: Path) -> None:
    bare = {name: ROWS[0][name] for name in ("query_id", "tier", "round", "retrieved", "cost")}
    rows = [{**bare, "loss": None}, {**ROWS[1], "finish_reason": "length"}]
    table = read_outcomes(stored_as(tmp_path / "table.parquet", rows))

    assert table.queries["q0"][Rung(0, 0, False)] == Outcome(
        "q0", 0, 0, False, None, None, 0.25, None, {}
    )


def test_values_that_json_does_not_have_become_those_that_it_has(tmp_path: Path) -> None:
    at = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC)
    row = {**ROWS[0], "cost": Decimal("0.25"), "ts": at, "day": at.date()}
    (found,) = read_outcomes(stored_as(tmp_path / "table.parquet", [row])).rows()

    assert found.cost == 0.25
    assert (found.extra["ts"], found.extra["day"]) == ("2026-01-02T03:04:00+00:00", "2026-01-02")
    assert json.loads(json.dumps(outcome_row(found), allow_nan=False))["cost"] == 0.25


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"loss": 1.5}, "loss"),
        ({"loss": math.nan}, "loss"),
        ({"signals": {"s": math.nan, "t": 0.5}}, "signals.s"),
        ({"signals": '{"s": '}, "signals"),
        ({"tier": 1.5}, "tier"),
        ({"group": {"topic": math.nan}}, "group.topic"),
        ({"query_id": None}, "query_id"),
    ],
)
def test_a_bad_value_is_named_by_row_and_column(
    tmp_path: Path, fields: dict[str, Any], place: str
) -> None:
    path = stored_as(tmp_path / "table.parquet", [{**ROWS[0], **fields}])

    with pytest.raises(BadInput) as caught:
        read_outcomes(path)
    assert (caught.value.file, caught.value.line, caught.value.field) == (str(path), 1, place)


@pytest.mark.parametrize("content", [b"", b"no parquet", b"PAR1" + b"x" * 40 + b"PAR1"])
def test_a_file_that_is_no_parquet_is_bad_input(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "table.parquet"
    path.write_bytes(content)

    for bad in (path, tmp_path / "absent.parquet"):
        with pytest.raises(BadInput, match="cannot be read") as caught:
            read_outcomes(bad)
        assert caught.value.file == str(bad)
