"""What the pictures of a report draw: bands that add up, labels that stand apart, bins."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

pytest.importorskip("matplotlib")

from surefoot.policies import report_plots, traffic_plot
from surefoot.policies.figures import new_figure
from surefoot.policies.report_content import (
    ABSTAINED,
    ANSWERED,
    ASKED,
    UNGATED,
    CostQuality,
    Flow,
    NamedPoint,
    RiskCoverage,
    Traffic,
)
from surefoot.policies.report_counts import bin_estimates, traffic_of
from surefoot.policies.report_plots import cost_quality_svg, risk_coverage_svg
from surefoot.policies.traffic_plot import traffic_svg
from surefoot.router.errors import UsageError

PATHS = [
    (["small"], ANSWERED),
    (["small"], ANSWERED),
    (["small", "passages"], ANSWERED),
    (["small", "passages", "large"], ABSTAINED),
    (["small", "large"], ANSWERED),
    (["small", "large"], UNGATED),
    (["large"], ANSWERED),
    ([], ABSTAINED),
]
RUNGS = ["small", "passages", "large"]


def test_flows_are_shares_of_all_questions() -> None:
    found = traffic_of(RUNGS, PATHS)

    assert found == Traffic(
        ("small", "passages", "large"),
        (
            Flow(ASKED, "small", 6 / 8),
            Flow(ASKED, "large", 1 / 8),
            Flow(ASKED, ABSTAINED, 1 / 8),
            Flow("small", "passages", 2 / 8),
            Flow("small", "large", 2 / 8),
            Flow("small", ANSWERED, 2 / 8),
            Flow("passages", "large", 1 / 8),
            Flow("passages", ANSWERED, 1 / 8),
            Flow("large", ANSWERED, 2 / 8),
            Flow("large", UNGATED, 1 / 8),
            Flow("large", ABSTAINED, 1 / 8),
        ),
    )


def test_a_second_search_stays_on_its_rung() -> None:
    twice = traffic_of(RUNGS, [(["small", "passages", "passages"], ANSWERED)])
    assert twice == traffic_of(RUNGS, [(["small", "passages"], ANSWERED)])


@pytest.mark.parametrize(
    ("rungs", "path"),
    [
        (RUNGS, (["large", "small"], ANSWERED)),
        (RUNGS, (["huge"], ANSWERED)),
        (RUNGS, (["small"], "lost")),
        (["small", "small"], (["small"], ANSWERED)),
        (["(asked)"], (["(asked)"], ANSWERED)),
    ],
)
def test_paths_that_lead_nowhere(rungs: list[str], path: tuple[list[str], str]) -> None:
    with pytest.raises(UsageError):
        traffic_of(rungs, [path])


def test_every_column_holds_all_questions_and_no_two_bands_overlap() -> None:
    lanes = traffic_plot._lanes(traffic_of(RUNGS, PATHS))

    for column in range(1, 5):
        spans = sorted(traffic_plot._stack(lanes, column).values())
        assert sum(high - low for low, high in spans) == pytest.approx(1.0)
        for (_, high), (low, _) in pairwise(spans):
            assert high <= low + 1e-12


def test_bands_leave_a_bar_where_it_is() -> None:
    lanes = traffic_plot._lanes(traffic_of(RUNGS, PATHS))
    stacks = [traffic_plot._stack(lanes, column) for column in range(5)]

    for column in range(1, 4):
        came = sorted(stacks[column][one] for one in lanes if one.end == column)
        left = sorted(
            traffic_plot._leaving(one, column, stacks) for one in lanes if one.start == column
        )
        assert left[0][0] == pytest.approx(came[0][0]) and left[-1][1] == pytest.approx(came[-1][1])
        for (_, high), (low, _) in pairwise(left):
            assert high == pytest.approx(low)


@pytest.mark.parametrize("rungs", [1, 2, 12])
def test_any_number_of_rungs_can_be_drawn(rungs: int) -> None:
    names = [f"rung {number}" for number in range(rungs)]
    paths = [(names[: 1 + place % rungs], ANSWERED) for place in range(24)]
    text = traffic_svg(traffic_of(names, paths))

    assert all(f">{name}<" in text for name in names)
    assert ">answered<" in text and ">abstained<" not in text


def test_a_rung_that_nobody_reached_is_named_too() -> None:
    text = traffic_svg(traffic_of(["small", "never"], [(["small"], ANSWERED)]))
    assert ">never<" in text and ">0 %<" in text


def labels(told: CostQuality) -> tuple[Any, Any]:
    figure = new_figure(5.6, 3.8)
    axes = figure.subplots()
    for one in [told.chosen, *told.baselines]:
        axes.plot(one.cost, one.quality, "o")
    axes.margins(0.1)
    report_plots._label_points(figure, axes, told)
    figure.draw_without_rendering()
    return figure, axes


def test_names_of_points_stand_apart() -> None:
    told = CostQuality(
        NamedPoint("this policy", 3.0, 0.84),
        baselines=(
            NamedPoint("always-small", 1.0, 0.57),
            NamedPoint("always-large", 9.0, 0.85),
            NamedPoint("always-large+retrieve", 9.1, 0.852),
            NamedPoint("random-mix", 3.0, 0.83),
            NamedPoint("best-single", 9.0, 0.85),
        ),
    )
    _, axes = labels(told)
    boxes = {text.get_text(): text.get_window_extent() for text in axes.texts}

    assert "always-large, best-single" in boxes and len(boxes) == 5
    found = list(boxes.values())
    for place, one in enumerate(found):
        assert axes.get_window_extent().x0 < one.x0 and one.x1 < axes.get_window_extent().x1 + 2
        for other in found[place + 1 :]:
            assert not one.overlaps(other)


def test_quality_has_no_ticks_that_cannot_be() -> None:
    for quality in (0.0, 0.5, 1.0):
        text = cost_quality_svg(CostQuality(NamedPoint("p", 1.0, quality)))
        ticks = [float(tick) for tick in re.findall(r">(-?[\d.]+) %<", text)]
        assert ticks and 0.0 <= min(ticks) and max(ticks) <= 100.0


def test_a_target_above_the_curve_is_in_the_picture() -> None:
    figures: list[Any] = []

    def keep(*args: Any) -> str:
        figure = new_figure(5.0, 4.0)
        args[-1](figure)
        figures.append(figure)
        return ""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_plots, "draw_svg", keep)
        risk_coverage_svg(RiskCoverage(((0.5, 0.01), (1.0, 0.02)), None, 0.3))
    (axes,) = figures[0].axes
    assert axes.get_ylim()[1] > 0.3
    assert list(axes.get_lines()[0].get_ydata()) == [0.01, 0.02]
    assert list(axes.get_lines()[1].get_ydata()) == [0.3, 0.3]


def test_estimates_are_counted_by_what_came() -> None:
    found = bin_estimates(
        "r", [0.0, 0.49, 0.5, 1.0, 0.7, None], [0.0, 1.0, 0.25, 0.0, None, 0.0], bins=2
    )

    assert found.right == (1.0, 1.75) and found.wrong == (1.0, 0.25)
    assert found.unjudged == (0.0, 1.0) and found.missing == 1
