"""The pictures of a quality report: which are written, and what stands in them."""

from __future__ import annotations

import builtins
import itertools
import os
import random
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib")

from surefoot.policies import signal_plots
from surefoot.policies.signal_plots import plot_signals
from surefoot.policies.signal_quality import Calibration, Measured, SignalQuality, judge
from surefoot.router.errors import MissingExtra
from surefoot.router.metrics import aurc
from surefoot.router.metrics.reliability import wilson_interval


def quality(signals: int = 3, n: int = 120) -> tuple[SignalQuality, ...]:
    rng = random.Random(0)
    labels = [int(rng.random() < 0.6) for _ in range(n)]
    columns: dict[str, list[float | None]] = {
        f"signal_{i}": [round((label + rng.random() * (1 + i)) / (2 + i), 2) for label in labels]
        for i in range(signals)
    }
    columns["nowhere"] = [None] * n
    return judge(columns, labels, [f"q{i}" for i in range(n)], seed=0, reps=20)


def size_of(picture: Path) -> tuple[int, int]:
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n") and data.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", data[16:24])
    return int(width), int(height)


def test_three_pictures_are_written(tmp_path: Path) -> None:
    plot_signals(quality(), tmp_path / "report")

    names = ["auroc.png", "reliability.png", "risk_coverage.png"]
    assert sorted(os.listdir(tmp_path / "report")) == names
    assert all(min(size_of(tmp_path / "report" / name)) > 200 for name in names)


def test_what_nobody_has_is_not_drawn(tmp_path: Path) -> None:
    plot_signals(quality(signals=0), tmp_path)
    assert os.listdir(tmp_path) == []

    labels = [1] * 10
    same = judge({"s": [i / 10 for i in range(10)]}, labels, list("abcdefghij"), seed=0, reps=5)
    plot_signals(same, tmp_path)
    assert os.listdir(tmp_path) == ["risk_coverage.png"]


def test_every_signal_has_its_dot_and_interval_the_best_on_top() -> None:
    found = [one for one in quality(5) if one.n]
    figure = signal_plots._aurocs(found)
    (axes,) = figure.axes
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    spans = axes.get_lines()[0:10:2]
    dots = axes.get_lines()[1:10:2]

    assert names == [one.name for one in found]
    for place, one, span, dot in zip(range(4, -1, -1), found, spans, dots, strict=True):
        assert isinstance(one.auroc, Measured) and one.auroc.interval is not None
        assert list(dot.get_xdata()) == [one.auroc.value] and list(dot.get_ydata()) == [place]
        assert tuple(span.get_xdata()) == one.auroc.interval


def test_lines_of_sixty_signals_stand_apart() -> None:
    found = [one for one in quality(60) if one.n]
    figure = signal_plots._aurocs(found)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    boxes = [tick.get_window_extent() for tick in axes.get_yticklabels()]
    boxes.sort(key=lambda box: box.y0)

    assert len(boxes) == 60
    assert all(lower.y1 <= upper.y0 for lower, upper in itertools.pairwise(boxes))
    words = [text.get_window_extent() for text in axes.texts]
    assert min(box.x0 for box in words) >= axes.get_window_extent().x1
    assert max(box.x1 for box in words) <= figure.bbox.x1


def test_risk_curves_stand_beside_the_best_and_the_random_one() -> None:
    found = [one for one in quality() if one.n]
    figure = signal_plots._risk_coverage(found)
    *curves, best, chance = figure.axes[0].get_lines()
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]

    for curve, one in zip(curves, found, strict=True):
        assert tuple(zip(*curve.get_data(), strict=True)) == one.curve
    wrong = round((1 - (found[0].share_correct or 0.0)) * 120)
    losses = [0] * (120 - wrong) + [1] * wrong
    assert isinstance(found[0].aurc, Measured)
    assert labels[0] == f"AURC {found[0].aurc.value:.3f}  {found[0].name}".replace(" 0.", " .")
    least = aurc([-float(loss) for loss in losses], losses)
    assert labels[-2] == f"AURC {least:.3f}  best ranking".replace(" 0.", " .")
    assert list(best.get_ydata())[: 120 - wrong] == [0.0] * (120 - wrong)
    assert best.get_ydata()[-1] == pytest.approx(wrong / 120)
    assert list(chance.get_ydata()) == pytest.approx([wrong / 120] * 2)


def test_reliability_shows_bins_counts_and_wilson_intervals() -> None:
    (found,) = [one for one in quality(1) if one.n]
    panel, strip = signal_plots._reliability([found]).axes
    assert isinstance(found.uncalibrated, Calibration) and isinstance(found.calibrated, Calibration)
    before, after = panel.containers

    for drawn, said in ((before, found.uncalibrated), (after, found.calibrated)):
        points, _, (whiskers,) = drawn
        assert list(points.get_xdata()) == [one.mean_probability for one in said.bins]
        assert list(points.get_ydata()) == [one.share_correct for one in said.bins]
        for (below, above), one in zip(whiskers.get_segments(), said.bins, strict=True):
            bounds = wilson_interval(round(one.n * one.share_correct), one.n)
            assert (below[1], above[1]) == pytest.approx(bounds)
    counts = [text.get_text() for text in strip.texts]
    bins = [*found.uncalibrated.bins, *found.calibrated.bins]
    assert counts == [str(one.n) for one in bins]
    assert sum(bar.get_height() for bar in strip.patches) == 240


def test_no_window_system_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    plot_signals(quality(1), tmp_path)

    assert "matplotlib.pyplot" not in sys.modules


def test_without_matplotlib_the_install_line_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def hidden(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *rest)

    found = quality(1)
    monkeypatch.setattr(builtins, "__import__", hidden)
    with pytest.raises(MissingExtra, match=r"pip install 'surefoot\[fit\]'"):
        plot_signals(found, tmp_path)
    assert os.listdir(tmp_path) == []
