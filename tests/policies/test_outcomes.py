"""Outcome tables: what is written comes back, and what is wrong is named by line and field."""

from __future__ import annotations

import gc
import gzip
import json
import math
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from surefoot.policies import outcomes
from surefoot.policies.outcomes import Outcome, OutcomeTable, outcome_row, read_outcomes
from surefoot.router.decisions import Rung
from surefoot.router.errors import BadInput
from surefoot.router.tables import write_lines

from .worlds import outcome, stored, table_of

GOOD: dict[str, Any] = {
    "query_id": "q1",
    "tier": 0,
    "round": 0,
    "retrieved": False,
    "answer": "Paris",
    "loss": 0,
    "cost": 0.25,
    "latency_s": 1.5,
    "signals": {"s": 0.75, "t": None},
    "signal_costs": {"s": 0.5},
}


def written(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "outcomes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in GOOD.items() if name not in names}


# --- round trip ----------------------------------------------------------------------------------


def test_a_row_is_read_field_by_field(tmp_path: Path) -> None:
    table = read_outcomes(written(tmp_path, GOOD))

    assert table.queries == {
        "q1": {
            Rung(0, 0, False): Outcome(
                "q1",
                0,
                0,
                False,
                "Paris",
                0.0,
                0.25,
                1.5,
                {"s": 0.75, "t": None},
                {"s": 0.5},
            )
        }
    }


def test_optional_fields_may_be_absent_or_null(tmp_path: Path) -> None:
    bare = without("answer", "latency_s", "signals", "signal_costs")
    nulls = {**GOOD, "tier": 1} | dict.fromkeys(
        ("answer", "loss", "latency_s", "signals", "signal_costs", "question", "model")
    )
    table = read_outcomes(written(tmp_path, bare, nulls))

    for row, loss in zip(table.rows(), (0.0, None), strict=True):
        assert (row.answer, row.latency_s, row.question, row.model) == (None, None, None, None)
        assert (row.signals, row.signal_costs, row.loss) == ({}, {}, loss)


def test_unknown_fields_are_kept_through_a_round_trip(tmp_path: Path) -> None:
    unknown = {"group": {"topic": "geo"}, "ts": "2026-01-01", "raw_logconf": -0.25, "x": [1, None]}
    rows = [{**GOOD, "question": "Which?", "model": "m-1", **unknown}, {**GOOD, "tier": 1}]
    path = written(tmp_path, *rows)

    again = tmp_path / "again.jsonl"
    write_lines(again, [outcome_row(row) for row in read_outcomes(path).rows()])

    assert [json.loads(line) for line in again.read_text().splitlines()] == rows
    assert read_outcomes(again) == read_outcomes(path)


def test_gzipped_tables_are_the_same_tables(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD, {**GOOD, "query_id": "é"})
    packed = tmp_path / "outcomes.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))

    assert read_outcomes(packed) == read_outcomes(path)


def test_numbered_queries_are_named_by_their_digits(tmp_path: Path) -> None:
    table = read_outcomes(written(tmp_path, {**GOOD, "query_id": 17}))

    assert list(table.queries) == ["17"]


names = st.text(min_size=1, max_size=4)
unit = st.floats(0, 1)
amounts = st.floats(0, 1e12)


@st.composite
def some_rows(draw: st.DrawFn) -> list[Outcome]:
    keys = draw(
        st.lists(
            st.tuples(names, st.integers(0, 3), st.integers(0, 2), st.booleans()),
            min_size=1,
            max_size=5,
            unique=True,
        )
    )
    extra = st.dictionaries(
        names.map(lambda name: f"x_{name}"), st.integers() | st.text(max_size=3), max_size=2
    )
    return [
        Outcome(
            *key,
            draw(st.none() | st.text(max_size=5)),
            draw(st.none() | unit),
            draw(amounts),
            draw(st.none() | amounts),
            draw(st.dictionaries(names, st.none() | unit, max_size=2)),
            draw(st.dictionaries(names, amounts, max_size=2)),
            draw(st.none() | st.text(max_size=5)),
            draw(st.none() | st.text(max_size=5)),
            draw(extra),
        )
        for key in keys
    ]


@given(rows=some_rows())
def test_any_table_survives_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Outcome]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    write_lines(path, [outcome_row(row) for row in rows])

    assert read_outcomes(path) == table_of(rows)


