"""Where steps end, on texts whose parts were marked by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.errors import ConfigurationError
from surefoot.router.evidence import Alternative, Token
from surefoot.router.steps.positions import (
    EntropyTrigger,
    EveryTokens,
    Lines,
    Paragraphs,
    Positions,
    Sentences,
    parse_positions,
)

from .spoken import pieces


def parts(positions: Positions, cut: list[str]) -> list[str]:
    ends = positions.ends([Token(piece) for piece in cut])
    return ["".join(cut[a:b]).strip() for a, b in zip((0, *ends), (*ends, len(cut)), strict=True)]


@pytest.mark.parametrize(
    "marked",
    [
        "One. | Two! | Three? | Four",
        'He said "yes." | Then he left.',
        "It weighs 3.5 kg. | That is 7 lb, e.g. the smaller one.",
        "Dr. Smith met J. Doe. | They spoke (cf. Fig. 3).",
        "1. First this | 2. Then that | (c) and this",
        "- one | - two",
        "x = 3 + 4 | = 7. | So 7.",
        "Wait... | No.",
        "",
        "one",
    ],
)
def test_sentences(marked: str) -> None:
    wanted = [part.strip() for part in marked.split("|")]
    lines = marked.startswith(("1.", "-", "x"))
    text = "\n".join(wanted) if lines else " ".join(wanted)
    assert parts(Sentences(), pieces(text)) == wanted
    assert parts(Sentences(), list(text)) == wanted


def test_sentences_without_spaces() -> None:
    text = "\u56db\u5341\u4e8c\u3002\u597d\uff01\u662f"
    assert parts(Sentences(), list(text)) == ["\u56db\u5341\u4e8c\u3002", "\u597d\uff01", "\u662f"]


def test_lines_and_paragraphs() -> None:
    text = "one. still one\ntwo\n \nthree\n\n\nfour"
    assert parts(Lines(), pieces(text)) == ["one. still one", "two", "three", "four"]
    assert parts(Paragraphs(), pieces(text)) == ["one. still one\ntwo", "three", "four"]
    assert parts(Lines(), pieces("\n\none")) == ["one"]


def test_every_so_many_tokens() -> None:
    assert EveryTokens(2).ends([Token("a")] * 5) == (2, 4)
    assert EveryTokens(5).ends([Token("a")] * 5) == ()
    with pytest.raises(ConfigurationError, match="at least 1"):
        EveryTokens(0)


def uniform(k: int) -> Token:
    """Entropy ln k."""
    return Token("a", -math.log(k), (Alternative("a", -math.log(k)),) * k)


def test_the_entropy_trigger_by_hand() -> None:
    sure = uniform(2)  # ln 2 = 0.693
    # mu = 0.693, s = 0 -> bound max(1.8, 0.693 + 2 * 0.5) = 1.8; ln 6 = 1.792, ln 7 = 1.946
    assert EntropyTrigger().ends([sure, sure, uniform(6)]) == ()
    assert EntropyTrigger().ends([sure, sure, uniform(7), sure]) == (2,)
    # before the last: ln 2, ln 7 -> mu 1.3195, s 0.6264 -> bound 2.572 > ln 13 = 2.565 < ln 14
    assert EntropyTrigger().ends([sure, uniform(7), uniform(13)]) == (1,)
    assert EntropyTrigger().ends([sure, uniform(7), uniform(14)]) == (1, 2)
    # a window of one: mu = ln 7, s = 0 -> bound 2.946 = ln 19.03
    assert EntropyTrigger(window=1).ends([sure, uniform(7), uniform(19)]) == (1,)
    assert EntropyTrigger(window=1).ends([sure, uniform(7), uniform(20)]) == (1, 2)
    # without candidates there is no entropy, and a first token has nothing before it
    assert EntropyTrigger().ends([Token("a"), uniform(50), Token("b")]) == ()
    assert EntropyTrigger().ends([uniform(50)]) == ()


def test_names_are_read_back() -> None:
    for name in ("sentence", "line", "paragraph", "entropy", "tokens:64"):
        assert parse_positions(name).name == name
    for name in ("word", "tokens", "tokens:x", "tokens:0", ""):
        with pytest.raises(ConfigurationError):
            parse_positions(name)


TEXTS = st.lists(st.sampled_from(["a", "B", " ", ".", "!", "\n", "1", '"', "\u3002", "Dr", "-"]))
KINDS = st.sampled_from([Sentences(), Lines(), Paragraphs(), EveryTokens(3), EntropyTrigger()])


@given(st.lists(TEXTS.map("".join), max_size=12), KINDS)
def test_later_tokens_change_no_place(cut: list[str], positions: Positions) -> None:
    tokens = [Token(piece, -1.0, (Alternative(piece, -1.0),)) for piece in cut]
    everywhere = positions.ends(tokens)
    assert list(everywhere) == sorted(set(everywhere))
    assert all(0 < end < len(tokens) for end in everywhere)
    for n in range(len(tokens)):
        assert positions.ends(tokens[:n]) == tuple(end for end in everywhere if end < n)
        assert positions.ends(tokens, n) == tuple(end for end in everywhere if end >= n)


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(1, 25))
def test_the_entropy_trigger_needs_no_more_than_its_window(ks: list[int], window: int) -> None:
    tokens, trigger = [uniform(k) for k in ks], EntropyTrigger(window=window)
    everywhere = trigger.ends(tokens)
    for n in range(len(tokens) + 1):
        assert trigger.ends(tokens, n) == tuple(end for end in everywhere if end >= n)
        assert trigger.ends(tokens[:n]) == tuple(end for end in everywhere if end < n)
