"""Which call of which library does what an estimator of ours does, for the table of times."""

from __future__ import annotations

__all__ = ["LMP", "UQLM", "at_once"]

_GRAPHS = {"deg": "DegMat", "eigv": "EigValLaplacian", "ecc": "Eccentricity"}

LMP: dict[str, str] = {
    "g_nll": "MaximumSequenceProbability",
    "perplexity": "Perplexity",
    "mean_token_entropy": "MeanTokenEntropy, calculator included",
    "self_certainty": "SelfCertainty",
    "renyi_divergence": "RenyiNeg",
    "fisher_rao": "FisherRao",
    "token_sar": "TokenSAR",
    "ccp": "CCP",
    "mc_sequence_entropy": "MonteCarloNormalizedSequenceEntropy",
    "mc_sequence_entropy_total": "MonteCarloSequenceEntropy",
    "lexical_similarity": "LexicalSimilarity_rougeL",
    "lexical_similarity_rouge1": "LexicalSimilarity_rouge1",
    "lexical_similarity_rouge2": "LexicalSimilarity_rouge2",
    "lexical_similarity_bleu": "LexicalSimilarity_BLEU",
    **{f"{mine}_jaccard": f"{theirs}_Jaccard_score" for mine, theirs in _GRAPHS.items()},
    **{
        f"{mine}_{kind}": f"{theirs}_NLI_score_{kind}"
        for mine, theirs in _GRAPHS.items()
        for kind in ("entail", "contra")
    },
    "kle": "KernelLanguageEntropy",
    "luq": "LUQ",
    "num_semantic_sets": "NumSemSets",
    "semantic_entropy": "SemanticEntropyEmpirical, calculator included",
    "semantic_entropy_rao": "SemanticEntropy, calculator included",
    "semantic_density": "SemanticDensityOutput",
    "sent_sar": "SentenceSAR",
    "sar": "SAR",
    "cocoa": "CocoaPPL",
    "cocoa_g_nll": "CocoaMSP",
    "cocoa_entropy": "CocoaMTE",
}
"""LM-Polygraph's estimators, with those of its calculators that need no model. They start from
arrays, ours from records as parsed, so that ours include the search for faulty logprobs."""

UQLM: dict[str, str] = {
    "perplexity": "sequence + min probability",
    "min_token_prob": "sequence + min probability",
    "token_negentropy_mean": "negentropy mean + min + margin",
    "token_negentropy_min": "negentropy mean + min + margin",
    "probability_margin": "negentropy mean + min + margin",
    "exact_match": "exact match",
    "mc_probability": "monte carlo probability",
    "token_consistency_cosine": "cosine",
    "noncontradiction": "noncontradiction + entailment",
    "entailment": "noncontradiction + entailment",
    "num_semantic_sets": "semantic entropy, both",
    "semantic_entropy": "semantic entropy, both",
    "semantic_entropy_rao": "semantic entropy, both",
    "semantic_density": "semantic density",
    "cocoa": "consistency and confidence",
}
"""UQLM's scorers, of which one call gives up to three numbers."""


def at_once(calls: dict[str, str], label: str) -> int:
    """How many estimators of ours one call stands beside."""
    return sum(found == label for found in calls.values())
