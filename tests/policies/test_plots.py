"""Pictures of a replay: they are there, they show the numbers, and they leave nothing behind."""

from __future__ import annotations

import builtins
import os
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib")

from surefoot.policies import plots
from surefoot.policies.plots import plot_replay
from surefoot.policies.replay import ReplayReport, Served, replay_all, replay_report
from surefoot.router.errors import MissingExtra, StoreError

from .worlds import six_questions, six_replayer, table_of


def six() -> tuple[ReplayReport, list[Served]]:
    rows = six_questions()
    served = replay_all(table_of(rows), six_replayer(rows))
    return replay_report(table_of(rows), served), served


def size_of(picture: Path) -> tuple[int, int]:
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n") and data.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", data[16:24])
    return int(width), int(height)


def test_two_whole_pictures_are_written_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "report"
    before = os.umask(0o022)
    try:
        plot_replay(*six(), folder)
    finally:
        os.umask(before)

    assert sorted(os.listdir(folder)) == ["cost_quality.png", "risk_coverage.png"]
    for picture in folder.iterdir():
        assert min(size_of(picture)) > 400
        assert picture.stat().st_mode & 0o777 == 0o644


def test_the_risk_curve_is_the_mean_loss_of_the_surest() -> None:
    _, served = six()
    (axes,) = plots._risk_coverage(served).axes
    curve, policy = axes.get_lines()

    # Surest first: two right, then a tie of a wrong and a right one, then half right, then right.
    assert list(curve.get_xdata()) == pytest.approx([i / 6 for i in range(1, 7)])
    assert list(curve.get_ydata()) == pytest.approx([0, 0, 0.5 / 3, 1 / 4, 1.5 / 5, 1.5 / 6])
    assert list(policy.get_xdata()) == pytest.approx([5 / 6])
    assert list(policy.get_ydata()) == pytest.approx([1.5 / 5])


def test_the_gate_stands_among_the_baselines() -> None:
    report, _ = six()
    (axes,) = plots._cost_quality(report).axes
    points = {text.get_text(): tuple(text.xy) for text in axes.texts}

    assert points["gate"] == (report.cost, report.quality)
    assert set(points) == {"gate", *report.baselines}
    for name, baseline in report.baselines.items():
        assert points[name] == (baseline.cost, baseline.quality)


def test_a_policy_that_never_answers_can_be_drawn(tmp_path: Path) -> None:
    _, served = six()
    silent = [
        Served(one.query_id, None, None, one.cost, one.latency_s, one.top_tier, None, None)
        for one in served
    ]
    plot_replay(replay_report(table_of(six_questions()), silent), silent, tmp_path)

    assert len(os.listdir(tmp_path)) == 2


def test_no_window_system_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    plot_replay(*six(), tmp_path)

    assert "matplotlib.pyplot" not in sys.modules


def test_a_file_in_the_place_of_the_folder_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("kept")

    with pytest.raises(StoreError):
        plot_replay(*six(), tmp_path / "report")
    assert (tmp_path / "report").read_text() == "kept"


def test_without_matplotlib_the_install_line_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def hidden(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *rest)

    report, served = six()
    monkeypatch.setattr(builtins, "__import__", hidden)
    with pytest.raises(MissingExtra, match=r"pip install 'surefoot\[fit\]'"):
        plot_replay(report, served, tmp_path)

    assert os.listdir(tmp_path) == []
