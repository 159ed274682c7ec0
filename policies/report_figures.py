"""The figures of a report: each picture with its caption and the table of its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from .report_content import (
    ABSTAINED,
    ANSWERED,
    ASKED,
    UNGATED,
    CostQuality,
    Estimates,
    Reliability,
    ReportContent,
    RiskCoverage,
    Traffic,
)
from .report_panels import estimates_svg, reliability_svg
from .report_plots import cost_quality_svg, risk_coverage_svg
from .report_words import ranged, shown
from .traffic_plot import traffic_svg

__all__ = ["Figure", "figures_of"]

_ROWS = 50  # of a curve in print; every picture has them all


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture of the report; texts are HTML already, but for `head`."""

    title: str
    svg: str
    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_wide: bool = False


def figures_of(content: ReportContent) -> tuple[Figure, ...]:
    """Whatever can be drawn, in the order of the page.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    found = []
    if content.cost_quality is not None:
        found.append(_cost_quality(content.cost_quality))
    if content.risk_coverage is not None and (
        content.risk_coverage.curve or content.risk_coverage.point
    ):
        found.append(_risk_coverage(content.risk_coverage))
    if content.traffic is not None and content.traffic.flows:
        found.append(_traffic(content.traffic))
    reliability = tuple(one for one in content.reliability if one.bins)
    if reliability:
        found.append(_reliability(reliability))
    if content.estimates:
        found.append(_estimates(content.estimates))
    return tuple(found)


def _cost_quality(told: CostQuality) -> Figure:
    rows = []
    intervals = told.cost_interval, told.quality_interval
    for one in [told.chosen, *told.baselines]:
        cost, quality = shown(one.cost, "cost"), shown(one.quality, "share")
        if one is told.chosen:
            cost += "" if intervals[0] is None else f" {ranged(intervals[0], 'cost')}"
            quality += "" if intervals[1] is None else f" {ranged(intervals[1], 'share')}"
        rows.append((escape(one.name), cost, quality))
    curve = [("curve", shown(c, "cost"), shown(q, "share")) for c, q in _thinned(told.curve)]
    return Figure(
        "What quality costs",
        cost_quality_svg(told),
        "Above and to the left is better. The diamond is this policy with its intervals, the line "
        "its other settings; on the dashed line lies a random mix of always-small and always-large."
        " The oracle knows the answers.",
        ("rule", "cost per question", "quality"),
        (*rows, *curve),
    )


def _risk_coverage(told: RiskCoverage) -> Figure:
    rows = [("curve", shown(c, "share"), shown(r, "share"), "") for c, r in _thinned(told.curve)]
    if told.alpha is not None:
        rows.insert(0, ("target", "", shown(told.alpha, "share"), ""))
    if told.point is not None:
        point = told.point
        reach = "" if point.interval is None else ranged(point.interval, "share")
        name = "the policy, certified" if point.certified else "the policy, risk not certified"
        rows.insert(0, (name, shown(point.coverage, "share"), shown(point.risk, "share"), reach))
    asked = " The dashed line is the risk that was asked for." if told.alpha is not None else ""
    return Figure(
        "What coverage risks",
        risk_coverage_svg(told),
        "The line takes the best attempts, of whatever tier, the surest first: their mean loss, by "
        "the share of all questions that they are. The diamond is what the gates let through, "
        f"which need not be the surest of all, so it may lie off the line.{asked}",
        ("point", "coverage", "risk", "interval"),
        tuple(rows),
    )


def _traffic(told: Traffic) -> Figure:
    rows = []
    for name in (ASKED, *told.rungs):
        leaving = {one.target: one.share for one in told.flows if one.source == name}
        came = sum(one.share for one in told.flows if one.target == name)
        ends = [leaving.pop(end, 0.0) for end in (ANSWERED, UNGATED, ABSTAINED)]
        onward = ", ".join(f"{escape(to)} {shown(share, 'share')}" for to, share in leaving.items())
        rows.append(
            (
                escape(name.strip("()") if name == ASKED else name),
                shown(1.0 if name == ASKED else came, "share"),
                *(shown(end, "share") for end in ends),
                onward,
            )
        )
    return Figure(
        "Where the traffic goes",
        traffic_svg(told),
        "Heights are shares of all questions: asked on the left, then rung by rung to an answer "
        "that a gate let through, one that none did, or an abstention.",
        ("rung", "reached", "answered", "served ungated", "abstained", "handed on to"),
        tuple(rows),
        is_wide=True,
    )


def _reliability(told: tuple[Reliability, ...]) -> Figure:
    rows = [
        (
            escape(one.rung),
            shown(each.mean_probability, "share"),
            shown(each.share_correct, "share"),
            f"{each.n:,}",
        )
        for one in told
        for each in one.bins
    ]
    errors = [
        f"{escape(one.rung)} {shown(one.ece, 'number')}" for one in told if one.ece is not None
    ]
    ece = f" Expected calibration error: {', '.join(errors)}." if errors else ""
    return Figure(
        "Are stated probabilities true?",
        reliability_svg(told),
        "On the dashed line what is stated is what comes; bars are 95 % Wilson intervals, and "
        f"below stands how many attempts state it.{ece}",
        ("rung", "stated", "right", "attempts"),
        tuple(rows),
        is_wide=len(told) > 1,
    )


def _estimates(told: tuple[Estimates, ...]) -> Figure:
    rows = []
    for one in told:
        counts = sum(one.right), sum(one.wrong), sum(one.unjudged)
        gate = "no gate" if one.threshold is None else shown(one.threshold, "share")
        rows.append(
            (escape(one.rung), gate, *(f"{count:,.6g}" for count in counts), f"{one.missing:,}")
        )
    return Figure(
        "How the estimates are spread",
        estimates_svg(told),
        "Attempts by their estimate, and how many of them were right. From the upright line on a "
        "rung answers.",
        ("rung", "answers from", "right", "wrong", "not judged", "without an estimate"),
        tuple(rows),
        is_wide=len(told) > 1,
    )


def _thinned(curve: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """At most `_ROWS` points, evenly spread, both ends among them."""
    if len(curve) <= _ROWS:
        return curve
    last = len(curve) - 1
    return tuple(curve[round(row * last / (_ROWS - 1))] for row in range(_ROWS))
