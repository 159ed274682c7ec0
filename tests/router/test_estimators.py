"""Each estimator gives the number that its formula gives by hand, and says when it has none."""

from __future__ import annotations

import itertools
import math

import pytest

from surefoot.router.answers import answer_class
from surefoot.router.errors import ConfigurationError
from surefoot.router.estimators.catalogue import ALIASES, Options, estimator, names
from surefoot.router.estimators.g_nll import GNll
from surefoot.router.estimators.lexical_support import LexicalSupport
from surefoot.router.estimators.mean_token_entropy import MeanTokenEntropy
from surefoot.router.estimators.min_token_prob import MinTokenProb
from surefoot.router.estimators.perplexity import Perplexity
from surefoot.router.estimators.probability_margin import ProbabilityMargin
from surefoot.router.estimators.self_consistency import SelfConsistency
from surefoot.router.evidence import Alternative, Evidence, Generation, Passage, Token
from surefoot.router.protocols import Estimator, Needs
from surefoot.router.signals import Signal, Unavailable


def token(piece: str, p: float | None, *top: float) -> Token:
    alternatives = tuple(Alternative(f"{piece}/{i}", math.log(q)) for i, q in enumerate(top))
    return Token(piece, None if p is None else math.log(p), alternatives)


def evidence(*tokens: Token) -> Evidence:
    text = "".join(found.token for found in tokens).strip()
    return Evidence("Which city?", Generation(text, tokens))


def votes(greedy: str, *samples: str) -> Evidence:
    return Evidence("Which city?", Generation(greedy), samples=tuple(map(Generation, samples)))


def read(found: Estimator, given: Evidence) -> Signal:
    signal = found.estimate(given)
    assert isinstance(signal, Signal), signal
    return signal


def test_g_nll_sums_all_tokens_punctuation_and_control_tokens_included() -> None:
    given = evidence(token("New", 0.5), token(" York", 0.25), token(".", 0.5))
    signal = read(GNll(), given)
    assert signal.raw == pytest.approx(math.log(16))
    assert signal.value == pytest.approx(1 / 16)
    assert signal.direction == "uncertainty"
    assert signal.score == -signal.raw
    ended = Generation("New York.", (*given.greedy.tokens, token("</s>", 0.5)))
    assert read(GNll(), Evidence("", ended)).raw == pytest.approx(math.log(32))


def test_g_nll_keeps_its_order_where_the_probability_underflows() -> None:
    long = [token(f" w{i}", 1e-9) for i in range(50)]
    longer = [*long, token(" end", 0.5)]
    first, second = read(GNll(), evidence(*long)), read(GNll(), evidence(*longer))
    assert first.value == second.value == math.exp(-700)
    assert first.score > second.score


def test_g_nll_needs_every_token_but_control_tokens() -> None:
    ended = Generation("Rome", (token("Rome", 0.5), token("</s>", None)))
    assert read(GNll(), Evidence("", ended)).raw == pytest.approx(math.log(2))
    gap = evidence(token("Rome", 0.5), token(".", None))
    assert GNll().estimate(gap) == Unavailable("missing token")


def test_perplexity_is_the_inverse_geometric_mean_over_content_tokens() -> None:
    given = evidence(token("New", 0.5), token(" York", 0.125), token(".", 0.01))
    signal = read(Perplexity(), given)
    assert signal.raw == pytest.approx(4.0)
    assert signal.value == pytest.approx(0.25)
    assert signal.direction == "uncertainty"
    assert signal.details["log_perplexity"] == pytest.approx(math.log(4))
    assert (signal.details["filter"], signal.details["coverage"]) == ("content", 1.0)
    unfiltered = read(Perplexity(content_filter=False), given)
    assert unfiltered.raw == pytest.approx((0.5 * 0.125 * 0.01) ** (-1 / 3))
    assert unfiltered.details["filter"] == "off"


def test_perplexity_reports_what_it_did_not_see() -> None:
    tokens = [token(f" w{i}", 0.5) for i in range(9)]
    signal = read(Perplexity(), evidence(*tokens, token(" gap", None)))
    assert signal.raw == pytest.approx(2.0)
    assert signal.details["coverage"] == pytest.approx(0.9)
    assert signal.details["missing_tokens"] == 1
    too_few = evidence(*tokens[:8], token(" gap", None))
    assert Perplexity().estimate(too_few) == Unavailable("missing token")


def test_perplexity_of_hopeless_tokens_does_not_overflow() -> None:
    given = Evidence("", Generation("x", (Token("x", -9998.0),)))
    signal = read(Perplexity(), given)
    assert (signal.raw, signal.value) == (math.exp(700), math.exp(-700))


def test_min_token_prob_ignores_formatting_unless_told_not_to() -> None:
    given = evidence(token("**", 0.01), token("New", 0.9), token(" York", 0.3), token(".", 0.2))
    signal = read(MinTokenProb(), given)
    assert signal.raw == signal.value == pytest.approx(0.3)
    assert (signal.direction, signal.details["position"]) == ("confidence", 2)
    assert read(MinTokenProb(content_filter=False), given).raw == pytest.approx(0.01)


