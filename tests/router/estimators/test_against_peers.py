"""Our numbers beside LM-Polygraph's and UQLM's, on evidence that all three were given.

`peers.json` holds made-up evidence and what the two libraries said of it; the command in it records
it anew, in environments of their own. Where a formula means the same, numbers agree to 1e-6 with
the content filter off. Where one of them is wrong by its own source, or differs from us on purpose,
a test shows the difference.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surefoot.router.batch import Batch, BatchEstimator
from surefoot.router.estimators.catalogue import CATALOGUE, Options, estimator
from surefoot.router.estimators.graph_measures import eccentricity_confidences
from surefoot.router.estimators.semantic_classes import Classes, semantic_classes
from surefoot.router.estimators.similarity_graph import similarity_graph, spectrum
from surefoot.router.evidence import Evidence
from surefoot.router.evidence_file import parse_evidence
from surefoot.router.metrics import aurc, prr
from surefoot.router.metrics.reliability import ece
from surefoot.router.signals import Reading, Signal, Unavailable

FIXTURE = Path(__file__).with_name("peers.json")
RECORDED: dict[str, Any] = json.loads(FIXTURE.read_text(encoding="utf-8"))
LMP, UQLM = RECORDED["peers"]["lmp"], RECORDED["peers"]["uqlm"]


def _evidence() -> dict[str, Evidence]:
    lines = [json.dumps(one).encode() for one in RECORDED["evidence"]]
    found = [parse_evidence(line, FIXTURE.name, i).evidence for i, line in enumerate(lines)]
    return {one.id: one for one in found}


EVIDENCE = _evidence()
# The records that a generator made; the others are made by hand to show something.
PLAIN = [name for name in EVIDENCE if name.startswith("r") and name[1:].isdigit()]
UNFILTERED = Options(content_filter=False)
K = 5  # alternatives a token


def ours(name: str, *ids: str) -> list[Reading]:
    """The readings of these records in one batch with all others."""
    found = estimator(name, UNFILTERED)
    assert isinstance(found, BatchEstimator)
    readings = dict(
        zip(EVIDENCE, found.estimate_batch(Batch(list(EVIDENCE.values()))), strict=True)
    )
    return [readings[one] for one in ids]


def our_signal(name: str, record: str) -> Signal:
    (found,) = ours(name, record)
    assert isinstance(found, Signal), found
    return found


def same(number: float) -> float:
    return number


def negative(number: float) -> float:
    return -number


@dataclass(frozen=True, slots=True)
class Pair:
    """An estimator of ours and a measure of theirs that mean the same formula.

    Attributes:
        turned: from our number to theirs, where they have another sign or scale.
        of: which number of ours.
    """

    mine: str
    theirs: str
    turned: Callable[[float], float] = same
    of: str = "raw"


LMP_PAIRS = [
    Pair("g_nll", "MaximumSequenceProbability"),
    Pair("perplexity", "Perplexity", math.log),
    Pair("self_certainty", "SelfCertainty", negative),
    # A distance from uniform: they call it an uncertainty, and their Renyi's is off by 2 ln k.
    Pair("renyi_divergence", "RenyiNeg", lambda found: found - 2.0 * math.log(K)),
    Pair("renyi_divergence_lmp", "RenyiNeg"),
    Pair("fisher_rao", "FisherRao"),
    Pair("fisher_rao_lmp", "FisherRao"),
    Pair("mean_token_entropy_lmp", "MeanTokenEntropy"),
    Pair("token_sar", "TokenSAR"),
    Pair("ccp", "CCP"),
    Pair("mc_sequence_entropy", "MonteCarloNormalizedSequenceEntropy"),
    Pair("mc_sequence_entropy_total", "MonteCarloSequenceEntropy"),
    Pair("lexical_similarity", "LexicalSimilarity_rougeL"),
    Pair("lexical_similarity_rouge1", "LexicalSimilarity_rouge1"),
    Pair("lexical_similarity_rouge2", "LexicalSimilarity_rouge2"),
    Pair("deg_jaccard", "DegMat_Jaccard_score"),
    Pair("eigv_jaccard", "EigValLaplacian_Jaccard_score"),
    Pair("ecc_jaccard", "Eccentricity_Jaccard_score"),
    *[
        Pair(f"{mine}_{kind}{ending}", f"{theirs}_NLI_score_{kind}{diagonal}")
        for mine, theirs in (
            ("deg", "DegMat"),
            ("eigv", "EigValLaplacian"),
            ("ecc", "Eccentricity"),
        )
        for kind in ("entail", "contra")
        # Ours takes a sample to entail itself for certain; theirs does if its matrix says so.
        for ending, diagonal in (("_lmp", ""), ("", ", unit diagonal"))
    ],
    Pair("kle", "KernelLanguageEntropy"),
    Pair("luq", "LUQ"),
    Pair("semantic_entropy", "SemanticEntropyEmpirical"),
    Pair("semantic_entropy_lmp", "SemanticEntropy"),
    Pair("semantic_density_lmp", "SemanticDensityOutput"),
    Pair("sent_sar", "SentenceSAR"),
    Pair("sar", "SAR"),
    Pair("cocoa", "CocoaPPL"),
    Pair("cocoa_g_nll", "CocoaMSP"),
]
UQLM_PAIRS = [
    Pair("perplexity", "sequence_probability", of="value"),
    Pair("min_token_prob", "min_probability"),
    Pair("token_negentropy_mean", "mean_token_negentropy"),
    Pair("token_negentropy_min", "min_token_negentropy"),
    Pair("probability_margin", "probability_margin"),
    Pair("exact_match", "exact_match"),
    Pair("exact_match_uqlm", "exact_match"),
    Pair("mc_probability", "monte_carlo_probability"),
    Pair("token_consistency_cosine", "cosine_sim"),
    Pair("noncontradiction", "noncontradiction"),
    Pair("entailment", "entailment"),
    Pair("semantic_entropy_uqlm", "tokenprob_entropy_values"),
    Pair("semantic_density", "semantic_density"),
    Pair("cocoa_uqlm", "consistency_and_confidence"),
]


def assert_equal(pair: Pair, values: dict[str, float | None]) -> None:
    for record, reading in zip(PLAIN, ours(pair.mine, *PLAIN), strict=True):
        assert isinstance(reading, Signal), (record, reading)
        number = pair.turned(reading.raw if pair.of == "raw" else reading.value)
        assert number == pytest.approx(values[record], rel=1e-6, abs=1e-6), record


@pytest.mark.parametrize("pair", LMP_PAIRS, ids=lambda pair: pair.mine)
def test_the_same_formula_gives_lm_polygraphs_number(pair: Pair) -> None:
    assert_equal(pair, LMP["values"][pair.theirs])


@pytest.mark.parametrize("pair", UQLM_PAIRS, ids=lambda pair: pair.mine)
def test_the_same_formula_gives_uqlms_number(pair: Pair) -> None:
    assert_equal(pair, UQLM["values"][pair.theirs])


def test_every_variant_that_says_it_is_theirs_is_compared() -> None:
    # What it says when asked is read off the question put to a model, which theirs puts itself.
    compared = {pair.mine for pair in (*LMP_PAIRS, *UQLM_PAIRS)} | {"p_true_lmp"}
    variants = {one.name for one in CATALOGUE.values() if one.compatible_with}
    assert variants <= compared
    for one in CATALOGUE.values():
        assert one.compatible_with in (
            None,
            f"{LMP['library']} {LMP['version']}",
            f"{UQLM['library']} {UQLM['version']}",
        )


def test_the_evidence_is_what_the_benchmark_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the recorded numbers cannot be made again."""
    scripts = Path(__file__).parents[3] / "benchmarks" / "peers"
    monkeypatch.syspath_prepend(str(scripts))
    recorder = import_module("record")
    assert recorder.COMMAND == RECORDED["command"]
    assert json.loads(json.dumps(recorder.evidence())) == RECORDED["evidence"]


