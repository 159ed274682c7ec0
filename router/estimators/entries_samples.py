"""The catalogue's estimators that look at several samples."""

from __future__ import annotations

from .agreement import AnswerEntropy, ExactMatch, ExactMatchUqlm, NumDistinct
from .deepconf_vote import DeepconfVote
from .entry import Entry
from .lexical_similarity import (
    LexicalSimilarity,
    LexicalSimilarityBleu,
    LexicalSimilarityRouge1,
    LexicalSimilarityRouge2,
)
from .path_votes import PplVote, Rpc
from .sample_probability import McProbability, McSequenceEntropy
from .self_consistency import SelfConsistency
from .token_consistency_cosine import TokenConsistencyCosine

__all__ = ["SAMPLES"]

SAMPLES: tuple[Entry, ...] = (
    Entry(
        "self_consistency",
        lambda options: SelfConsistency(options.samples),
        "samples",
        "share of the most frequent answer among the samples",
        "Wang et al. 2023, arXiv 2203.11171",
    ),
    Entry(
        "exact_match",
        lambda options: ExactMatch(options.samples),
        "samples",
        "share of samples that give the same answer as the greedy one",
        "Cole et al. 2023, arXiv 2305.14613",
    ),
    Entry(
        "exact_match_uqlm",
        lambda options: ExactMatchUqlm(options.samples),
        "samples",
        "share of samples that equal the greedy answer sign by sign",
        "Bouchard and Chauhan 2025 (UQLM), arXiv 2504.19254",
        compatible_with="UQLM 0.6.7",
    ),
    Entry(
        "answer_entropy",
        lambda options: AnswerEntropy(options.samples),
        "samples",
        "entropy of the samples' answers",
        "ours, after Farquhar et al. 2024, Nature 630",
    ),
    Entry(
        "num_distinct",
        lambda options: NumDistinct(options.samples),
        "samples",
        "number of different answers among the samples",
        "ours, after Kuhn et al. 2023, arXiv 2302.09664",
    ),
    Entry(
        "lexical_similarity",
        lambda options: LexicalSimilarity(options.samples),
        "samples",
        "mean ROUGE-L F1 between samples",
        "Fomicheva et al. 2020, arXiv 2005.10608; Kuhn et al. 2023, arXiv 2302.09664",
    ),
    Entry(
        "lexical_similarity_rouge1",
        lambda options: LexicalSimilarityRouge1(options.samples),
        "samples",
        "mean ROUGE-1 F1 between samples",
        "Fomicheva et al. 2020, arXiv 2005.10608",
    ),
    Entry(
        "lexical_similarity_rouge2",
        lambda options: LexicalSimilarityRouge2(options.samples),
        "samples",
        "mean ROUGE-2 F1 between samples",
        "Fomicheva et al. 2020, arXiv 2005.10608",
    ),
    Entry(
        "lexical_similarity_bleu",
        lambda options: LexicalSimilarityBleu(options.samples),
        "samples",
        "mean BLEU between samples, both directions",
        "Fomicheva et al. 2020, arXiv 2005.10608",
    ),
    Entry(
        "token_consistency_cosine",
        lambda options: TokenConsistencyCosine(options.samples),
        "samples",
        "mean cosine of the samples to the answer, scaled to [0, 1]",
        "Bouchard and Chauhan 2025 (UQLM), arXiv 2504.19254",
    ),
    Entry(
        "mc_sequence_entropy",
        lambda options: McSequenceEntropy(options.samples, options.content_filter),
        "samples",
        "mean over samples of their negative mean logprob",
        "Malinin and Gales 2021, arXiv 2002.07650",
    ),
    Entry(
        "mc_sequence_entropy_total",
        lambda options: McSequenceEntropy(
            options.samples, options.content_filter, normalized=False
        ),
        "samples",
        "mean over samples of their negative log-likelihood",
        "Malinin and Gales 2021, arXiv 2002.07650",
    ),
    Entry(
        "mc_probability",
        lambda options: McProbability(options.samples, options.content_filter),
        "samples",
        "mean over answer and samples of their length-normalized probability",
        "Bouchard and Chauhan 2025 (UQLM), arXiv 2504.19254",
    ),
    Entry(
        "rpc",
        lambda options: Rpc(options.samples, options.content_filter),
        "samples",
        "share of probability of the likeliest answer, after pruning improbable paths",
        "Zhou et al. 2025, arXiv 2502.00511",
    ),
    Entry(
        "ppl_vote",
        lambda options: PplVote(options.samples, options.content_filter),
        "samples",
        "length-normalized probability of the likeliest sample",
        "Zhou et al. 2025, arXiv 2502.00511",
    ),
    Entry(
        "deepconf_vote",
        lambda options: DeepconfVote(options.samples, options.content_filter),
        "samples",
        "share of the traces' confidence that the returned answer has",
        "Fu et al. 2025, arXiv 2508.15260",
    ),
    Entry(
        "deepconf_vote_top10",
        lambda options: DeepconfVote(options.samples, options.content_filter, top10=True),
        "samples",
        "the same vote among the most confident tenth of the traces",
        "Fu et al. 2025, arXiv 2508.15260",
    ),
)
