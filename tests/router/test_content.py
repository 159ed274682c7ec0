"""The content-token filter keeps what says something and nothing else."""

from __future__ import annotations

import pytest

from surefoot.router.content import content_positions, is_content, special_flags
from surefoot.router.evidence import Token


def tokens(*pieces: str) -> tuple[Token, ...]:
    return tuple(Token(piece, -0.1) for piece in pieces)


@pytest.mark.parametrize(
    "piece", ["Paris", " 42", "don't", "°", "€", "🙂", "é", "ि", "\ufffd", "```python", "a.", "_x"]
)
def test_pieces_that_say_something(piece: str) -> None:
    assert is_content(piece)


@pytest.mark.parametrize(
    "piece",
    [
        *["", " ", "\n\n", "\t", ".", ", ", "...", "**", "```", "##", "—", "“", "¿", "$", "=", "|"],
        *["<b>", "</answer>", "<br/>", '<a href="x">', "\u200b", "\ufeff", "_", " - "],
    ],
)
def test_pieces_that_say_nothing(piece: str) -> None:
    assert not is_content(piece)


def test_only_content_is_kept() -> None:
    given = tokens("<b>", "The", " answer", ":", " ", "**", "Paris", "**", ".", "</s>")
    positions, name = content_positions(given)
    assert [given[i].token for i in positions] == ["The", " answer", "Paris"]
    assert name == "content"


def test_off_keeps_everything_even_the_end_of_sequence() -> None:
    positions, name = content_positions(tokens("Paris", ".", "</s>"), enabled=False)
    assert (list(positions), name) == ([0, 1, 2], "off")


def test_nothing_left_falls_back_to_everything_and_says_so() -> None:
    positions, name = content_positions(tokens("?", "!", "</s>"))
    assert (list(positions), name) == ([0, 1, 2], "fallback")


def test_marked_tokens_are_dropped_whatever_they_look_like() -> None:
    given = (Token("Paris", -0.1), Token("STOP", -0.1, special=True))
    assert list(content_positions(given)[0]) == [0]


@pytest.mark.parametrize(
    "piece", ["</s>", "<|endoftext|>", "<|im_end|>", "<eos>", "<pad>", "<\uff5cend\u2581of\uff5c>"]
)
def test_well_known_control_tokens_need_no_mark(piece: str) -> None:
    assert special_flags(tokens("Paris", piece)) == [False, True]


def test_with_one_mark_names_are_no_longer_guessed() -> None:
    given = (Token("</s>", -0.1), Token("x", -0.1, special=False), Token("end", special=True))
    assert special_flags(given) == [False, False, True]