def test_the_records_tell_formulas_apart() -> None:
    """Numbers that hardly differ between records would agree whatever the formula."""
    pairs = [*((LMP, p) for p in LMP_PAIRS), *((UQLM, p) for p in UQLM_PAIRS)]
    for library, pair in pairs:
        numbers = [library["values"][pair.theirs][record] for record in PLAIN]
        assert len({round(number, 6) for number in numbers}) >= 4, pair.theirs
        assert np.ptp(numbers) > 0.02, pair.theirs


# Where they are wrong by the sources that they name.


def test_lm_polygraphs_direct_semantic_entropy_counts_a_class_once_a_sample() -> None:
    record = "classes of 3, 1 and 1"
    entropy = -sum(p * math.log(p) for p in (0.6, 0.2, 0.2))
    theirs = LMP["values"]["SemanticEntropyEmpirical (Direct)"][record]
    assert theirs == pytest.approx(-3 * 0.6 * math.log(0.6) - 2 * 0.2 * math.log(0.2))
    assert entropy == pytest.approx(0.950, abs=1e-3) and theirs == pytest.approx(1.563, abs=1e-3)
    assert our_signal("semantic_entropy", record).raw == pytest.approx(entropy)


def test_lm_polygraphs_semantic_entropy_of_equal_samples_is_negative() -> None:
    theirs = LMP["values"]["SemanticEntropy"]["five alike"]
    assert theirs == pytest.approx(-math.log(5 * 0.9))
    for name in ("semantic_entropy", "semantic_entropy_rao"):
        assert our_signal(name, "five alike").raw == 0.0
        assert our_signal(name, "five alike").value == 1.0
    assert our_signal("semantic_entropy_lmp", "five alike").raw == pytest.approx(theirs)


