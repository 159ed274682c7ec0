"""The catalogue's estimators that look at one generation's tokens."""

from __future__ import annotations

from .crew import Crew
from .deepconf import (
    DeepconfBottom10,
    DeepconfGroup,
    DeepconfLowestGroup,
    DeepconfTail,
    DeepconfTokenMean,
)
from .distance_from_uniform import FisherRao, RenyiDivergence
from .distributions_lmp import FisherRaoLmp, MeanTokenEntropyLmp, RenyiDivergenceLmp
from .entry import Entry
from .g_nll import GNll
from .mean_token_entropy import MeanTokenEntropy
from .min_token_prob import MinTokenProb
from .mmboundary import MMBoundary
from .perplexity import Perplexity
from .probability_margin import ProbabilityMargin
from .self_certainty import SelfCertainty
from .token_negentropy import TokenNegentropyMean, TokenNegentropyMin
from .weakest_step import WeakestStep

__all__ = ["TOKENS"]

TOKENS: tuple[Entry, ...] = (
    Entry(
        "g_nll",
        lambda _: GNll(),
        "tokens",
        "negative log-likelihood of the greedy answer",
        "Aichberger et al. 2024, arXiv 2412.15176",
    ),
    Entry(
        "perplexity",
        lambda options: Perplexity(options.content_filter),
        "tokens",
        "exp of the mean negative logprob",
        "Jelinek et al. 1977; Malinin and Gales 2021, arXiv 2002.07650",
    ),
    Entry(
        "min_token_prob",
        lambda options: MinTokenProb(options.content_filter),
        "tokens",
        "probability of the least certain token",
        "Jiang et al. 2023 (FLARE), arXiv 2305.06983; UQLM",
    ),
    Entry(
        "mean_token_entropy",
        lambda options: MeanTokenEntropy(options.content_filter),
        "tokens",
        "mean entropy of the renormalized candidates",
        "Malinin and Gales 2021, arXiv 2002.07650",
    ),
    Entry(
        "mmboundary",
        lambda options: MMBoundary(options.content_filter),
        "tokens",
        "mean of average probability and peakedness; made for one step",
        "He et al. 2025 (MMBoundary), arXiv 2505.23224",
    ),
    Entry(
        "weakest_step",
        lambda options: WeakestStep(of_step=MMBoundary(options.content_filter)),
        "tokens",
        "mmboundary of the least sure sentence",
        "ours; after MMBoundary and FineCE, arXiv 2508.12040",
    ),
    Entry(
        "probability_margin",
        lambda options: ProbabilityMargin(options.content_filter),
        "tokens",
        "mean lead of the most probable candidate over the second",
        "Bouchard and Chauhan 2025 (UQLM), arXiv 2504.19254",
    ),
    Entry(
        "token_negentropy_mean",
        lambda options: TokenNegentropyMean(options.content_filter),
        "tokens",
        "mean of 1 - entropy / ln k",
        "Bouchard and Chauhan 2025 (UQLM), arXiv 2504.19254",
    ),
    Entry(
        "token_negentropy_min",
        lambda options: TokenNegentropyMin(options.content_filter),
        "tokens",
        "1 - entropy / ln k of the most undecided token",
        "Bouchard and Chauhan 2025 (UQLM), arXiv 2504.19254",
    ),
    Entry(
        "self_certainty",
        lambda options: SelfCertainty(options.content_filter),
        "tokens",
        "mean divergence of the candidates from uniform",
        "Kang et al. 2025, arXiv 2502.18581",
    ),
    Entry(
        "renyi_divergence",
        lambda options: RenyiDivergence(options.content_filter),
        "tokens",
        "mean Renyi divergence (order 1/2) from uniform",
        "Darrin et al. 2023 (Rainproof); LM-Polygraph",
    ),
    Entry(
        "fisher_rao",
        lambda options: FisherRao(options.content_filter),
        "tokens",
        "mean Fisher-Rao distance from uniform",
        "Darrin et al. 2023 (Rainproof); LM-Polygraph",
    ),
    Entry(
        "deepconf_token_mean",
        lambda options: DeepconfTokenMean(options.content_filter),
        "tokens",
        "mean negative logprob of the alternatives",
        "Fu et al. 2025 (DeepConf), arXiv 2508.15260",
    ),
    Entry(
        "deepconf_group",
        lambda options: DeepconfGroup(options.content_filter),
        "tokens",
        "the same over the last 2,048 tokens, sliding",
        "Fu et al. 2025 (DeepConf), arXiv 2508.15260",
    ),
    Entry(
        "deepconf_lowest_group",
        lambda options: DeepconfLowestGroup(options.content_filter),
        "tokens",
        "the same over the weakest 2,048 tokens in a row",
        "Fu et al. 2025 (DeepConf), arXiv 2508.15260",
    ),
    Entry(
        "deepconf_bottom10",
        lambda options: DeepconfBottom10(options.content_filter),
        "tokens",
        "the same over the weakest tenth of such runs",
        "Fu et al. 2025 (DeepConf), arXiv 2508.15260",
    ),
    Entry(
        "deepconf_tail",
        lambda options: DeepconfTail(options.content_filter),
        "tokens",
        "the same over the last 2,048 tokens",
        "Fu et al. 2025 (DeepConf), arXiv 2508.15260",
    ),
    Entry(
        "crew",
        lambda options: Crew(options.content_filter),
        "tokens",
        "mean probability of the final answer's tokens",
        "Du et al. 2025 (CRew), arXiv 2510.13501",
    ),
    Entry(
        "mean_token_entropy_lmp",
        lambda options: MeanTokenEntropyLmp(options.content_filter),
        "tokens",
        "entropy of the candidates without renormalizing",
        "LM-Polygraph",
        "LM-Polygraph 0.7.0",
    ),
    Entry(
        "renyi_divergence_lmp",
        lambda options: RenyiDivergenceLmp(options.content_filter),
        "tokens",
        "Renyi divergence from uniform, taken for an uncertainty",
        "Darrin et al. 2023 (Rainproof); LM-Polygraph",
        "LM-Polygraph 0.7.0",
    ),
    Entry(
        "fisher_rao_lmp",
        lambda options: FisherRaoLmp(options.content_filter),
        "tokens",
        "Fisher-Rao distance from uniform, taken for an uncertainty",
        "Darrin et al. 2023 (Rainproof); LM-Polygraph",
        "LM-Polygraph 0.7.0",
    ),
)