def test_min_token_prob_needs_every_content_token() -> None:
    tokens = [token(f" w{i}", 0.5) for i in range(99)]
    gap = evidence(*tokens, token(" gap", None))
    assert MinTokenProb().estimate(gap) == Unavailable("missing token")


def test_an_answer_of_signs_only_is_read_with_all_its_tokens() -> None:
    signal = read(MinTokenProb(), evidence(token("?", 0.4), token("!", 0.2)))
    assert signal.raw == pytest.approx(0.2)
    assert signal.details["filter"] == "fallback"


def test_entropy_of_the_top_k_is_renormalized() -> None:
    # Half of the mass is outside of the five: without renormalization this would be 1.151.
    signal = read(MeanTokenEntropy(), evidence(token("x", 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)))
    assert signal.raw == pytest.approx(math.log(5))
    assert signal.value == pytest.approx(1 / 5)
    assert signal.direction == "uncertainty"
    assert signal.details["k"] == 5
    assert signal.details["captured_mass"] == pytest.approx(0.5)


def test_entropy_is_averaged_over_content_tokens() -> None:
    given = evidence(
        token("x", 0.5, 0.5, 0.5),
        token(" y", 0.75, 0.75, 0.25),
        token(".", 0.5, 0.25, 0.25, 0.25, 0.25),
    )
    second = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    signal = read(MeanTokenEntropy(), given)
    assert signal.raw == pytest.approx((math.log(2) + second) / 2)
    off = read(MeanTokenEntropy(content_filter=False), given)
    assert off.raw == pytest.approx((math.log(2) + second + math.log(4)) / 3)
    assert off.details["k"] == 2


def test_entropy_survives_alternatives_too_improbable_for_a_float() -> None:
    alternatives = (Alternative("a", -5000.0), Alternative("b", -5000.0 - math.log(3)))
    given = Evidence("", Generation("a", (Token("a", -5000.0, alternatives),)))
    expected = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert read(MeanTokenEntropy(), given).raw == pytest.approx(expected)


def test_margin_is_between_the_two_largest_whichever_was_chosen() -> None:
    given = evidence(token("x", 0.2, 0.2, 0.1, 0.7), token(" y", 0.5, 0.5, 0.5))
    signal = read(ProbabilityMargin(), given)
    assert signal.raw == signal.value == pytest.approx((0.5 + 0.0) / 2)
    assert (signal.direction, signal.details["k"]) == ("confidence", 2)


@pytest.mark.parametrize("found", [MeanTokenEntropy(), ProbabilityMargin()])
def test_one_alternative_is_no_distribution(found: Estimator) -> None:
    assert found.estimate(evidence(token("x", 0.5, 0.5))) == Unavailable("top-k < 2")
    assert found.estimate(evidence(token("x", 0.5))) == Unavailable("top-k < 2")


@pytest.mark.parametrize("found", [MeanTokenEntropy(), ProbabilityMargin()])
def test_a_peaked_distribution_is_surer_than_a_flat_one(found: Estimator) -> None:
    peaked = read(found, evidence(token("x", 0.98, 0.98, 0.01, 0.01)))
    flat = read(found, evidence(token("x", 0.98, 0.34, 0.33, 0.33)))
    assert peaked.value > flat.value
    assert peaked.score > flat.score


@pytest.mark.parametrize("found", [MeanTokenEntropy(), ProbabilityMargin()])
def test_the_order_of_alternatives_changes_nothing(found: Estimator) -> None:
    tops = itertools.permutations((0.6, 0.25, 0.1))
    signals = {read(found, evidence(token("x", 0.6, *top))).raw for top in tops}
    assert len(signals) == 1


def test_self_consistency_is_the_share_of_the_majority() -> None:
    signal = read(SelfConsistency(), votes("Rome", "Paris", "the paris.", "Oslo", "Rome", " Paris"))
    assert signal.raw == signal.value == pytest.approx(3 / 5)
    assert signal.details == {"majority": "Paris", "greedy_agrees": False, "m": 5, "classes": 3}


def test_the_greedy_answer_breaks_ties_for_its_own_class_only() -> None:
    samples = ("Rome", "Rome", "Oslo", "Oslo", "Bonn")
    with_greedy = read(SelfConsistency(), votes("rome!", *samples)).details
    assert (with_greedy["majority"], with_greedy["greedy_agrees"]) == ("Rome", True)
    assert with_greedy["tied"] == "oslo | rome"
    without = read(SelfConsistency(), votes("Bonn", *samples)).details
    assert (without["majority"], without["greedy_agrees"]) == ("Oslo", False)


