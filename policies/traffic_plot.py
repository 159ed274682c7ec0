"""Where the traffic goes, as bands whose height is the share of all questions.

Columns are the rungs in order. In each column all questions stand on one another: those answered
earlier on top, those at the rung, those on the way to a later rung, those given up at the bottom;
so bands seldom cross, and every height can be compared with every other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .report_content import ABSTAINED, ANSWERED, ASKED, UNGATED, Flow, Traffic
from .report_theme import CARD, INK, MUTED, SERIES, draw_svg
from .report_words import shown

__all__ = ["traffic_svg"]

_GAP = 0.045  # between groups of bands, in shares of all questions
_LABEL = 0.15  # between the names of two endings, likewise
_ENDINGS = {ANSWERED: "green", UNGATED: "teal", ABSTAINED: "red"}


@dataclass(frozen=True, slots=True)
class _Lane:
    """A flow from the column it leaves to the column it reaches."""

    flow: Flow
    start: int
    end: int

    @property
    def color(self) -> str:
        return SERIES[_ENDINGS.get(self.flow.target, "blue")]


def traffic_svg(told: Traffic) -> str:
    """Bands from rung to rung and to how questions ended."""
    lanes = _lanes(told)
    height = max(3.0, 3.6 + 0.2 * (len(told.rungs) - 3))

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.set_axis_off()
        last = len(told.rungs) + 1
        bar = 0.013 * (last + 0.4)  # half of a bar's width: the same on paper for any number
        stacks = [_stack(lanes, column) for column in range(last + 1)]
        for lane in lanes:
            _draw_lane(axes, lane, stacks, bar)
        for column, name in enumerate(told.rungs, start=1):
            arriving = [stacks[column][one] for one in lanes if one.end == column]
            _draw_rung(axes, column, name, arriving, bar)
        _draw_endings(axes, last, lanes, stacks[last], bar)
        lowest = min([low for stack in stacks for low, _ in stack.values()], default=0.0)
        axes.set(xlim=(1.0 - 6.0 * bar, last + 0.2 * last), ylim=(lowest - 0.06, 1.17))

    words = "; ".join(f"{one.source} to {one.target}: {one.share:.1%}" for one in told.flows)
    words = words.replace("(", "").replace(")", "")
    return draw_svg("traffic", f"Where the traffic goes. {words}.", 9.6, height, draw)


def _lanes(told: Traffic) -> list[_Lane]:
    last = len(told.rungs) + 1
    column = {name: place for place, name in enumerate(told.rungs, start=1)}
    column |= {ASKED: 0} | dict.fromkeys(_ENDINGS, last)
    return [_Lane(one, column[one.source], column[one.target]) for one in told.flows if one.share]


Stack = dict[_Lane, tuple[float, float]]
Spot = tuple[float, float]


def _stack(lanes: Sequence[_Lane], column: int) -> Stack:
    """(low, high) of every lane that passes this column or ends in it; 1 is the top."""
    here = [one for one in lanes if one.start < column <= one.end or one.start == column == 0]
    groups: dict[tuple[int, int], list[_Lane]] = {}
    for lane in sorted(here, key=lambda one: _order(one, column)):
        groups.setdefault(_order(lane, column)[:2], []).append(lane)
    top, found = 1.0, {}
    for group in groups.values():
        for lane in group:
            found[lane] = top - lane.flow.share, top
            top -= lane.flow.share
        top -= _GAP
    return found


def _order(lane: _Lane, column: int) -> tuple[int, int, int]:
    """Group from the top down, place of the rung in it, then the earlier source first."""
    if lane.flow.target == ANSWERED:
        return 0, 0, lane.start
    if lane.flow.target == UNGATED:
        return 1, 0, lane.start
    if lane.flow.target == ABSTAINED:
        return 3, 0, -lane.start
    # What ends here stands above what passes by.
    return 2, lane.end, lane.start


def _draw_lane(axes: Any, lane: _Lane, stacks: Sequence[Stack], bar: float) -> None:
    """One smooth band from where the flow begins to where it ends."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    upper, lower = _edges(lane, stacks, bar)
    points = [upper[0], *_curve(upper), lower[-1], *_curve(lower[::-1]), upper[0]]
    bends = 3 * (len(upper) - 1)
    codes = [Path.MOVETO, *[Path.CURVE4] * bends, Path.LINETO, *[Path.CURVE4] * bends]
    band = Path(points, [*codes, Path.CLOSEPOLY])
    axes.add_patch(PathPatch(band, facecolor=lane.color, alpha=0.3, edgecolor="none", linewidth=0))


