"""A share with its interval, for machines and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..policies.step_fit import StepShare

__all__ = ["share_document", "share_words"]


def share_document(share: StepShare) -> dict[str, Any]:
    """{"k", "n", "share", "interval"}."""
    interval = None if share.interval is None else list(share.interval)
    return {"k": share.k, "n": share.n, "share": share.share, "interval": interval}


def share_words(share: StepShare) -> str:
    """`1 of 80, 1.2% [0.0%, 6.8%]`."""
    if share.share is None or share.interval is None:
        return "there is none"
    low, high = share.interval
    return f"{share.k:,} of {share.n:,}, {share.share:.1%} [{low:.1%}, {high:.1%}]"
