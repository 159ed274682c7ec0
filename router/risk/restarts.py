"""How a stake is spread over bets that begin later, for ever."""

from __future__ import annotations

__all__ = ["share_left", "share_of"]

_FLAT = 20


def share_of(j: int) -> float:
    """The share of the stake that restart j = 1, 2, ... gets: 20 / ((j + 19) (j + 20)).

    All shares for ever sum to 1, so one level holds over an unbounded horizon. Nearly flat up to
    j = 20, then as j^-2: of the shares tried (uniform over 100 restarts, j^-2 with other offsets,
    j^-1.5, 1 / (j log^2 j)) these had the shortest delay after 2,000 healthy labels, with restarts
    every 100 labels. That later restarts are poorer costs little: 2 ln j over the growth a label.
    """
    return share_left(j - 1) / (j + _FLAT)


def share_left(j: int) -> float:
    """What restarts after the j-th will get in all, 20 / (j + 20)."""
    return _FLAT / (j + _FLAT)
