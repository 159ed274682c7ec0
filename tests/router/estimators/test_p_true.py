"""What a model says when it is asked whether the answer is true."""

from __future__ import annotations

import math

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from surefoot.router.estimators.p_true import PTrue, PTrueLmp, PTrueSampled
from surefoot.router.evidence import Alternative, Evidence, Generation, Token
from surefoot.router.signals import Signal

from .judged_records import read, reason


def asked(*generations: Generation, kind: str = "p_true") -> Evidence:
    return Evidence("q", Generation("Oslo"), asked={kind: generations})


def verdict(said: str, p: float, **others: float) -> Generation:
    alternatives = tuple(Alternative(piece, math.log(q)) for piece, q in others.items())
    return Generation(said, (Token(said, math.log(p), alternatives),))


def test_p_true_sums_over_spellings() -> None:
    given = asked(verdict("True", 0.4, true=0.2, False_=0.0001, false=0.1, TRUE=0.1))
    assert read(PTrue(), given).value == pytest.approx(0.7 / 0.8)


def test_p_true_does_not_need_the_word_to_be_drawn() -> None:
    """Others read the drawn token only, and have no number here."""
    given = asked(verdict("Maybe", 0.5, true=0.3, false=0.1))
    assert read(PTrue(), given).value == pytest.approx(0.75)


def test_p_true_looks_past_white_space_and_control_tokens() -> None:
    tokens = (Token("<s>", -0.1), Token("\n", -0.1), *verdict(" True", 0.5, false=0.25).tokens)
    assert read(PTrue(), asked(Generation("\n True", tokens))).value == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("generation", "why"),
    [
        (verdict("Maybe", 0.5, perhaps=0.3), "neither true nor false is among the alternatives"),
        (Generation("True"), "verdict: no logprobs"),
        (Generation("True", (Token("True", -0.1),)), "top-k < 2"),
        (Generation("True", (Token("True", 0.0),)), "verdict: placeholder logprobs"),
        (Generation("True", (Token("True", 0.1),)), "verdict: positive logprob"),
        (verdict("True", 0.5, true=2.0), "positive logprob"),
        (
            Generation("not true", (*verdict("not", 0.6, no=0.3).tokens, Token(" true", -0.1))),
            "neither true nor false is among the alternatives",
        ),
    ],
)
def test_p_true_has_no_number_where_it_cannot_know(generation: Generation, why: str) -> None:
    assert reason(PTrue(), asked(generation)) == why


def test_p_true_was_not_asked() -> None:
    assert reason(PTrue(), Evidence("q", Generation("Oslo"))) == "p_true was not asked"
    empty = Evidence("q", Generation(" "), asked={"p_true": (verdict("True", 0.9),)})
    assert reason(PTrue(), empty) == "empty answer"


def test_the_compatible_variant_takes_one_spelling_only() -> None:
    given = asked(verdict("True", 0.4, True_=0.1, **{"True": 0.4, "true": 0.3}))
    assert read(PTrueLmp(), given).raw == pytest.approx(-math.log(0.4))
    assert read(PTrueLmp(), given).value == pytest.approx(0.4)
    alone = asked(Generation("True", (Token("True", -0.5),)))
    assert read(PTrueLmp(), alone).raw == pytest.approx(0.5)
    assert read(PTrue(), given).value == pytest.approx(1.0)
    assert "True is not" in reason(PTrueLmp(), asked(verdict("yes", 0.9, true=0.1)))


def test_sampled_verdicts_are_counted() -> None:
    said = [Generation(text) for text in ("True", "true.", "False", "I think so", "")]
    signal = read(PTrueSampled(), asked(*said, kind="p_true_sampled"))
    assert signal.value == pytest.approx(2 / 3)
    assert (signal.details["m"], signal.details["unread"]) == (3, 2)
    none = asked(Generation("maybe"), kind="p_true_sampled")
    assert reason(PTrueSampled(), none) == "no verdict begins with true or false"


@given_any(
    st.sampled_from(["True", " false", "Maybe", "</s>"]),
    st.one_of(st.none(), st.floats()),
    st.lists(
        st.tuples(st.sampled_from(["True", "true", "FALSE", "False.", "no"]), st.floats()),
        max_size=5,
    ),
)
def test_a_verdict_of_any_kind_gives_a_sound_reading(
    said: str, logprob: float | None, others: list[tuple[str, float]]
) -> None:
    alternatives = tuple(Alternative(piece, number) for piece, number in others)
    given = asked(Generation(said, (Token(said, logprob, alternatives),)))
    for found in (PTrue(), PTrueLmp()):
        reading = found.estimate(given)
        if isinstance(reading, Signal):
            assert 0.0 <= reading.value <= 1.0
            assert math.isfinite(reading.raw)
        else:
            assert reading.reason


@given_any(st.floats(-8.0, -0.1), st.floats(-8.0, -0.1), st.floats(0.0, 0.09))
def test_a_truer_verdict_is_never_less_sure(true: float, false: float, rise: float) -> None:
    def judged(logprob: float) -> Evidence:
        others = (Alternative("True", logprob), Alternative("False", false))
        return asked(Generation("Maybe", (Token("Maybe", -0.1, others),)))

    for found in (PTrue(), PTrueLmp()):
        assert read(found, judged(true + rise)).score >= read(found, judged(true)).score