@pytest.mark.parametrize(
    ("mine", "theirs"), [("renyi_divergence", "RenyiNeg"), ("fisher_rao", "FisherRao")]
)
def test_lm_polygraph_takes_a_peaked_distribution_for_more_uncertain(
    mine: str, theirs: str
) -> None:
    values = LMP["values"][theirs]
    assert values["peaked"] > values["flat"]  # and high is unsure, it says
    peaked, flat = our_signal(mine, "peaked"), our_signal(mine, "flat")
    assert peaked.score > flat.score and peaked.value > flat.value
    assert flat.raw == pytest.approx(0.0, abs=1e-6)


def test_lm_polygraphs_second_eccentricity_is_one_an_eigenvector() -> None:
    counts = LMP["values"]["Eccentricity, second output"]
    graph = similarity_graph(Batch([EVIDENCE[one] for one in PLAIN]), "jaccard")
    (stack,) = graph.stacks
    assert eccentricity_confidences(spectrum(stack.values)).shape == (len(PLAIN), 5)
    assert any(counts[one] != 5 for one in PLAIN)


def test_lm_polygraphs_entropy_of_the_top_k_is_not_of_a_distribution() -> None:
    record = "half of the mass"  # five alternatives of .1 each
    assert LMP["values"]["MeanTokenEntropy"][record] == pytest.approx(-0.5 * math.log(0.1))
    assert our_signal("mean_token_entropy", record).raw == pytest.approx(math.log(K))


@pytest.mark.parametrize(
    ("mine", "theirs"), [("mean_token_entropy", "MeanTokenEntropy"), ("cocoa_entropy", "CocoaMTE")]
)
def test_the_entropy_differs_from_lm_polygraphs_by_that_alone(mine: str, theirs: str) -> None:
    """Per token theirs is m (H - ln m), m the mass of the alternatives: less or more than H."""
    for record in PLAIN:
        own, other = [], []
        for token in EVIDENCE[record].greedy.tokens:
            p = np.exp([one.logprob for one in token.top_logprobs])
            q = p / p.sum()
            own.append(-(q * np.log(q)).sum())
            other.append(p.sum() * (own[-1] - math.log(p.sum())))
        similar = EVIDENCE[record].greedy_similarity
        assert similar is not None
        factor = 1.0 if mine == "mean_token_entropy" else 1.0 - float(np.mean(similar))
        assert our_signal(mine, record).raw == pytest.approx(factor * np.mean(own))
        assert LMP["values"][theirs][record] == pytest.approx(factor * np.mean(other))
        assert factor == 0.0 or abs(np.mean(own) - np.mean(other)) > 1e-3