def test_a_stored_table_is_read_without_loss() -> None:
    path = stored("llama_mmlu_train")
    rows = read_outcomes(path).rows()

    with gzip.open(path, "rt", encoding="utf-8") as lines:
        assert [outcome_row(row) for row in rows] == [json.loads(line) for line in lines]


# --- bad input -----------------------------------------------------------------------------------

BAD_FIELDS: list[tuple[str, Any]] = [
    ("query_id", None),
    ("query_id", ""),
    ("query_id", True),
    ("query_id", 1.5),
    ("query_id", ["q"]),
    ("tier", None),
    ("tier", -1),
    ("tier", 0.0),
    ("tier", "0"),
    ("tier", True),
    ("round", None),
    ("round", -1),
    ("round", 1.5),
    ("round", False),
    ("retrieved", None),
    ("retrieved", 0),
    ("retrieved", "false"),
    ("answer", 42),
    ("answer", {}),
    ("loss", -0.01),
    ("loss", 1.01),
    ("loss", math.nan),
    ("loss", True),
    ("loss", "0"),
    ("loss", 10**400),
    ("cost", None),
    ("cost", -0.01),
    ("cost", math.nan),
    ("cost", math.inf),
    ("cost", 10**400),
    ("cost", "free"),
    ("latency_s", -1),
    ("latency_s", math.inf),
    ("latency_s", "fast"),
    ("signals", []),
    ("signals", 0),
    ("signals", ""),
    ("signals", "s"),
    ("signal_costs", []),
    ("signal_costs", False),
    ("question", 7),
    ("model", ["m"]),
]


@pytest.mark.parametrize(("field", "value"), BAD_FIELDS)
def test_a_bad_field_is_named_with_its_line_and_value(
    tmp_path: Path, field: str, value: Any
) -> None:
    path = written(tmp_path, GOOD, {**GOOD, "tier": 1, field: value})

    with pytest.raises(BadInput, match="expected") as caught:
        read_outcomes(path)

    error = caught.value
    assert (error.file, error.line, error.field) == (str(path), 2, field)
    assert str(error).startswith(f"{path}:2: field '{field}': ")
    assert len(str(error)) < len(str(path)) + 200


@pytest.mark.parametrize("field", ["query_id", "tier", "round", "retrieved", "loss", "cost"])
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    path = written(tmp_path, without(field))

    with pytest.raises(BadInput, match="is missing") as caught:
        read_outcomes(path)

    assert (caught.value.line, caught.value.field) == (1, field)


@pytest.mark.parametrize("value", [-0.01, 1.01, math.nan, math.inf, True, "0.5", [0.5], 10**400])
def test_a_bad_signal_is_named(tmp_path: Path, value: Any) -> None:
    path = written(tmp_path, {**GOOD, "signals": {"fine": 0.5, "odd": value}})

    with pytest.raises(BadInput) as caught:
        read_outcomes(path)

    assert (caught.value.line, caught.value.field) == (1, "signals.odd")


@pytest.mark.parametrize("value", [-1, math.nan, math.inf, False, "1"])
def test_a_bad_signal_price_is_named(tmp_path: Path, value: Any) -> None:
    path = written(tmp_path, {**GOOD, "signal_costs": {"s": value}})

    with pytest.raises(BadInput) as caught:
        read_outcomes(path)

    assert caught.value.field == "signal_costs.s"


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"loss": "?"}, "loss"),
        ({"latency_s": "?"}, "latency_s"),
        ({"signals": {"fine": 0.5, "odd": "?", "odd too": "?"}}, "signals.odd"),
        ({"group": {"topic": "?"}}, "group.topic"),
        ({"foreign": [1, {"deep": [0, "?"]}]}, "foreign[1].deep[1]"),
    ],
)
def test_a_number_that_json_does_not_have_is_named(
    tmp_path: Path, constant: str, fields: dict[str, Any], place: str
) -> None:
    path = written(tmp_path, GOOD, {**GOOD, "tier": 1, **fields})
    path.write_text(path.read_text().replace('"?"', constant))

    with pytest.raises(BadInput, match=f"expected a number or null, got {constant}") as caught:
        read_outcomes(path)

    assert (caught.value.line, caught.value.field) == (2, place)


