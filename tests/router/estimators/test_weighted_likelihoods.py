"""Likelihoods whose tokens do not count alike: by relevance and by claim."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.estimators.ccp import Ccp, joint_label
from surefoot.router.estimators.cer import Cer
from surefoot.router.estimators.token_sar import TokenSar, token_sar_weighted
from surefoot.router.evidence import Alternative, Evidence, Generation, Nli, Token, ToolCall
from surefoot.router.hygiene import Checked, check
from surefoot.router.signals import Signal

from .judged_records import read, reason
from .spelled_answers import answer

SAME: Nli = (0.1, 0.2, 0.7)
OTHER: Nli = (0.7, 0.2, 0.1)
NEITHER: Nli = (0.2, 0.6, 0.2)


# --- relevance -----------------------------------------------------------------------------------


def relevant(generation: Generation, *similarities: float) -> Evidence:
    return Evidence("q", generation, greedy_token_similarity=similarities)


def test_tokens_are_weighted_by_their_share_of_the_relevance() -> None:
    given = relevant(answer(("in", 0.5), (" Oslo", 0.25)), 0.9, 0.7)  # R = .1, .3
    signal = read(TokenSar(), given)
    assert signal.raw == pytest.approx(0.25 * math.log(2) + 0.75 * math.log(4))
    assert signal.value == pytest.approx(math.exp(-signal.raw))


def test_one_token_counts_whole_whatever_its_relevance() -> None:
    assert read(TokenSar(), relevant(answer(("Oslo", 0.25)), 0.9)).raw == pytest.approx(math.log(4))


def test_control_tokens_have_no_relevance() -> None:
    given = relevant(answer(("Oslo", 0.25), ("</s>", 0.001)), 0.5, 0.0)
    assert read(TokenSar(), given).raw == pytest.approx(math.log(4))


def test_the_only_token_needs_no_relevance() -> None:
    signal = read(TokenSar(), relevant(answer(("Oslo", 0.25), ("</s>", 0.5)), 1.0, 0.0))
    assert signal.raw == pytest.approx(math.log(4))
    assert "equal_weights" not in signal.details


def test_a_relevant_token_needs_its_logprob() -> None:
    tokens = (Token("in", None), Token(" Oslo", math.log(0.25)))
    generation = Generation("in Oslo", tokens)
    assert read(TokenSar(), relevant(generation, 1.0, 0.5)).raw == pytest.approx(math.log(4))
    assert reason(TokenSar(), relevant(generation, 0.9, 0.5)) == "missing token"


def called(*pieces: tuple[str, float]) -> Generation:
    """A call of `f` that its tokens spell."""
    found = answer(*pieces)
    return Generation("", found.tokens, "tool_calls", (ToolCall("f", found.text),))


def test_the_syntax_of_a_tool_call_has_no_relevance() -> None:
    given = relevant(called(('{"city": "', 0.01), ("Oslo", 0.25), ('"}', 0.01)), 0.0, 0.9, 0.0)
    assert read(TokenSar(), given).raw == pytest.approx(math.log(4))
    cut = relevant(called(('{"city": "', 0.5), ("Os", 0.5)), 0.5, 0.5)
    assert reason(TokenSar(), cut) == "truncated tool call"


def test_where_nothing_is_relevant_all_count_alike_and_it_says_so() -> None:
    signal = read(
        TokenSar(), relevant(answer(("a", 0.5), ("b", 0.25), ("</s>", 0.1)), 1.0, 1.0, 1.0)
    )
    assert signal.raw == pytest.approx((math.log(2) + math.log(4)) / 2)
    assert signal.details["equal_weights"] is True


def test_relevance_must_fit() -> None:
    two = answer(("a", 0.5), ("b", 0.25))
    assert reason(TokenSar(), Evidence("q", two)) == "no token similarities"
    assert "one similarity per token" in reason(TokenSar(), relevant(two, 0.5))
    assert "in [0, 1]" in reason(TokenSar(), relevant(two, 0.5, math.nan))
    assert "in [0, 1]" in reason(TokenSar(), relevant(two, 0.5, 1.2))


@given(st.lists(st.tuples(st.floats(0.01, 0.999), st.floats(0.0, 1.0)), min_size=1, max_size=6))
def test_the_weighted_sum_lies_between_the_least_and_the_most_likely_token(
    rows: list[tuple[float, float]],
) -> None:
    generation = answer(*[(f"w{i}", p) for i, (p, _) in enumerate(rows)])
    checked = check(generation)
    assert isinstance(checked, Checked)
    found = token_sar_weighted(checked, [similarity for _, similarity in rows])
    assert isinstance(found, float)
    costs = [-math.log(p) for p, _ in rows]
    assert min(costs) - 1e-9 <= found <= max(costs) + 1e-9


# --- claims --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forward", "backward", "label"),
    [
        (SAME, SAME, "entailment"),
        (OTHER, OTHER, "contradiction"),
        (NEITHER, NEITHER, "neutral"),
        (SAME, OTHER, "neutral"),
        (NEITHER, OTHER, "contradiction"),
        (SAME, NEITHER, "entailment"),
    ],
)
def test_two_directions_make_one_label(forward: Nli, backward: Nli, label: str) -> None:
    assert joint_label(forward, backward) == label
    assert joint_label(backward, forward) == label


def claim(*rows: tuple[tuple[str, float, Nli], ...]) -> Evidence:
    """Per token its alternatives, the first of which is the token itself."""
    tokens = tuple(
        Token(row[0][0], math.log(row[0][1]), tuple(Alternative(t, math.log(p)) for t, p, _ in row))
        for row in rows
    )
    nli = tuple(tuple((label, label) for _, _, label in row) for row in rows)
    text = "".join(token.token for token in tokens)
    return Evidence("q", Generation(text, tokens), alternatives_nli=nli)


def test_a_claim_is_as_sure_as_its_wordings_together() -> None:
    first = (
        ("big", 0.5, NEITHER),
        (" large", 0.3, SAME),
        (" small", 0.1, OTHER),
        (" a", 0.1, NEITHER),
    )
    second = ((" dog", 0.8, NEITHER), (" cat", 0.2, OTHER))
    signal = read(Ccp(), claim(first, second))
    assert signal.value == pytest.approx(0.8 / 0.9 * 0.8)
    assert signal.raw == -signal.value


def test_a_claim_without_opposition_is_certain() -> None:
    assert read(Ccp(), claim((("big", 0.5, NEITHER), ("large", 0.5, SAME)))).value == 1.0


def test_a_drawn_token_that_is_not_listed_counts_as_itself() -> None:
    given = claim((("big", 0.1, NEITHER), ("small", 0.3, OTHER)))
    (token,) = given.greedy.tokens
    unlisted = Token("big", token.logprob, token.top_logprobs[1:])
    assert given.alternatives_nli is not None
    evidence = Evidence(
        "q", Generation("big", (unlisted,)), alternatives_nli=(given.alternatives_nli[0][1:],)
    )
    assert read(Ccp(), evidence).value == pytest.approx(read(Ccp(), given).value)
    assert read(Ccp(), given).value == pytest.approx(0.25)


def test_only_the_ten_most_probable_alternatives_are_asked() -> None:
    rows = (("x", 0.5, NEITHER), *((f"a{i}", 0.04, SAME) for i in range(9)), ("late", 0.03, OTHER))
    assert read(Ccp(), claim(rows)).value == 1.0
    rows = (("x", 0.5, NEITHER), *((f"a{i}", 0.04, SAME) for i in range(8)), ("late", 0.03, OTHER))
    assert read(Ccp(), claim(rows)).value == pytest.approx(0.82 / 0.85)


def test_nli_must_fit() -> None:
    good = claim((("big", 0.5, NEITHER), ("small", 0.5, OTHER)))
    assert reason(Ccp(), Evidence("q", good.greedy)) == "no NLI of the alternatives"
    short = Evidence("q", good.greedy, alternatives_nli=())
    assert "each of 1 tokens" in reason(Ccp(), short)
    odd = Evidence("q", good.greedy, alternatives_nli=(((SAME, SAME), ((0.5, 0.0, 0.0), SAME)),))
    assert "sum to 1" in reason(Ccp(), odd)
    third = Evidence("q", good.greedy, alternatives_nli=(((SAME, SAME),) * 3,))
    assert reason(Ccp(), third) == "expected NLI for 2 alternatives, got 3"
    first = Evidence("q", good.greedy, alternatives_nli=(((SAME, SAME),),))
    assert reason(Ccp(), first) == "expected NLI for 2 alternatives, got 1"


def test_a_token_without_alternatives_is_not_certain() -> None:
    bare = answer(("Oslo", 0.2))
    assert reason(Ccp(), Evidence("q", bare, alternatives_nli=((),))) == "top-k < 2"


def test_nli_of_the_first_ten_is_enough() -> None:
    rows = (("x", 0.5, NEITHER), *((f"a{i}", 0.04, OTHER) for i in range(12)))
    whole = claim(rows)
    assert whole.alternatives_nli is not None
    ten = Evidence("q", whole.greedy, alternatives_nli=(whole.alternatives_nli[0][:10],))
    assert read(Ccp(), ten) == read(Ccp(), whole)
    assert read(Ccp(), ten).value == pytest.approx(0.5 / (0.5 + 9 * 0.04))


def test_an_alternative_listed_twice_counts_once() -> None:
    once = claim((("big", 0.5, NEITHER), ("small", 0.3, OTHER)))
    twice = claim((("big", 0.5, NEITHER), ("small", 0.3, OTHER), ("small", 0.2, OTHER)))
    assert read(Ccp(), twice).value == pytest.approx(read(Ccp(), once).value)


@given(
    st.lists(
        st.tuples(st.floats(0.001, 1.0), st.sampled_from([SAME, OTHER, NEITHER])),
        min_size=1,
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_the_share_of_a_claim_is_that_of_its_masses(
    drawn: list[tuple[float, Nli]], order: random.Random
) -> None:
    """Against sums of plain probabilities, whatever the order of the alternatives."""
    total = 1.0 + sum(p for p, _ in drawn)
    rows = [("x", 1.0 / total, NEITHER)]
    rows += [(f"a{i}", p / total, label) for i, (p, label) in enumerate(drawn)]
    order.shuffle(rows)
    chosen = next(row for row in rows if row[0] == "x")
    token = Token("x", math.log(chosen[1]), tuple(Alternative(t, math.log(p)) for t, p, _ in rows))
    nli = tuple((label, label) for _, _, label in rows)
    evidence = Evidence("q", Generation("x", (token,)), alternatives_nli=(nli,))
    same = chosen[1] + sum(p for t, p, label in rows if label == SAME)
    opposed = sum(p for _, p, label in rows if label == OTHER)
    signal = read(Ccp(), evidence)
    assert signal.value == pytest.approx(same / (same + opposed))
    assert -1.0 <= signal.raw <= 0.0


# --- whatever is there ---------------------------------------------------------------------------

any_number = st.one_of(st.floats(), st.sampled_from([0.0, 1.0, 0.5, -9999.0, 1e-7]))
any_triple = st.one_of(
    st.sampled_from([SAME, OTHER, NEITHER]), st.tuples(any_number, any_number, any_number)
)


@st.composite
def fitting_evidence(draw: st.DrawFn) -> Evidence:
    """Shapes that fit, around numbers of any kind."""
    usable = st.floats(min_value=-30.0, max_value=0.0)
    logprobs = usable if draw(st.booleans()) else st.one_of(usable, any_number)
    tokens, nli = [], []
    for piece in draw(st.lists(st.sampled_from(["Oslo", " 42", " in", "</s>", "."]), min_size=1)):
        others = draw(st.lists(st.tuples(st.sampled_from("abc"), logprobs), max_size=4))
        alternatives = tuple(Alternative(text, logprob) for text, logprob in others)
        tokens.append(Token(piece, draw(logprobs), alternatives))
        nli.append(tuple((draw(any_triple), draw(any_triple)) for _ in others))
    similarities = draw(st.lists(any_number, min_size=len(tokens), max_size=len(tokens)))
    return Evidence(
        "q",
        Generation("".join(token.token for token in tokens), tuple(tokens)),
        greedy_token_similarity=tuple(similarities),
        alternatives_nli=tuple(nli),
    )


@given(fitting_evidence())
def test_numbers_of_any_kind_give_a_sound_reading(evidence: Evidence) -> None:
    for found in (TokenSar(), Ccp(), Cer()):
        reading = found.estimate(evidence)
        if isinstance(reading, Signal):
            assert 0.0 <= reading.value <= 1.0
            assert math.isfinite(reading.raw)
        else:
            assert reading.reason