def test_what_has_no_tokens_is_certain_to_lm_polygraph() -> None:
    assert LMP["outside_estimators"]["wrapper without tokens"] == 0.0
    assert LMP["values"]["MaximumSequenceProbability"]["empty answer"] == 0.0
    assert ours("g_nll", "empty answer") == [Unavailable("empty answer")]
    # A sample without logprobs counts as one of probability 1.
    record = "a sample without logprobs"
    theirs = LMP["values"]["MonteCarloSequenceEntropy"][record]
    assert theirs == pytest.approx(-math.log(0.9) * 2 / 3)
    assert ours("mc_sequence_entropy_total", record) == [Unavailable("a sample: no logprobs")]


def test_no_samples_are_the_surest_ones_to_lm_polygraph() -> None:
    for mine, theirs in (("eigv_jaccard", "EigValLaplacian"), ("ecc_jaccard", "Eccentricity")):
        assert LMP["values"][f"{theirs}_Jaccard_score"]["no samples"] == 0.0
        (reading,) = ours(mine, "no samples")
        assert isinstance(reading, Unavailable)


def test_lm_polygraphs_calibration_error_drops_confidences() -> None:
    """Of .3 and .7, both wrong, it says 0: the negative of 1 - confidence is in no bin."""
    assert LMP["outside_estimators"]["ece of confidences .3 and .7"] == 0.0
    assert ece([0.3, 0.7], [0, 0]) == pytest.approx(0.5)


def test_lm_polygraphs_areas_depend_on_the_order_of_equal_scores() -> None:
    for name, area in (("prr", prr), ("rcc-auc", aurc)):
        one, other = LMP["outside_estimators"][name]
        assert abs(one - other) > 0.5
        tied, losses = [0.5] * 4, [0.0, 0.0, 1.0, 1.0]
        assert area(tied, losses) == area(tied, losses[::-1])


def test_uqlms_classes_overlap() -> None:
    """A and B are unrelated and both entail C: C is in both of its classes."""
    assert UQLM["values"]["num_semantic_sets"]["overlap"] == 2
    shares = (3 / 5, 2 / 5)  # of A, A, C and of B, C: five members of four answers
    theirs = UQLM["values"]["discrete_entropy_values"]["overlap"]
    assert theirs == pytest.approx(-sum(p * math.log(p) for p in shares))
    (found,) = semantic_classes(Batch([EVIDENCE["overlap"]]))
    assert isinstance(found, Classes)
    assert found.sizes == [1, 1, 1]
    assert our_signal("semantic_entropy", "overlap").raw == pytest.approx(math.log(3))


def test_uqlms_negentropy_needs_exactly_the_alternatives_it_asked_for() -> None:
    for mine, theirs in (
        ("token_negentropy_mean", "mean_token_negentropy"),
        ("token_negentropy_min", "min_token_negentropy"),
    ):
        for record in PLAIN:
            assert UQLM["values"][f"{theirs}, 15 asked"][record] is None
            assert our_signal(mine, record).details["k"] == K


def test_uqlm_reads_a_verdict_off_the_sampled_token_alone() -> None:
    values = UQLM["values"]["p_true"]
    assert values["maybe"] is None
    assert our_signal("p_true", "maybe").raw == pytest.approx(0.3 / 0.4)
    assert values["false"] == pytest.approx(1.0 - 0.6)  # though "True" had .2
    assert our_signal("p_true", "false").raw == pytest.approx(0.2 / 0.8)


