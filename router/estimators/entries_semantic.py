"""The catalogue's estimators that look at what answers mean: NLI or similarities."""

from __future__ import annotations

from collections.abc import Callable

from ..protocols import Estimator
from .cocoa import Cocoa, CocoaEntropy, CocoaGNll, CocoaUqlm
from .entry import Entry, Options
from .graph_measures import DegMat, Eccentricity, EigvLaplacian
from .kernel_language_entropy import Kle
from .luq import Luq
from .nli_agreement import Entailment, Noncontradiction
from .semantic_density import SemanticDensity, SemanticDensityLmp
from .semantic_entropy import NumSemanticSets, SemanticEntropy, SemanticEntropyRao
from .semantic_entropy_variants import SemanticEntropyLmp, SemanticEntropyUqlm
from .sent_sar import Sar, SentSar
from .similarity_graph import GraphKind

__all__ = ["SEMANTIC"]

_LMP = "LM-Polygraph 0.7.0"
_UQLM = "UQLM 0.6.7"

_LIN = "Lin et al. 2023 (UQ-NLG), arXiv 2305.19187"
_FARQUHAR = "Farquhar et al. 2024, Nature 630"
_COCOA = "Vashurin et al. 2025, arXiv 2502.04964"
_UQLM_PAPER = "Bouchard and Chauhan 2025 (UQLM), arXiv 2504.19254"

_WEIGHTS: dict[GraphKind, str] = {
    "jaccard": "shared words",
    "entail": "entailment",
    "contra": "non-contradiction",
    "entail_lmp": "entailment, diagonal as judged",
    "contra_lmp": "non-contradiction, diagonal as judged",
}


def _graph(kind: GraphKind) -> tuple[Entry, ...]:
    """The three measures of one graph."""

    def entry(name: str, make: Callable[[Options], Estimator], summary: str) -> Entry:
        return Entry(
            f"{name}_{kind}",
            make,
            "samples" if kind == "jaccard" else "semantic",
            f"{summary} ({_WEIGHTS[kind]})",
            _LIN,
            _LMP if kind.endswith("_lmp") else None,
        )

    return (
        entry(
            "deg",
            lambda options: DegMat(options.samples, kind),
            "one minus the mean likeness of the samples",
        ),
        entry(
            "eigv",
            lambda options: EigvLaplacian(options.samples, kind),
            "sum of the eigenvalues of the samples' graph, about the number of meanings",
        ),
        entry(
            "ecc",
            lambda options: Eccentricity(options.samples, kind),
            "spread of the samples in the space that their graph spans",
        ),
    )


SEMANTIC: tuple[Entry, ...] = (
    *_graph("jaccard"),
    *_graph("entail"),
    *_graph("contra"),
    *_graph("entail_lmp"),
    *_graph("contra_lmp"),
    Entry(
        "num_semantic_sets",
        lambda options: NumSemanticSets(options.samples),
        "semantic",
        "number of meanings among the samples",
        "Kuhn et al. 2023, arXiv 2302.09664",
    ),
    Entry(
        "semantic_entropy",
        lambda options: SemanticEntropy(options.samples),
        "semantic",
        "entropy of the shares of the meanings among the samples",
        _FARQUHAR,
    ),
    Entry(
        "num_semantic_sets_nonstrict",
        lambda options: NumSemanticSets(options.samples, nonstrict=True),
        "semantic",
        "number of meanings, joined where nothing contradicts",
        "Farquhar et al. 2024, Nature 630",
    ),
    Entry(
        "semantic_entropy_nonstrict",
        lambda options: SemanticEntropy(options.samples, nonstrict=True),
        "semantic",
        "entropy of the meanings, joined where nothing contradicts",
        "Farquhar et al. 2024, Nature 630",
    ),
    Entry(
        "semantic_entropy_rao",
        lambda options: SemanticEntropyRao(options.samples, options.content_filter),
        "semantic",
        "entropy of the meanings, weighted by the samples' likelihoods",
        _FARQUHAR,
    ),
    Entry(
        "semantic_entropy_uqlm",
        lambda options: SemanticEntropyUqlm(options.samples),
        "semantic",
        "the same over overlapping classes, greedy answer included",
        _UQLM_PAPER,
        _UQLM,
    ),
    Entry(
        "semantic_entropy_lmp",
        lambda options: SemanticEntropyLmp(options.samples),
        "semantic",
        "mean negative log of each sample's class mass, not normalized",
        "Kuhn et al. 2023, arXiv 2302.09664",
        _LMP,
    ),
    Entry(
        "noncontradiction",
        lambda options: Noncontradiction(options.samples),
        "semantic",
        "how little the samples contradict the answer",
        "Chen and Mueller 2023, arXiv 2308.16175; UQLM",
    ),
    Entry(
        "entailment",
        lambda options: Entailment(options.samples),
        "semantic",
        "how much the samples and the answer entail each other",
        _UQLM_PAPER,
    ),
    Entry(
        "semantic_density",
        lambda options: SemanticDensity(options.samples, options.content_filter),
        "semantic",
        "share of the samples' probability that lies near the answer in meaning",
        "Qiu and Miikkulainen 2024, arXiv 2405.13845",
    ),
    Entry(
        "semantic_density_lmp",
        lambda options: SemanticDensityLmp(options.samples),
        "semantic",
        "the same over unique samples and the answer itself, negative",
        "Qiu and Miikkulainen 2024, arXiv 2405.13845",
        _LMP,
    ),
    Entry(
        "kle",
        lambda options: Kle(options.samples),
        "semantic",
        "von Neumann entropy of a heat kernel over the samples' meanings",
        "Nikitin et al. 2024, arXiv 2405.20003",
    ),
    Entry(
        "luq",
        lambda options: Luq(options.samples),
        "semantic",
        "how far samples contradict rather than entail each other",
        "Zhang et al. 2024, arXiv 2403.20279",
    ),
    Entry(
        "cocoa",
        lambda options: Cocoa(options.samples, options.content_filter),
        "semantic",
        "log-perplexity times how unlike the answer the samples are",
        _COCOA,
    ),
    Entry(
        "cocoa_g_nll",
        lambda options: CocoaGNll(options.samples),
        "semantic",
        "negative log-likelihood times how unlike the answer the samples are",
        _COCOA,
    ),
    Entry(
        "cocoa_entropy",
        lambda options: CocoaEntropy(options.samples, options.content_filter),
        "semantic",
        "mean token entropy times how unlike the answer the samples are",
        _COCOA,
    ),
    Entry(
        "cocoa_uqlm",
        lambda options: CocoaUqlm(options.samples),
        "semantic",
        "probability of the answer times how near the samples are",
        _UQLM_PAPER,
        _UQLM,
    ),
    Entry(
        "sent_sar",
        lambda options: SentSar(options.samples, options.content_filter),
        "semantic",
        "surprise of the samples, which lend probability to those like them",
        "Duan et al. 2023, arXiv 2307.01379",
    ),
    Entry(
        "sar",
        lambda options: Sar(options.samples),
        "semantic",
        "the same with tokens weighted by what the meaning owes them",
        "Duan et al. 2023, arXiv 2307.01379",
    ),
)
