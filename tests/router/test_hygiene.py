"""Gaps and sentinels in a provider's logprobs are found, counted and never taken for certainty."""

from __future__ import annotations

import math

import pytest

from surefoot.router.evidence import Alternative, Generation, Token
from surefoot.router.hygiene import Checked, Selection, answer_problem, check, select
from surefoot.router.signals import Unavailable

NAN, INF = math.nan, math.inf


def generation(*logprobs: float | None, text: str | None = None) -> Generation:
    pieces = [f" w{i}" for i in range(len(logprobs))]
    pairs = zip(pieces, logprobs, strict=True)
    return Generation(
        "".join(pieces).strip() if text is None else text,
        tuple(Token(piece, logprob) for piece, logprob in pairs),
    )


def with_alternatives(*alternatives: tuple[str, float], logprob: float = -0.5) -> Generation:
    found = tuple(Alternative(token, number) for token, number in alternatives)
    return Generation("Paris", (Token("Paris", logprob, found),))


def clean(found: Checked | Unavailable) -> Checked:
    assert isinstance(found, Checked), found
    return found


def chosen(found: Selection | Unavailable) -> Selection:
    assert isinstance(found, Selection), found
    return found


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_an_empty_answer_is_named_before_anything_else(text: str) -> None:
    assert check(Generation(text)) == Unavailable("empty answer")
    assert check(Generation(text, (Token("</s>", 0.0),))) == Unavailable("empty answer")


def test_a_tool_call_without_text_is_not_an_empty_answer() -> None:
    call = Generation("", (), "tool_calls")
    assert answer_problem(call) == check(call) == Unavailable("tool call")
    assert answer_problem(Generation("Paris", (), "tool_calls")) is None


def test_no_tokens_or_no_logprobs_at_all() -> None:
    assert check(Generation("Paris")) == Unavailable("no logprobs")
    assert check(generation(None, None)) == Unavailable("no logprobs")


@pytest.mark.parametrize("gap", [None, NAN, -INF, -9999.0, -10000.0])
def test_sentinels_make_a_token_missing(gap: float | None) -> None:
    found = clean(check(generation(-0.5, gap, -9998.9)))
    assert found.logprobs == (-0.5, None, -9998.9)
    assert found.counts() == {"missing_tokens": 1}


def test_zeros_without_any_other_alternative_are_placeholders() -> None:
    assert check(generation(0.0, 0.0)) == Unavailable("placeholder logprobs")
    assert check(generation(0.0, -9999.0)) == Unavailable("placeholder logprobs")
    for alternatives in ([("Paris", 0.0)], [("Rome", -9999.0)], [("Rome", NAN), ("Oslo", -INF)]):
        given = with_alternatives(*alternatives, logprob=0.0)
        assert check(given) == Unavailable("placeholder logprobs")


def test_zeros_beside_plausible_alternatives_are_genuine() -> None:
    given = with_alternatives(("Paris", 0.0), ("Rome", -40.0), logprob=0.0)
    assert clean(check(given)).logprobs == (0.0,)


def test_rounding_above_zero_is_clamped_and_counted() -> None:
    found = clean(check(generation(1e-6, -1.0, 2e-7)))
    assert found.logprobs == (0.0, -1.0, 0.0)
    assert found.counts() == {"clamped": 2}
    assert clean(check(generation(1e-7))).logprobs == (0.0,)  # computed, so no placeholder


@pytest.mark.parametrize("wrong", [1.1e-6, 0.1, INF])
def test_a_larger_positive_logprob_spoils_the_record(wrong: float) -> None:
    assert check(generation(-1.0, wrong)) == Unavailable("positive logprob")


@pytest.mark.parametrize("text", ["w0 w1 w2", "w0", "w0  w1", "w0 w1.", "W0 w1"])
def test_tokens_that_do_not_spell_the_text_are_refused(text: str) -> None:
    assert check(generation(-1.0, -1.0, text=text)) == Unavailable("length mismatch")


def test_outer_white_space_and_control_tokens_do_not_count_as_text() -> None:
    tokens = (
        Token("\n", -0.1),
        Token("Paris", -0.2),
        Token(" ", -0.1),
        Token("<|im_end|>", -0.3),
    )
    assert clean(check(Generation("  Paris\n", tokens))).logprobs == (-0.1, -0.2, -0.1, -0.3)
    marked = (Token("Paris", -0.2), Token("STOP", -0.3, special=True))
    assert clean(check(Generation("Paris", marked))).missing == 0
    unmarked = (Token("Paris", -0.2), Token("STOP", -0.3))
    assert check(Generation("Paris", unmarked)) == Unavailable("length mismatch")


def test_a_text_that_shows_its_control_tokens_is_accepted() -> None:
    tokens = (Token("Paris", -0.2), Token("</s>", -0.3))
    assert clean(check(Generation("Paris</s>", tokens))).missing == 0


def test_alternatives_are_left_alone_unless_asked_for() -> None:
    broken = with_alternatives(("Paris", 3.0), ("Rome", NAN))
    assert clean(check(broken)).candidates == ()
    assert check(broken, candidates=True) == Unavailable("positive logprob")


def test_alternatives_are_sorted_and_bad_ones_dropped_alone() -> None:
    given = with_alternatives(
        ("Rome", -3.0), ("x", NAN), ("Paris", -0.5), ("y", -INF), ("z", -9999.0), ("Oslo", 1e-7)
    )
    found = clean(check(given, candidates=True))
    assert found.candidates == ((0.0, -0.5, -3.0),)
    assert found.logprobs == (-0.5,)
    assert found.counts() == {"dropped_alternatives": 3, "clamped": 1}


def test_a_token_listed_twice_counts_once_with_its_larger_number() -> None:
    for pair in [(-0.5, -0.7), (-0.7, -0.5)]:
        given = with_alternatives(("Paris", pair[0]), ("Paris", pair[1]), ("Rome", -2.0))
        found = clean(check(given, candidates=True))
        assert found.candidates == ((-0.5, -2.0),)
        assert found.counts() == {"duplicate_alternatives": 1}


def test_sums_and_minima_need_every_content_token() -> None:
    nine_of_ten = clean(check(generation(*[-1.0] * 9, None)))
    assert select(nine_of_ten, content_filter=True) == Unavailable("missing token")
    found = chosen(select(nine_of_ten, content_filter=True, coverage=0.9))
    assert (len(found.positions), found.logprobs) == (9, (-1.0,) * 9)
    assert found.coverage == pytest.approx(0.9)


def test_less_than_nine_tenths_is_too_little() -> None:
    eight_of_nine = clean(check(generation(*[-1.0] * 8, None)))
    assert select(eight_of_nine, content_filter=True, coverage=0.9) == Unavailable("missing token")


def test_a_missing_token_without_content_is_not_missed() -> None:
    tokens = (Token("Paris", -0.2), Token(".", None))
    found = clean(check(Generation("Paris.", tokens)))
    assert chosen(select(found, content_filter=True)).coverage == 1.0
    assert select(found, content_filter=False) == Unavailable("missing token")


def test_positions_with_too_few_alternatives_are_not_covered() -> None:
    two = (Alternative("w0", -0.5), Alternative("x", -2.0))
    tokens = (Token("w0", -0.5, two), Token(" w1", -0.5, two[:1]))
    found = clean(check(Generation("w0 w1", tokens), candidates=True))
    few = select(found, content_filter=True, coverage=0.9, least_candidates=2)
    assert few == Unavailable("top-k < 2")
    half = chosen(select(found, content_filter=True, coverage=0.5, least_candidates=2))
    assert (list(half.positions), half.coverage) == ([0], 0.5)
