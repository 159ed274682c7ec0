"""Likelihoods whose tokens do not count alike: by relevance, by claim, by what they commit to."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.estimators.ccp import Ccp, joint_label
from surefoot.router.estimators.cer import Cer, critical_spans
from surefoot.router.estimators.token_sar import TokenSar, token_sar_weighted
from surefoot.router.evidence import Alternative, Evidence, Generation, Nli, Token, ToolCall
from surefoot.router.hygiene import Checked, check
from surefoot.router.protocols import Estimator
from surefoot.router.signals import Signal, Unavailable

SAME: Nli = (0.1, 0.2, 0.7)
OTHER: Nli = (0.7, 0.2, 0.1)
NEITHER: Nli = (0.2, 0.6, 0.2)


def answer(*pieces: tuple[str, float]) -> Generation:
    tokens = tuple(Token(text, math.log(p)) for text, p in pieces)
    return Generation("".join(text for text, _ in pieces), tokens)


def read(found: Estimator, evidence: Evidence) -> Signal:
    signal = found.estimate(evidence)
    assert isinstance(signal, Signal), signal
    return signal


def reason(found: Estimator, evidence: Evidence) -> str:
    reading = found.estimate(evidence)
    assert isinstance(reading, Unavailable), reading
    return reading.reason


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


# --- numbers and names ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "critical"),
    [
        ("The capital of Norway is Oslo.", [["Norway", "Oslo"]]),
        ("It costs 1,200.50 dollars. Then 3 more!", [["1,200.50"], ["3"]]),
        ("NASA launched it", [["NASA"]]),
        ("Paris", [["Paris"]]),
        ("First step\nSecond Step", [["Step"]]),
        ("no names here", []),
    ],
)
def test_what_an_answer_commits_to(text: str, critical: list[list[str]]) -> None:
    found = [[text[slice(*span)] for span in spans] for spans in critical_spans(text)]
    assert found == critical


def test_later_steps_weigh_more() -> None:
    first = answer(("so ", 0.1), ("4", 0.5), (".\n", 0.1), ("is ", 0.1), ("5", 0.25))
    signal = read(Cer(), Evidence("q", first))
    assert signal.raw == pytest.approx((1 * math.log(2) + 2 * math.log(4)) / 3)
    assert (signal.details["steps"], signal.details["tokens"]) == (2, 2)


def test_a_word_over_several_tokens_counts_with_all_of_them() -> None:
    signal = read(Cer(), Evidence("q", answer(("in ", 0.1), ("Os", 0.5), ("lo", 0.5))))
    assert signal.raw == pytest.approx(math.log(4))


def test_cer_without_anything_critical() -> None:
    assert reason(Cer(), Evidence("q", answer(("so it is", 0.5)))) == "no number and no proper noun"
    call = Generation("", (Token('{"a": 1}', -0.1),), "tool_calls", (ToolCall("f", '{"a": 1}'),))
    assert reason(Cer(), Evidence("q", call)) == "tool call"


@given(st.text(max_size=40))
def test_critical_spans_lie_in_order_within_the_text(text: str) -> None:
    spans = [span for step in critical_spans(text) for span in step]
    assert spans == sorted(spans)
    assert all(0 <= begin < end <= len(text) for begin, end in spans)