def test_an_empty_sample_is_counted_as_a_class_of_its_own() -> None:
    signal = read(SelfConsistency(), votes("Rome", "Rome", "Rome", " ", ""))
    assert signal.raw == 0.5
    assert signal.details["classes"] == 2


def test_self_consistency_needs_two_samples() -> None:
    assert SelfConsistency().estimate(votes("Rome")) == Unavailable("no samples")
    assert SelfConsistency().estimate(votes("Rome", "Rome")) == Unavailable("needs 2 samples")
    assert SelfConsistency().estimate(votes(" ", "Rome", "Rome")) == Unavailable("empty answer")


def test_identical_samples_are_full_agreement() -> None:
    assert read(SelfConsistency(), votes("Rome", *["Rome"] * 5)).value == 1.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Paris", "paris."),
        ("24,000 miles", "24000 miles"),
        ("Bull-fighter", "Bullfighter"),
        ("J.K. Rowling", "JK Rowling"),
        ("A.", "a"),
        ("1723-1792", "1723 - 1792"),
        ("\u22125", "-5"),
    ],
)
def test_texts_that_are_the_same_answer(one: str, other: str) -> None:
    assert answer_class(one) == answer_class(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("3.5", "35"), ("1/2", "12"), ("-5", "5"), ("A", "B"), ("A", ""), ("1, 2", "12"), ("?", "")],
)
def test_texts_that_are_different_answers(one: str, other: str) -> None:
    assert answer_class(one) != answer_class(other)


PASSAGES = (
    Passage("p1", "", "Paris is the capital of France.", 2.0),
    Passage("p2", "", "Rome is in Italy.", 1.0),
)


def supported(answer: str, passages: tuple[Passage, ...] = PASSAGES) -> Evidence:
    return Evidence("What is the capital of France?", Generation(answer), passages=passages)


def test_lexical_support_by_hand() -> None:
    # Content words: 3 in p1, 2 in p2, 2.5 on average.
    in_p1 = 2.2 / (1 + 1.2 * (0.25 + 0.75 * 3 / 2.5))
    in_p2 = 2.2 / (1 + 1.2 * (0.25 + 0.75 * 2 / 2.5))
    signal = read(LexicalSupport(), supported("It is Paris."))
    assert signal.raw == signal.value == pytest.approx(in_p1)
    assert signal.details == {"passage": "p1", "words": 1, "passages": 2}
    both = read(LexicalSupport(), supported("Paris, Rome"))
    assert both.raw == pytest.approx(in_p2 / 2)
    assert both.details["passage"] == "p2"


def test_lexical_support_weighs_words_of_the_question_less() -> None:
    # "capital" stands in one passage and in the question, "berlin" in none of the 3 documents.
    capital, berlin = math.log(1 + 1.5 / 2.5), math.log(1 + 3.5 / 0.5)
    hit = 2.2 / (1 + 1.2 * (0.25 + 0.75 * 3 / 2.5))
    signal = read(LexicalSupport(), supported("capital Berlin"))
    assert signal.raw == pytest.approx(capital * hit / (capital + berlin))
    assert read(LexicalSupport(), supported("Berlin")).raw == 0.0


def test_lexical_support_is_clipped_in_value_only() -> None:
    echo = (Passage("p", "Paris", "Paris, Paris.", 1.0),)
    signal = read(LexicalSupport(), supported("Paris", echo))
    assert signal.raw == pytest.approx(3 * 2.2 / (3 + 1.2))
    assert signal.value == 1.0


def test_lexical_support_does_not_depend_on_the_order_of_passages() -> None:
    one, other = supported("Paris, Rome"), supported("Paris, Rome", PASSAGES[::-1])
    assert LexicalSupport().estimate(one) == LexicalSupport().estimate(other)


def test_lexical_support_without_passages_or_words() -> None:
    assert LexicalSupport().estimate(supported("Paris", ())) == Unavailable("no passages")
    assert LexicalSupport().estimate(supported("It is.")) == Unavailable("no content words")
    blank = (Passage("p", "", "", 0.0),)
    assert read(LexicalSupport(), supported("Paris", blank)).raw == 0.0


def test_the_catalogue_knows_names_and_aliases() -> None:
    assert names() == tuple(sorted(names()))
    assert [estimator(name).name for name in names()] == list(names())
    assert {alias: estimator(alias).name for alias in ALIASES} == ALIASES
    assert {"msp", "label_prob"} <= set(ALIASES)


def test_options_reach_the_estimators_they_concern() -> None:
    options = Options(content_filter=False, samples=9)
    assert estimator("perplexity", options) == Perplexity(content_filter=False)
    assert estimator("self_consistency", options).needs == Needs(samples=9)
    assert estimator("self_consistency").needs == Needs(samples=5)


def test_an_unknown_name_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'perplexity'") as caught:
        estimator("perplexty")
    assert caught.value.field == "signals"
    with pytest.raises(ConfigurationError, match="`surefoot estimators` lists them"):
        estimator("zzz")
