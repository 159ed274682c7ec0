"""Reading an outcome table, and what it is read into."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from sys import intern
from typing import Any

from ..router.decisions import Rung
from ..router.errors import BadInput
from ..router.making import maker
from ..router.tables import read_lines
from .collection import uncollected
from .outcome_table import Outcome, OutcomeTable, outcome_row
from .outcomes_parquet import read_parquet
from .row_checks import LARGEST, RowChecks

__all__ = ["Outcome", "OutcomeTable", "outcome_row", "read_outcomes"]

_KNOWN = frozenset(Outcome.__dataclass_fields__) - {"extra"}
_NUMBERS = frozenset({int, float})
_LOGGED = frozenset({"audited", "propensity", "group"})
# Shared by all rows that have nothing to say there: two empty dictionaries a row add up.
_NOTHING: Mapping[str, Any] = {}
_make_outcome = maker(Outcome)


def read_outcomes(
    path: Path, *, tiers: int | None = None, allow_gaps: bool = True, is_log: bool = False
) -> OutcomeTable:
    """Read an outcome table: JSON Lines, gzipped or not, or Parquet (see `outcomes_parquet`).

    Required are query_id, tier, round, retrieved, loss (null where nobody has judged) and cost.

    Args:
        tiers: how many there are, where that is known; a row of a tier beyond them is refused.
        allow_gaps: False refuses rows of a tier while one below it has none, and rows of a round
            while one between the first and it has none.
        is_log: True takes logged traffic: an audited row may wait for its label, and a propensity
            of 0 says that a draft could not have been drawn.

    Raises:
        BadInput: names file, line and field; also for a key that occurs twice, or no row at all.
        MissingExtra: a Parquet file without the library that reads it.
    """
    file = str(path)
    queries: dict[str, dict[Rung, Outcome]] = {}
    rungs: dict[tuple[int, int, bool], Rung] = {}  # one record a rung, not one a row
    began: dict[int, int] = {}  # where each tier has its first row
    searched: dict[int, int] = {}  # and each round
    with uncollected():
        for line, data in _lines(path):
            row = _plain_row(data, file, line, is_log) or _checked_row(data, file, line, is_log)
            key = (row.tier, row.round, row.retrieved)
            rung = rungs.get(key)
            if rung is None:
                rung = rungs[key] = row.rung
                began.setdefault(row.tier, line)
                searched.setdefault(row.round, line)
                if tiers is not None and row.tier >= tiers:
                    words = f"expected a tier below {tiers}, got {row.tier}; tiers count from 0"
                    raise BadInput(words, file=file, line=line, field="tier")
            ladder = queries.get(row.query_id)
            if ladder is None:
                ladder = queries[row.query_id] = {}
            elif rung in ladder:
                words = f"query {row.query_id!r} has {key} twice"
                raise BadInput(words, file=file, line=line)
            ladder[rung] = row
    if not queries:
        raise BadInput("there is no row", file=file)
    if not allow_gaps:
        _refuse_gaps(began, "tier", file)
        _refuse_gaps({0: 0, 1: 0, **searched}, "round", file)  # either of them may be left out
    return OutcomeTable(queries)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    return read_parquet(path) if path.suffix == ".parquet" else read_lines(path)


def _refuse_gaps(began: Mapping[int, int], field: str, file: str) -> None:
    for place, found in enumerate(sorted(began)):
        if found != place:
            words = f"{field} {found} has rows and {field} {place} has none; number {field}s"
            raise BadInput(f"{words} without a gap", file=file, line=began[found], field=field)


def _plain_row(
    data: Mapping[str, Any], file: str, line: int, is_log: bool = False
) -> Outcome | None:
    """The row at a quick look, None where only a closer one can tell what it says.

    A table of a million rows is read in the time that this takes. Whatever it takes, `_checked_row`
    takes likewise. Texts that many rows share are kept once.
    """
    get: Callable[[str], Any] = data.get
    query_id, tier, round, retrieved = get("query_id"), get("tier"), get("round"), get("retrieved")
    loss, cost, latency_s = get("loss"), get("cost"), get("latency_s")
    answer, question, model = get("answer"), get("question"), get("model")
    if not (
        type(query_id) is str
        and query_id
        and type(tier) is int
        and tier >= 0
        and type(round) is int
        and round >= 0
        and type(retrieved) is bool
        and (type(loss) in _NUMBERS or _is_unjudged(data))
        and (loss is None or 0.0 <= loss <= 1.0)
        and type(cost) in _NUMBERS
        and 0.0 <= cost <= LARGEST
        and (latency_s is None or (type(latency_s) in _NUMBERS and 0.0 <= latency_s <= LARGEST))
        and (answer is None or type(answer) is str)
        and (question is None or type(question) is str)
        and (model is None or type(model) is str)
    ):
        return None
    signals = _plain_values(get("signals"), 1.0)
    costs = _plain_values(get("signal_costs"), LARGEST)
    if signals is None or costs is None or None in costs.values():
        return None
    if not _LOGGED.isdisjoint(data):
        RowChecks(data, file, line, is_log=is_log).check_logged()
    return _make_outcome(
        intern(query_id),
        tier,
        round,
        retrieved,
        answer,
        None if loss is None else float(loss),
        float(cost),
        None if latency_s is None else float(latency_s),
        signals,
        costs,
        None if question is None else intern(question),
        None if model is None else intern(model),
        _extra(data),
    )


def _is_unjudged(data: Mapping[str, Any]) -> bool:
    """Whether the row says that nobody has judged it, and may say so."""
    return data.get("loss", 0) is None and data.get("audited") is not True


def _plain_values(values: Any, high: float) -> Mapping[str, Any] | None:
    """Numbers from 0 to `high` and nulls by name; None where there is anything else."""
    if not values:
        return _NOTHING if values is None or type(values) is dict else None
    if type(values) is not dict:
        return None
    found: dict[str, float | None] = {}
    for name, value in values.items():
        if value is not None:
            if type(value) not in _NUMBERS or not 0.0 <= value <= high:
                return None
            value = float(value)
        found[intern(name)] = value
    return found


def _extra(data: Mapping[str, Any]) -> Mapping[str, Any]:
    if _KNOWN.issuperset(data):
        return _NOTHING
    return {name: value for name, value in data.items() if name not in _KNOWN}


def _checked_row(data: Mapping[str, Any], file: str, line: int, is_log: bool = False) -> Outcome:
    """The row field by field. Raises BadInput at the first that cannot be taken."""
    fields = RowChecks(data, file, line, is_log=is_log)
    query_id, retrieved, loss = fields.query_id(), fields.flag("retrieved"), fields.loss()
    signals = {
        name: None if value is None else fields.number(f"signals.{name}", value, 0.0, 1.0)
        for name, value in fields.mapping("signals").items()
    }
    costs = {
        name: fields.number(f"signal_costs.{name}", value, 0.0, LARGEST)
        for name, value in fields.mapping("signal_costs").items()
        if value is not None
    }
    fields.check_logged()
    return Outcome(
        query_id,
        fields.whole("tier"),
        fields.whole("round"),
        retrieved,
        fields.text_or_none("answer"),
        loss,
        fields.number("cost", fields.get("cost"), 0.0, LARGEST),
        fields.amount("latency_s"),
        signals,
        costs,
        fields.text_or_none("question"),
        fields.text_or_none("model"),
        _extra(data),
    )
