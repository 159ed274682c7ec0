"""The catalogue's token-level estimators that need matrices which come with the evidence."""

from __future__ import annotations

from .ccp import Ccp
from .cer import Cer
from .entry import Entry
from .token_sar import TokenSar

__all__ = ["GIVEN_TOKENS"]

GIVEN_TOKENS: tuple[Entry, ...] = (
    Entry(
        "token_sar",
        lambda _: TokenSar(),
        "tokens",
        "log-likelihood weighted by each token's relevance",
        "Duan et al. 2024 (SAR), arXiv 2307.01379",
    ),
    Entry(
        "ccp",
        lambda _: Ccp(),
        "tokens",
        "probability of the claim whatever its wording",
        "Fadeeva et al. 2024 (CCP), arXiv 2403.04696",
    ),
    Entry(
        "cer",
        lambda _: Cer(),
        "tokens",
        "log-likelihood of numbers and proper nouns, later steps weighing more",
        "Razghandi et al. 2025 (CER), arXiv 2502.14634",
    ),
)