LOGGED: dict[str, Any] = {"audited": True, "propensity": 0.25, "group": {"topic": "geo", "vip": 1}}


def test_fields_of_logged_traffic_are_kept(tmp_path: Path) -> None:
    unlabeled = {**GOOD, "query_id": "q2", "loss": None, "audited": False, "propensity": 1}
    nulls = {**GOOD, "query_id": "q3"} | dict.fromkeys(LOGGED)
    rows = [{**GOOD, **LOGGED}, unlabeled, nulls]
    table = read_outcomes(written(tmp_path, *rows))

    assert [outcome_row(row) for row in table.rows()] == rows
    assert [row.loss for row in table.rows()] == [0.0, None, 0.0]


@pytest.mark.parametrize(
    ("fields", "place", "words"),
    [
        ({"loss": None, "audited": True}, "loss", "in an audited row, got null"),
        ({"audited": 1}, "audited", "expected true or false, got 1"),
        ({"audited": "yes"}, "audited", "expected true or false"),
        ({"propensity": 0}, "propensity", r"in \(0, 1\], got 0"),
        ({"propensity": -0.1}, "propensity", r"in \[0, 1\]"),
        ({"propensity": 1.01}, "propensity", r"in \[0, 1\]"),
        ({"propensity": True}, "propensity", "expected a number"),
        ({"propensity": "0.5"}, "propensity", "expected a number"),
        ({"group": ["geo"]}, "group", "expected an object"),
        ({"group": "geo"}, "group", "expected an object"),
        ({"group": {"topic": ["geo"]}}, "group.topic", "expected a text, number or truth value"),
        ({"group": {"a": 1, "b": {}}}, "group.b", "expected a text, number or truth value"),
    ],
)
def test_a_bad_field_of_logged_traffic_is_named(
    tmp_path: Path, fields: dict[str, Any], place: str, words: str
) -> None:
    path = written(tmp_path, {**GOOD, **LOGGED}, {**GOOD, "tier": 1, **fields})

    with pytest.raises(BadInput, match=words) as caught:
        read_outcomes(path)

    assert (caught.value.line, caught.value.field) == (2, place)


def test_a_log_may_wait_for_labels_and_tell_what_could_not_be_drawn(tmp_path: Path) -> None:
    waiting = {**GOOD, **LOGGED, "loss": None}
    undrawn = {**GOOD, "query_id": "q2", "loss": None, "audited": False, "propensity": 0}
    table = read_outcomes(written(tmp_path, waiting, undrawn), is_log=True)
    assert [row.loss for row in table.rows()] == [None, None]
    assert [row.extra["propensity"] for row in table.rows()] == [0.25, 0]
    for fields in ({"audited": True, "propensity": 0}, {"propensity": 2}, {"audited": 1}):
        with pytest.raises(BadInput):
            read_outcomes(written(tmp_path, {**undrawn, **fields}), is_log=True)


def test_a_tier_that_nobody_knows_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD, {**GOOD, "tier": 1}, {**GOOD, "tier": 2})

    assert read_outcomes(path, tiers=3).tiers == 3
    with pytest.raises(BadInput, match="expected a tier below 2, got 2") as caught:
        read_outcomes(path, tiers=2)
    assert (caught.value.line, caught.value.field) == (3, "tier")


def test_a_gap_among_the_tiers_is_named_where_that_matters(tmp_path: Path) -> None:
    above = {**GOOD, "query_id": "q2", "tier": 3}
    path = written(tmp_path, GOOD, above, {**GOOD, "tier": 1}, {**above, "round": 1})

    assert read_outcomes(path).tiers == 4
    with pytest.raises(BadInput, match="tier 3 has rows and tier 2 has none") as caught:
        read_outcomes(path, allow_gaps=False)
    assert (caught.value.line, caught.value.field) == (2, "tier")
    assert read_outcomes(written(tmp_path, {**GOOD, "tier": 1}, GOOD), allow_gaps=False).tiers == 2


def test_a_signal_price_of_null_is_no_price(tmp_path: Path) -> None:
    table = read_outcomes(written(tmp_path, {**GOOD, "signal_costs": {"s": None}}))

    assert table.bought == frozenset()


