"""What people see, held to the letter."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from surefoot.router.decisions import Comparison, Result
from surefoot.service.screen import cost_words, live_text, result_panel, show_step

from .results import ABSTAINED, ANSWERED, HOSTILE, NAMES, check_golden


def rendered(result: Result, width: int = 80, color: bool = False) -> str:
    """The trail and the result on a console of this width."""
    console = Console(
        file=io.StringIO(),
        width=width,
        record=True,
        force_terminal=color,
        color_system="truecolor" if color else None,
        highlight=False,
        markup=False,
        emoji=False,
        _environ={},
    )
    for step in result.trail:
        show_step(console, step, NAMES)
    console.print(result_panel(result, NAMES))
    text = console.export_text(styles=color)
    return text if color else "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def test_the_trail_of_an_answer() -> None:
    check_golden("answered.txt", rendered(ANSWERED))


def test_the_trail_of_an_abstention_with_hostile_text() -> None:
    check_golden("abstained.txt", rendered(ABSTAINED))


def test_what_a_model_wrote_cannot_command_the_terminal() -> None:
    shown = rendered(ABSTAINED, color=True)
    assert "\x1b[1m" in shown  # our own styles are there ...
    assert HOSTILE[-20:] not in shown  # ... and its escape and bell are not
    assert "\x07" not in shown
    assert "\x1b[31mred" not in shown
    assert "[bold]Paris[/] :smile:" in rendered(ABSTAINED)


@pytest.mark.parametrize("width", [20, 40, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for result in (ANSWERED, ABSTAINED):
        assert max(map(len, rendered(result, width).splitlines())) <= width


def test_an_older_attempt_s_number_is_not_taken_for_this_one_s() -> None:
    step = replace(
        ANSWERED.trail[5],
        compared=(Comparison("best attempt", 0.91, ">=", 0.9),),
        reason="the best attempt is 0.91 sure",
    )
    shown = rendered(replace(ANSWERED, trail=(step,)), width=120)
    assert "0.85  perplexity, not calibrated  best attempt 0.91 ≥ 0.90" in shown
    assert "┃" not in shown


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        (None, "price unknown"),
        (0.0, "free"),
        (1234567.8, "1,234,568"),
        (0.25, "0.25"),
        (1e-4, "0.0001"),
        (1.6e-5, "16e-6"),
        (1.23456e-9, "0.00123e-6"),
        (1e-12, "1e-12"),
    ],
)
def test_costs_in_words(cost: float | None, words: str) -> None:
    assert cost_words(cost) == words


def test_words_are_shown_as_they_come_and_are_gone_at_the_end() -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=40, force_terminal=True, color_system=None, _environ={})
    with live_text(console) as show:
        show("It is so.")
        assert "It is so." in screen.getvalue()
        show(" \x1b[31mAnd more.")
        assert "It is so. \N{REPLACEMENT CHARACTER}[31mAnd more." in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[2K")  # the line is erased
