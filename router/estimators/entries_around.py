"""The catalogue's estimators that look at what stands around the answer."""

from __future__ import annotations

from .answer_stability import AnswerStability
from .context_gain import CkPlugGain, ContextAgreement
from .critic_signals import CriticAccept, CriticSufficient
from .cross_model_agreement import CrossModelAgreement
from .entry import Entry
from .lexical_support import LexicalSupport
from .p_true import PTrue, PTrueLmp, PTrueSampled
from .verbatim_support import VerbatimSupport

__all__ = ["AROUND"]

_KADAVATH = "Kadavath et al. 2022, arXiv 2207.05221"

AROUND: tuple[Entry, ...] = (
    Entry(
        "lexical_support",
        lambda _: LexicalSupport(),
        "around",
        "weighted share of the answer's words that the best passage holds",
        "ours, after BM25: Robertson and Zaragoza 2009",
    ),
    Entry(
        "verbatim_support",
        lambda _: VerbatimSupport(),
        "around",
        "share of the answer that stands word for word in one passage",
        "ours, after Zhang et al. 2024 (Quote-Tuning), arXiv 2404.03862",
    ),
    Entry(
        "answer_stability",
        lambda _: AnswerStability(),
        "around",
        "share of the last two rounds with the same answer",
        "ours",
    ),
    Entry(
        "cross_model_agreement",
        lambda _: CrossModelAgreement(),
        "around",
        "share of other models with the same answer",
        "ours",
    ),
    Entry(
        "ck_plug_gain",
        lambda options: CkPlugGain(options.content_filter),
        "around",
        "entropy without passages less entropy with them",
        "Bi et al. 2025 (CK-PLUG), arXiv 2503.15888",
    ),
    Entry(
        "context_agreement",
        lambda _: ContextAgreement(),
        "around",
        "word F1 with the answer without passages",
        "ours",
    ),
    Entry(
        "critic_accept",
        lambda _: CriticAccept(),
        "around",
        "the critic's probability that the answer is right",
        "Yang et al. 2025 (SIM-RAG), arXiv 2505.02811",
    ),
    Entry(
        "critic_sufficient",
        lambda _: CriticSufficient(),
        "around",
        "the critic's probability that the passages suffice",
        "Joren et al. 2025, arXiv 2411.06037",
    ),
    Entry(
        "p_true",
        lambda _: PTrue(),
        "around",
        "p(true) against p(false) when asked about the answer",
        _KADAVATH,
    ),
    Entry(
        "p_true_sampled",
        lambda _: PTrueSampled(),
        "around",
        "share of sampled verdicts that say true",
        _KADAVATH,
    ),
    Entry(
        "p_true_lmp",
        lambda _: PTrueLmp(),
        "around",
        "negative log p of the exact word True",
        _KADAVATH,
        "LM-Polygraph 0.7.0",
    ),
)
