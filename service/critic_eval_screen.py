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
_SHOWN = 8


_RIGHT = {"em": "an exact match", "accept": "the answer in any words"}


def show_eval(document: Mapping[str, Any], precision: float) -> None:
    """Tables and words; what does not exist is left out, with a word why."""
    console = out()
    console.print(
        f"critic {document['version']}: {document['states']:,} states of "
        f"{document['questions']:,} questions, {document['ms_per_state']:.2f} ms of CPU each"
    )
    _show_drift(document["drift"])
    for target, title in _HEADS.items():
        if document[f"{target}_n"]:
            console.print()
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


def _show_drift(drift: Mapping[str, Any]) -> None:
    console = out()
    has_drifted = drift["status"] == "drifted"
    console.print(drift["words"], style="bold yellow" if has_drifted else None)
    if has_drifted:
        console.print(_drifted(drift["features"]))
        console.print(
            "judge these numbers, not those of training: recalibrate the critic on labeled states "
            "like these, or train it on them"
        )
    for one in drift["foreign"]:
        console.print(
            f"p({one['head']}) of {one['states']:,} states of round {one['round']}: the critic was "
            "fitted on none of that round"
        )


def _drifted(features: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("what has changed most", "feature", "of", "round", "index", "gap", "missing")
    for one in features[:_SHOWN]:
        then, now = one["missing"]
        table.add_row(
            one["feature"],
            one["head"],
            str(one["round"]),
            f"{one['index']:.2f}",
            _number(one["distance"]),
            f"{then:.0%} then, {now:.0%} now",
        )
    return table


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
    table.add_row("AUROC within round", one("auroc_within") + reach, "the round alone: 0.500")
    table.add_row("AUROC pooled", one("auroc_pooled"), f"the round alone: {one('auroc_round')}")
    table.add_row("accuracy at .5", one("accuracy"), f"always refusing: {one('always_reject')}")
    table.add_row("precision at .5", one("precision"), f"accepting all: {one('base_rate')}")
    table.add_row("recall at .5", one("recall"), "accepting all: 1.000")
    table.add_row("Brier score", one("brier"), "")
    table.add_row("calibration error", one("ece"), _by_round(document[f"{target}_ece_by_round"]))
    return table


def _by_round(errors: Mapping[str, float | None]) -> str:
    return "by round: " + ", ".join(f"{name}={_number(one)}" for name, one in errors.items())


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
    table = _table(
        f"as a stop policy; right is {_RIGHT[document['accept_label']]}",
        "stop at",
        "right",
        "calls",
        "passages",
        "stopped",
        "of these right",
    )
    for point in _at_budgets(document["stop_curve"]):
        name = "never" if point["threshold"] > 1.0 else f"p(accept) {point['threshold']:.3f}"
        stopped = (f"{point['stopped']:.2f}", _number(point["precision"]))
        table.add_row(name, *_point(point), *stopped)
    for name, point in document["stop_rules"].items():
        table.add_row(name, *_point(point), "", "")
    return table


def _at_budgets(curve: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A few points between the fewest calls and the most, evenly apart; in the curve's order."""
    calls = [point["calls"] for point in curve]
    least, most = min(calls), max(calls)
    wanted = [least + (most - least) * place / (_BUDGETS - 1) for place in range(_BUDGETS)]
    nearest = {min(range(len(calls)), key=lambda i: abs(calls[i] - one)) for one in wanted}
    return [curve[place] for place in sorted(nearest)]


def _point(point: Mapping[str, Any]) -> tuple[str, str, str]:
    return f"{point['quality']:.3f}", f"{point['calls']:.2f}", f"{point['passages']:.1f}"


def _certified(found: Mapping[str, Any] | None, precision: float) -> str:
    if found is None:
        return (
            f"no threshold certifies a precision of {precision:.2f} on half of the questions: "
            "label more, or ask for less"
        )
    held = found["held_out"]
    return (
        f"p(accept) >= {found['threshold']:.2f} certifies a precision of {precision:.2f} (delta "
        f"{found['delta']:g}): on half of the questions {found['right']} of the "
        f"{found['accepted']} answers accepted first were right. On the other half "
        f"{held['stopped']:.0%} were accepted, {_number(held['precision'])} of them right."
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