def _edges(lane: _Lane, stacks: Sequence[Stack], bar: float) -> tuple[list[Spot], list[Spot]]:
    """The upper and the lower edge, at the bars and at every column that is passed."""
    places = [float(column) for column in range(lane.start, lane.end + 1)]
    spans = [_leaving(lane, lane.start, stacks)]
    spans += [stacks[column][lane] for column in range(lane.start + 1, lane.end + 1)]
    places[0], places[-1] = places[0] + bar, places[-1] - bar
    if lane.start == 0:  # questions come in from nearby
        places[0], spans[0] = max(places[0], 1.0 - 5.0 * bar), spans[1]
    upper = [(x, high) for x, (_, high) in zip(places, spans, strict=True)]
    return upper, [(x, low) for x, (low, _) in zip(places, spans, strict=True)]


def _curve(spots: Sequence[Spot]) -> list[Spot]:
    """Control points of cubic bends from spot to spot, level at each."""
    found: list[Spot] = []
    for (x, y), (x_next, y_next) in pairwise(spots):
        middle = (x + x_next) / 2
        found += [(middle, y), (middle, y_next), (x_next, y_next)]
    return found


def _leaving(lane: _Lane, column: int, stacks: Sequence[Stack]) -> tuple[float, float]:
    """Where the lane is at the right side of a column: its own place in the bar it leaves."""
    if lane in stacks[column]:
        return stacks[column][lane]
    arrived = [span for one, span in stacks[column].items() if one.end == column]
    top = max(high for _, high in arrived)
    siblings = [one for one in stacks[column + 1] if one.start == column]
    for one in sorted(siblings, key=lambda one: -stacks[column + 1][one][1]):
        if one == lane:
            break
        top -= one.flow.share
    return top - lane.flow.share, top


def _draw_rung(
    axes: Any, column: int, name: str, arriving: Sequence[tuple[float, float]], bar: float
) -> None:
    if not arriving:
        _write(axes, column, 1.0, name, "0 %", MUTED)
        return
    low, high = min(low for low, _ in arriving), max(high for _, high in arriving)
    _draw_bar(axes, column, low, high, SERIES["blue"], bar)
    _write(axes, column, high, name, shown(high - low, "share"), INK)


def _draw_endings(axes: Any, column: int, lanes: Sequence[_Lane], stack: Stack, bar: float) -> None:
    ends: dict[str, tuple[float, float]] = {}
    for target in _ENDINGS:
        spans = [stack[lane] for lane in lanes if lane.flow.target == target]
        if spans:
            ends[target] = min(low for low, _ in spans), max(high for _, high in spans)
    above = 2.0
    for target, (low, high) in ends.items():
        color = SERIES[_ENDINGS[target]]
        _draw_bar(axes, column, low, high, color, bar)
        # A thin bar's name is pushed down, off the name above it.
        above = min((low + high) / 2, above - _LABEL)
        axes.annotate(
            f"{target.strip('()')}\n{shown(high - low, 'share')}",
            (column + bar, above),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            fontsize=10.5,
            fontweight="bold",
            color=color,
        )


def _draw_bar(axes: Any, column: int, low: float, high: float, color: str, bar: float) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle(
            (column - bar, low),
            2 * bar,
            max(high - low, 0.002),
            facecolor=color,
            edgecolor=CARD,
            linewidth=0.8,
        )
    )


def _write(axes: Any, column: int, y: float, name: str, share: str, color: str) -> None:
    """A rung's name and share above its bar."""
    shown = name if len(name) <= 22 else f"{name[:21]}…"
    for words, rise, bold in ((shown, 17, True), (share, 4, False)):
        axes.annotate(
            words,
            (column, y),
            xytext=(0, rise),
            textcoords="offset points",
            ha="center",
            fontsize=10,
            fontweight="bold" if bold else "normal",
            color=color,
        )
