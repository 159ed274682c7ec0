"""What `surefoot fit` refuses before it fits: options that would be ignored, files that do not fit.

Whatever can be told by file, line and field is told here; what a fit itself finds wrong with its
rows is told with the name of their file (`blamed_on`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..router.errors import BadInput, UsageError

if TYPE_CHECKING:
    from ..policies.outcomes import OutcomeTable
    from .fit_asked import Asked

__all__ = ["blamed_on", "check_options", "check_rows", "traffic_table", "tune_table"]


def check_options(asked: Asked, target: str) -> None:
    """Refuse options that the target would not heed; say so of those that any fit may be given.

    Args:
        target: the one option that was given of --risk, --quality and so on.

    Raises:
        UsageError: names the option and the targets that it goes with.
    """
    from .streams import say

    risk = asked.risk
    certified, priced = ("--risk",), ("--risk", "--uncertified")
    free: tuple[tuple[str, bool, tuple[str, ...]], ...] = (
        ("--traffic", asked.traffic is not None, ("--risk", "--defer")),
        ("--error-price", asked.error_price is not None, priced),
        ("--abstain-price", asked.abstain_price is not None, priced),
        (
            "--questions",
            asked.questions is not None,
            ("--quality", "--defer", "--budget", "--uncertified"),
        ),
    )
    for option, is_given, heeding in free:
        if is_given and target not in heeding:
            say(f"{option} is not used by {target}: it goes with {' or '.join(heeding)}")
    for option, is_given, heeding in (
        ("--tune", asked.tune is not None, certified),
        ("--signal", bool(asked.signals), certified),
        ("--by-group", risk.group is not None, certified),
        ("--fallback", risk.fallback is not None, certified),
        ("--loss bounded", risk.loss != "binary", certified),
        ("--abstention-loss", risk.abstention_loss != 0.0, certified),
        ("--enter first", asked.enter != "auto", ("--uncertified",)),
    ):
        if is_given and target not in heeding:
            raise UsageError(
                f"{option} goes with {' or '.join(heeding)}; {target} has no use for it"
            )


def check_rows(asked: Asked, table: OutcomeTable, path: Path) -> None:
    """Refuse rows that the target cannot use, in OUTCOMES or in the file to choose on.

    Raises:
        BadInput: names file, line and field.
    """
    risk = asked.risk
    if path == asked.outcomes and (asked.defer, asked.uncertified) == (None, False):
        _check_draws(table, path)
    if risk.kind is None:
        _refuse(
            path,
            table,
            lambda loss: loss is None,
            "expected a number in [0, 1], got null: judge the row first, or leave the question out",
        )
        return
    if risk.loss == "binary":
        _refuse(
            path,
            table,
            lambda loss: loss not in (None, 0.0, 1.0),
            "expected 0 or 1; for graded losses ask for --loss bounded",
        )
    if path != asked.outcomes:
        return
    _check_signals(asked, table)
    if risk.group is not None:
        _check_groups(table, risk.group, path)


def traffic_table(asked: Asked, table: OutcomeTable) -> OutcomeTable | None:
    """The rows of --traffic, whose scores are read and whose losses are not.

    Raises:
        BadInput: they speak of other tiers or signals than OUTCOMES, or a question lacks a row.
    """
    from ..policies.outcomes import read_outcomes

    if asked.traffic is None:
        return None
    traffic = read_outcomes(asked.traffic)
    two_tiers = table.tiers == 2 and not table.rounds
    gates_first = asked.risk.kind is not None and two_tiers and traffic.tiers == 1
    _check_beside(asked, table, traffic, asked.traffic, first=gates_first)
    return traffic


def tune_table(asked: Asked, table: OutcomeTable) -> OutcomeTable | None:
    """The rows of --tune: what is chosen on them is tested on others.

    Raises:
        BadInput: as `traffic_table` and `check_rows`; a question is in OUTCOMES too, or none was
            judged.
    """
    from ..policies.outcomes import read_outcomes

    if asked.tune is None:
        return None
    tune = read_outcomes(asked.tune)
    both = next((query_id for query_id in tune.queries if query_id in table.queries), None)
    if both is not None:
        raise _at_first(
            asked.tune,
            partial(_is_of, both),
            "query_id",
            f"{both!r} is also in {asked.outcomes}: a policy is never certified on rows that it "
            "was chosen on",
        )
    check_rows(asked, tune, asked.tune)
    _check_beside(asked, table, tune, asked.tune)
    if all(any(row.loss is None for row in one.values()) for one in tune.queries.values()):
        raise BadInput("no question has a loss in each of its rows", file=str(asked.tune))
    return tune


def _check_beside(
    asked: Asked, table: OutcomeTable, other: OutcomeTable, path: Path, *, first: bool = False
) -> None:
    """Refuse a file beside OUTCOMES that speaks of other tiers, searches or signals.

    Args:
        first: rows of the first tier will do.
    """
    if other.tiers > table.tiers:
        raise _at_first(
            path,
            lambda data: data["tier"] >= table.tiers,
            "tier",
            f"{asked.outcomes} has {table.tiers} tiers, numbered from 0, and this is none of them",
        )
    first = first or asked.defer is not None
    wanted = _signals_of_first(table) if first else asked.signals or table.signals
    lacking = [name for name in wanted if name not in other.signals]
    if lacking:
        raise BadInput(
            f"no row has {', '.join(lacking)}, which {asked.outcomes} has",
            file=str(path),
            field="signals",
        )
    _check_whole(other, path, *((1, 0) if first else (table.tiers, None)))


@contextmanager
def blamed_on(path: Path) -> Iterator[None]:
    """Names the file in what a fit finds wrong with the rows."""
    try:
        yield
    except BadInput:
        raise
    except UsageError as error:
        raise BadInput(str(error), file=str(path)) from error


def _refuse(
    path: Path, table: OutcomeTable, is_wrong: Callable[[float | None], bool], words: str
) -> None:
    if any(is_wrong(row.loss) for row in table.rows()):
        raise _at_first(path, lambda data: is_wrong(data["loss"]), "loss", words)


def _signals_of_first(table: OutcomeTable) -> list[str]:
    """A deferral is decided by the first tier alone, and drafts of others cost money."""
    rows = [row for row in table.rows() if (row.tier, row.round) == (0, 0)]
    return [name for name in table.signals if any(name in row.signals for row in rows)]


def _check_signals(asked: Asked, table: OutcomeTable) -> None:
    unknown = [name for name in asked.signals if name not in table.signals]
    if unknown:
        raise BadInput(
            f"--signal {unknown[0]} is in no row; there are {', '.join(table.signals) or 'none'}",
            file=str(asked.outcomes),
            field="signals",
        )


def _check_draws(table: OutcomeTable, path: Path) -> None:
    """A promise counts every label alike, so all must have been drawn alike."""
    from ..policies.label_draws import unfair_label

    unfair = unfair_label(table)
    if unfair is None:
        return
    row = unfair.row

    def is_it(data: Mapping[str, Any]) -> bool:
        key = (data["tier"], data["round"], data["retrieved"])
        return _is_of(row.query_id, data) and key == (row.tier, row.round, row.retrieved)

    raise _at_first(path, is_it, unfair.field, unfair.why)


def _check_groups(table: OutcomeTable, name: str, path: Path) -> None:
    """The group of a question stands in its first row; rows that name another make no sense."""
    for query_id, ladder in table.queries.items():
        told = [row.extra.get("group") or {} for row in ladder.values()]
        if name not in told[0]:
            words = f"query {query_id!r} names no {name!r}, which --by-group asks for"
        elif any(group.get(name, told[0][name]) != told[0][name] for group in told):
            words = f"rows of query {query_id!r} name several values of {name!r}"
        else:
            continue
        raise _at_first(path, partial(_is_of, query_id), "group", words)


def _is_of(query_id: str, data: Mapping[str, Any]) -> bool:
    return str(data["query_id"]) == query_id


def _check_whole(table: OutcomeTable, path: Path, tiers: int, rounds: int | None) -> None:
    """Every question has each tier's row, without passages and after each search that it saw."""
    for query_id, ladder in table.queries.items():
        found = {(rung.tier, rung.round) for rung in ladder}
        last = max(round for _, round in found) if rounds is None else rounds
        for place in ((tier, round) for tier in range(tiers) for round in range(last + 1)):
            if place not in found:
                raise BadInput(
                    f"query {query_id!r} has no row for tier {place[0]}, round {place[1]}; record "
                    "this attempt too, or leave the question out",
                    file=str(path),
                )


def _at_first(
    path: Path, is_it: Callable[[Mapping[str, Any]], bool], field: str, words: str
) -> BadInput:
    """The complaint at the first line that is meant."""
    from ..policies.outcomes_parquet import read_parquet
    from ..router.tables import read_lines

    lines = read_parquet(path) if path.suffix == ".parquet" else read_lines(path)
    line = next((number for number, data in lines if is_it(data)), None)
    return BadInput(words, file=str(path), line=line, field=field)
