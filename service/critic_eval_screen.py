"""What `surefoot critic eval` shows to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .console import out

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["show_eval"]

_HEADS = {
    "accept": "p(accept): is the answer right?",
    "sufficient": "p(sufficient): do the passages hold what the question needs?",
}
_BUDGETS = 5


def show_eval(document: Mapping[str, Any], precision: float) -> None:
    """Tables and words; what does not exist is left out, with a word why."""
    console = out()
    console.print(
        f"critic {document['version']}: {document['states']:,} states of "
        f"{document['questions']:,} questions, {document['ms_per_state']:.2f} ms of CPU each"
    )
    for target, title in _HEADS.items():
        if document[f"{target}_n"]:
            console.print(_quality(document, target, title))
            console.print(_strata(document[f"{target}_strata"]))
        else:
            console.print(f"{title} no state has a label for it")
    if document["transfer"]:
        console.print(_by_set(document["transfer"]))
    if not document["stop_curve"]:
        console.print("as a stop policy: no thread has several rounds with a labeled answer")
        return
    console.print(_stopping(document))
    console.print(_certified(document["certified"], precision))


def _table(title: str, *columns: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left")
    return table


def _quality(document: Mapping[str, Any], target: str, title: str) -> Table:
    def one(name: str) -> str:
        return _number(document.get(f"{target}_{name}"))

    interval = document.get(f"{target}_auroc_within_interval")
    reach = "" if interval is None else f" [{_number(interval[0])}, {_number(interval[1])}]"
    table = _table(title, "", "critic", "beside it")
    table.add_row("AUROC within round", one("auroc_within") + reach, "the round alone: .500")
    table.add_row("AUROC pooled", one("auroc_pooled"), f"the round alone: {one('auroc_round')}")
    table.add_row("accuracy at .5", one("accuracy"), f"always refusing: {one('always_reject')}")
    table.add_row("precision of accept", one("precision"), f"accepting all: {one('base_rate')}")
    table.add_row("recall of accept", one("recall"), "accepting all: 1.000")
    table.add_row("Brier score", one("brier"), "")
    table.add_row("calibration error", one("ece"), _by_round(document[f"{target}_ece_by_round"]))
    return table


def _by_round(errors: Mapping[str, float | None]) -> str:
    return "by round: " + ", ".join(f"{name}: {_number(one)}" for name, one in errors.items())


def _strata(strata: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("within rounds", "round", "passages", "states", "positive", "AUROC")
    for one in strata:
        share = one["positives"] / one["n"]
        table.add_row(
            str(one["round"]),
            str(one["passages"]),
            f"{one['n']:,}",
            f"{share:.3f}",
            _number(one["auroc"]),
        )
    return table


def _by_set(sets: Mapping[str, Mapping[str, float | None]]) -> Table:
    table = _table("AUROC within round, by set", "set", "accept", "sufficient")
    for name, found in sets.items():
        table.add_row(name, _number(found.get("accept")), _number(found.get("sufficient")))
    return table


def _stopping(document: Mapping[str, Any]) -> Table:
    table = _table("as a stop policy", "stop at", "right", "calls", "passages", "stopped")
    curve = document["stop_curve"]
    step = max(1, (len(curve) - 1) // (_BUDGETS - 1))
    for point in curve[::step]:
        never = point["threshold"] > 1.0
        table.add_row("never" if never else f"p(accept) {point['threshold']:.2f}", *_point(point))
    for name, point in document["stop_rules"].items():
        table.add_row(name, *_point(point))
    return table


def _point(point: Mapping[str, Any]) -> list[str]:
    return [
        f"{point['quality']:.3f}",
        f"{point['calls']:.2f}",
        f"{point['passages']:.1f}",
        f"{point['stopped']:.2f}",
    ]


def _certified(found: Mapping[str, Any] | None, precision: float) -> str:
    if found is None:
        return (
            f"no threshold certifies a precision of {precision:.2f} on half of the questions: "
            "label more, or ask for less"
        )
    held = found["held_out"]
    return (
        f"p(accept) >= {found['threshold']:.2f} certifies a precision of {precision:.2f} "
        f"(delta {found['delta']:g}): {found['right']} of {found['accepted']} accepted were right; "
        f"on the other half {_number(held['precision'])} of {held['stopped']:.0%} accepted"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
