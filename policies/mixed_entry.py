"""An entry drawn by lot: a share of the requests enters as one policy says, the rest elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from ..router.decisions import Comparison, Entry
from ..router.protocols import Opening
from ..router.risk.tie_break import tie_break
from .entry import FixedEntry, PriorEntry

__all__ = ["MixedEntry", "entry_draw"]


def entry_draw(seed: int, run_id: str) -> float:
    """u in [0, 1) of a request's entry; independent of its draw among equal scores."""
    return tie_break(seed, f"entry/{run_id}")


@dataclass(frozen=True, slots=True)
class MixedEntry:
    """`inside` for a random share of the requests, `outside` for the others.

    With the surest tier outside, the share is a knob that no score has to turn: any quality
    between that of the policy inside and that of this tier alone is reached exactly, and what it
    loses is known the better the smaller the share is. The lot is a keyed hash of the run id, so
    that a replay draws what serving drew.

    Attributes:
        share: of requests that enter as `inside` says, in [0, 1].
    """

    share: float
    inside: FixedEntry | PriorEntry
    outside: FixedEntry
    seed: int = 0

    def enter(self, opening: Opening) -> Entry:
        """Where the lot falls."""
        u = entry_draw(self.seed, opening.run_id)
        is_inside = u < self.share
        part, share = (self.inside, self.share) if is_inside else (self.outside, 1.0 - self.share)
        entry = part.enter(opening)
        drawn = Comparison("entry drawn", u, "<" if is_inside else ">=", self.share)
        reason = f"by lot, as {share:.0%} of requests"
        reason += f": {entry.reason}" if isinstance(part, PriorEntry) else f", at {part.name}"
        return Entry(entry.tier, reason, (drawn, *entry.compared))