def test_the_same_key_twice_is_refused(tmp_path: Path) -> None:
    other = {**GOOD, "tier": 1}
    path = written(tmp_path, GOOD, other, {**GOOD, "loss": 1, "cost": 9})

    with pytest.raises(BadInput, match=r"'q1' has \(0, 0, False\) twice") as caught:
        read_outcomes(path)

    assert caught.value.line == 3


@pytest.mark.parametrize("differs", [{"tier": 1}, {"round": 1}, {"retrieved": True}])
def test_each_part_of_the_key_tells_rows_apart(tmp_path: Path, differs: dict[str, Any]) -> None:
    table = read_outcomes(written(tmp_path, GOOD, {**GOOD, **differs}))

    assert len(table.queries["q1"]) == 2


@pytest.mark.parametrize("content", [b"", b"\n\n  \n"], ids=["nothing", "blank lines"])
def test_a_table_without_rows_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "outcomes.jsonl"
    path.write_bytes(content)

    with pytest.raises(BadInput, match="there is no row") as caught:
        read_outcomes(path)

    assert caught.value.file == str(path)


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    line = json.dumps(GOOD).encode()
    packed = gzip.compress(line + b"\n" + b"".join(b"%d\n" % (i * i) for i in range(999)))
    contents = {
        "text.jsonl": b"hello\n",
        "latin.jsonl": line + b'\n{"query_id": "\xe9"}\n',
        "cut.jsonl": line + b"\n" + line[:-20],
        "cut.jsonl.gz": packed[: len(packed) // 2],
        "plain.jsonl.gz": line,
        "packed.jsonl": packed,
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)

    for name in (*contents, "absent.jsonl", "."):
        with pytest.raises(BadInput) as caught:
            read_outcomes(tmp_path / name)
        assert caught.value.file == str(tmp_path / name)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from([10**400, 0, 1, -1]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    changes=st.dictionaries(st.sampled_from([*GOOD, "question", "model", "x"]), json_values),
    cut=st.none() | st.integers(0, 200),
    noise=st.binary(max_size=3),
)
def test_only_bad_input_ever_escapes(
    tmp_path_factory: pytest.TempPathFactory,
    changes: dict[str, Any],
    cut: int | None,
    noise: bytes,
) -> None:
    line = json.dumps({**GOOD, **changes}).encode()
    path = tmp_path_factory.getbasetemp() / "fuzz.jsonl"
    path.write_bytes(line[:cut] + noise + b"\n")
    try:
        table = read_outcomes(path)
    except BadInput as error:
        assert error.file == str(path)
        assert error.line in (1, 2, None)
        return
    for row in table.rows():
        assert row.loss is None or 0 <= row.loss <= 1
        assert 0 <= row.cost < math.inf
        assert all(value is None or 0 <= value <= 1 for value in row.signals.values())
        assert repr(read_back(outcome_row(row))) == repr(row)  # NaN is not equal to itself


near_misses = st.sampled_from(
    [0, 1, -0.0, 0.5, 2, 1e-320, "q", "", True, False, None, {}, {"s": 0}, {"s": None}, {"s": 2}]
)


@given(
    changes=st.dictionaries(
        st.sampled_from([*GOOD, "question", "model", "x", *LOGGED]), near_misses | json_values
    ),
    gone=st.none() | st.sampled_from([*GOOD]),
)
def test_a_quick_look_takes_nothing_that_a_closer_one_would_not(
    changes: dict[str, Any], gone: str | None
) -> None:
    data = {name: value for name, value in {**GOOD, **changes}.items() if name != gone}
    found: list[Outcome | str | None] = []
    for read in (outcomes._plain_row, outcomes._checked_row):
        try:
            found.append(read(data, "f", 1))
        except BadInput as error:
            found.append(str(error))
    quick, close = found
    if quick is not None:
        assert repr(quick) == repr(close)


def test_a_usual_row_needs_no_closer_look() -> None:
    for data in (GOOD, {**GOOD, **LOGGED}, {**GOOD, "loss": None}, {**GOOD, "x": 1, "loss": 0.5}):
        assert outcomes._plain_row(data, "f", 1) == outcomes._checked_row(data, "f", 1)
    for data in (without("cost"), {**GOOD, "loss": None, "audited": True}, without("loss")):
        assert outcomes._plain_row(data, "f", 1) is None


def read_back(data: dict[str, Any]) -> Outcome:
    (row,) = table_of([row_of(json.loads(json.dumps(data)))]).rows()
    return row


def row_of(data: dict[str, Any]) -> Outcome:
    known = {name: data.pop(name) for name in list(data) if name in Outcome.__dataclass_fields__}
    return Outcome(**known, extra=data)


def test_the_order_of_the_lines_does_not_matter(tmp_path: Path) -> None:
    rows = [{**GOOD, "query_id": q, "tier": t} for q in ("a", "b", "c") for t in (0, 1)]
    table = read_outcomes(written(tmp_path, *rows))

    assert read_outcomes(written(tmp_path, *rows[::-1])) == table
    assert read_outcomes(written(tmp_path, *rows[::2], *rows[1::2])) == table


def test_what_many_rows_share_is_kept_once(tmp_path: Path) -> None:
    one = {**GOOD, "question": "Which is it?", "model": "m-one", "signal_costs": {}}
    first, second = read_outcomes(written(tmp_path, one, {**one, "tier": 1})).rows()

    for name in ("query_id", "question", "model", "signal_costs", "extra"):
        assert getattr(first, name) is getattr(second, name), name
    assert next(iter(first.signals)) is next(iter(second.signals))


def test_reading_leaves_the_garbage_collector_as_it_was(tmp_path: Path) -> None:
    good, bad = written(tmp_path, GOOD), tmp_path / "absent.jsonl"
    for was_on in (True, False):
        gc.enable() if was_on else gc.disable()
        try:
            read_outcomes(good)
            assert gc.isenabled() == was_on
            with pytest.raises(BadInput):
                read_outcomes(bad)
            assert gc.isenabled() == was_on
        finally:
            gc.enable()


@pytest.mark.slow
def test_a_hundred_thousand_attempts_are_read_within_seconds(tmp_path: Path) -> None:
    rows = ({**GOOD, "query_id": f"q{i // 5}", "tier": i % 5} for i in range(100_000))
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    began = time.process_time()
    table = read_outcomes(path)
    assert time.process_time() - began < 3.0  # 0.7 where nothing else runs
    assert (len(table.queries), table.tiers) == (20_000, 5)


# --- what a table tells --------------------------------------------------------------------------


def small_table() -> OutcomeTable:
    return table_of(
        [
            outcome("a", 0, signals={"s": 0.1, "t": 0.2}, signal_costs={"s": 0.0, "t": 0.5}),
            outcome("a", 2, signals={"u": 0.1}),
            outcome("b", 1, 2, signals={"t": None}),
        ]
    )


def test_a_table_tells_its_tiers_rounds_and_signals() -> None:
    table = small_table()

    assert (table.tiers, table.rounds) == (3, 2)
    assert table.signals == ("s", "t", "u")
    assert [row.query_id for row in table.rows()] == ["a", "a", "b"]
    assert list(table.only(["b"]).queries) == ["b"]


def test_what_a_table_tells_is_found_once() -> None:
    table = small_table()

    assert table.signals is table.signals
    assert table.bought is table.bought
    assert table == small_table()
    assert "_facts" not in repr(table)
    assert pickle.loads(pickle.dumps(table)) == table
    assert table.only(["a"]).signals == ("s", "t", "u")
    assert table.only(["b"]).signals == ("t",)


def test_bought_signals_have_a_price_or_are_listed_by_the_recording() -> None:
    assert small_table().bought == frozenset({"t"})

    listed = table_of([outcome("a", signals={"s": 0.1, "t": 0.1}, bought=["t", "elsewhere"])])
    assert listed.bought == frozenset({"t"})


@pytest.mark.parametrize("listed", [True, "s", 3, {"s": 1}, [["s"], None]])
def test_a_foreign_field_called_bought_is_ignored(listed: object) -> None:
    assert table_of([outcome("a", bought=listed)]).bought == frozenset()


def test_after_a_last_search_in_vain_the_rows_of_the_round_before_hold() -> None:
    first, second = outcome("a", 0, 1), outcome("a", 1, 1)
    table = table_of([outcome("a"), first, second])

    assert table.row("a", Rung(1, 1, True)) is second
    assert table.row("a", Rung(1, 2, True)) is second
    assert table.row("a", Rung(1, 0, False)) is None
    assert table.row("a", Rung(2, 1, True)) is None