@pytest.mark.parametrize(
    ("mine", "theirs", "record"),
    [
        ("mc_probability", "monte_carlo_probability", "a sample without logprobs"),
        ("semantic_entropy_uqlm", "tokenprob_entropy_values", "a sample without logprobs"),
        ("semantic_density", "semantic_density", "a sample without logprobs"),
        ("noncontradiction", "noncontradiction", "no samples"),
        ("exact_match", "exact_match", "no samples"),
        ("perplexity", "sequence_probability", "empty answer"),
    ],
)
def test_what_uqlm_calls_nan_has_a_reason(mine: str, theirs: str, record: str) -> None:
    """The reason is that record's alone: `assert_equal` reads the others in the same batch."""
    assert UQLM["values"][theirs][record] is None
    (reading,) = ours(mine, record)
    assert isinstance(reading, Unavailable) and reading.reason


def test_a_record_without_samples_kills_a_batch_of_uqlms_scorers() -> None:
    for scorer in ("semantic entropy, both", "semantic density"):
        assert "ZeroDivisionError" in UQLM["errors"][scorer]["no samples"]
    assert ours("semantic_entropy", "no samples") == [Unavailable("no samples")]


def test_uqlm_compares_spellings() -> None:
    assert UQLM["values"]["exact_match"]["spelling"] == pytest.approx(1 / 3)
    assert our_signal("exact_match_uqlm", "spelling").raw == pytest.approx(1 / 3)
    assert our_signal("exact_match", "spelling").raw == 1.0


def test_an_exact_match_does_not_sleep() -> None:
    """UQLM's waits for a tenth of a second after each call."""
    assert UQLM["sleeps_s"]["exact match"] == pytest.approx(0.1)
    found, record = estimator("exact_match"), EVIDENCE[PLAIN[0]]

    def seconds() -> float:
        began = time.perf_counter()
        found.estimate(record)
        return time.perf_counter() - began

    assert min([seconds() for _ in range(20)]) < 0.005


# Where we mean something else, on purpose.


def test_one_word_answers_that_are_equal_are_alike_to_rouge_2() -> None:
    record = "one word each"  # Paris, Paris, Rome
    assert LMP["values"]["LexicalSimilarity_rouge2"][record] == 0.0
    assert our_signal("lexical_similarity_rouge2", record).raw == pytest.approx(-1 / 3)


def test_bleu_is_lm_polygraphs_of_both_orders_averaged() -> None:
    """But for answers of three words, whose n-grams weigh .33 each there and a third here."""
    values = LMP["values"]["LexicalSimilarity_BLEU"]
    turned = LMP["values"]["LexicalSimilarity_BLEU, samples reversed"]
    assert any(abs(values[record] - turned[record]) > 1e-3 for record in PLAIN)
    for record in PLAIN:
        words = {len(sample.text.split()) for sample in EVIDENCE[record].samples}
        both = (values[record] + turned[record]) / 2.0
        # Without smoothing a precision of 0 is one of 2e-308 there: its root is not 0.
        tolerance = 0.01 if 3 in words else 1e-6
        assert our_signal("lexical_similarity_bleu", record).raw == pytest.approx(
            both, abs=tolerance
        )


def test_semantic_sets_are_classes_of_mutual_entailment_among_samples() -> None:
    """LM-Polygraph's join where e > c both ways, through chains; UQLM's count the answer too."""
    mine = [our_signal("num_semantic_sets", record).raw for record in PLAIN]
    lmp = [LMP["values"]["NumSemSets"][record] for record in PLAIN]
    assert all(a >= b for a, b in zip(mine, lmp, strict=True)) and mine != lmp
    assert mine != [UQLM["values"]["num_semantic_sets"][record] for record in PLAIN]


def test_label_probability_is_of_spellings_here_and_of_meanings_there() -> None:
    record = "classes of 3, 1 and 1"
    assert LMP["values"]["LabelProb"][record] == pytest.approx(1.0 - 3 / 5)
    assert our_signal("self_consistency", record).raw == pytest.approx(3 / 5)
