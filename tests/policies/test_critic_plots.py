"""The pictures of a critic: which are written, and what stands in them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib")

from surefoot.policies import critic_plots, figures
from surefoot.policies.critic_plots import plot_critic
from surefoot.router.critic.evaluation import JudgedRow
from surefoot.router.critic.states import CriticState, StateRecord

EMPTY: dict[str, Any] = {"stop_curve": [], "stop_rules": {}}


def rows(rounds: int, n: int = 40) -> list[JudgedRow]:
    """Each p is stated for ten states, of which that share is right."""
    found = []
    for round_ in range(rounds):
        for place in range(n):
            p = (1 + place // 10) / 5
            state = CriticState(f"q{place}", "a", round=round_)
            found.append(JudgedRow(StateRecord(f"t{place}", state), p, int(place % 10 < 10 * p)))
    return found


def document(*areas: float | None) -> dict[str, Any]:
    strata = [
        {"round": i, "passages": 2 * i, "n": 40, "positives": 20, "auroc": area}
        for i, area in enumerate(areas)
    ]
    return EMPTY | {
        "accept_strata": strata,
        "accept_auroc_within": 0.7,
        "accept_auroc_within_interval": [0.6, 0.8],
    }


def point(calls: float, quality: float) -> dict[str, float]:
    return {"calls": calls, "quality": quality}


STOPPING = document(0.9) | {
    "stop_curve": [point(3.0, 0.6), point(1.0, 0.4), point(2.0, 0.55)],
    "stop_rules": {
        "always round 0": point(1.0, 0.4),
        "always round 1": point(3.0, 0.5),
        "best with hindsight": point(1.5, 0.7),
    },
}


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The figures by file name, before they are pixels."""
    found: dict[str, Any] = {}
    real = figures.save_figure

    def save(figure: Any, path: Path) -> None:
        found[path.name] = figure
        real(figure, path)

    monkeypatch.setattr(critic_plots, "save_figure", save)
    return found


def test_only_what_exists_is_drawn(tmp_path: Path) -> None:
    plot_critic(EMPTY, {"accept": [], "sufficient": []}, tmp_path)
    assert os.listdir(tmp_path) == []
    plot_critic(document(0.8, None), {"accept": rows(1), "sufficient": []}, tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["reliability.png", "within_rounds.png"]
    plot_critic(STOPPING, {"accept": rows(1)}, tmp_path)
    assert "stopping.png" in os.listdir(tmp_path)
    assert all((tmp_path / name).read_bytes()[:4] == b"\x89PNG" for name in os.listdir(tmp_path))


def test_a_critic_that_is_right_about_itself_lies_on_the_diagonal(
    tmp_path: Path, drawn: dict[str, Any]
) -> None:
    plot_critic(document(0.8), {"accept": rows(2)}, tmp_path)
    (axes,) = drawn["reliability.png"].axes
    (legend,) = drawn["reliability.png"].legends
    assert [text.get_text() for text in legend.get_texts()] == ["round 0", "round 1"]
    lines = [line for line in axes.get_lines() if str(line.get_label()).startswith("round")]
    for line in lines:
        assert list(line.get_xdata()) == pytest.approx([0.2, 0.4, 0.6, 0.8])
        assert list(line.get_ydata()) == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_an_area_below_a_coin_is_still_in_the_picture(
    tmp_path: Path, drawn: dict[str, Any]
) -> None:
    plot_critic(document(0.9, 0.2, None), {"accept": rows(1)}, tmp_path)
    (axes,) = drawn["within_rounds.png"].axes
    assert axes.get_ylim()[0] < 0.2
    assert [one.get_text() for one in axes.get_xticklabels()] == ["0 / 0", "1 / 2"]
    assert any("0.700 [0.600, 0.800]" in str(line.get_label()) for line in axes.get_lines())


def test_the_curve_runs_by_calls_beside_the_fixed_rounds(
    tmp_path: Path, drawn: dict[str, Any]
) -> None:
    plot_critic(STOPPING, {}, tmp_path)
    (axes,) = drawn["stopping.png"].axes
    curve, fixed, best = axes.get_lines()
    assert list(curve.get_xdata()) == [1.0, 2.0, 3.0]
    assert list(curve.get_ydata()) == pytest.approx([40.0, 55.0, 60.0])
    assert list(fixed.get_xdata()) == [1.0, 3.0]
    assert list(best.get_xdata()) == [1.5]
    assert [text.get_text() for text in axes.texts] == ["0", "1"]
    assert "calls" in axes.get_xlabel() and "%" in axes.get_ylabel()
