"""What gating after the answer, routing before it, both, and buying a signal are each worth.

In money per request: what a random mix of the first and the last tier would pay for the same
quality, less what the policy pays. So a random mix is worth 0, and a price that a signal asks is in
the books of every policy that reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from .policy_families import Families, Family
from .question_counts import count_blocks, middle
from .reached import LastTier, fold_places

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Flags, Floats

    Ints = NDArray[np.int64]

__all__ = ["Ends", "Purchase", "Worth", "best_worth", "difference", "worths"]

Purchase = Literal["nothing", "always", "in a band"]
"""When signals are bought: never, for every draft, or only where the free estimate is unsure."""

_REPS = 1000
_LEVEL = 0.95
_WHOLE = (0.0, 1.0)  # a band that leaves nothing out


@dataclass(frozen=True, slots=True)
class Ends:
    """Always asking the first tier and always asking the last one: what a mix lies between."""

    first: LastTier
    last: LastTier


@dataclass(frozen=True, slots=True)
class Worth:
    """A way of routing, with its best configuration chosen without the question it is judged on.

    Attributes:
        family: `gate`, `prior`, `prior and gate`, ...
        saved: money per request beyond the random mix of equal quality, out of fold.
        interval: 95 %, bootstrap over questions; None where there is no mix in most draws.
        of_last: `saved` as a share of what always asking the last tier costs.
        deferred: share of requests for which a tier above the first was asked.
        band: [low, high) of the free estimate within which the first signal is bought, in the
            configuration chosen on all questions; None unless it buys in a band.
        loss: of what was served, by question; likewise the cost.
    """

    family: str
    purchase: Purchase
    saved: float
    interval: tuple[float, float] | None
    of_last: float
    deferred: float
    band: tuple[float, float] | None
    loss: Floats
    cost: Floats


def worths(families: Families, ends: Ends, *, seed: int = 0) -> tuple[Worth, ...]:
    """Every way that the families offer, the one worth most first.

    Empty where the last tier is not dearer and better than the first: there is no mix to beat.
    """
    import numpy as np

    n = len(ends.last.loss)
    everything = np.arange(n)
    if _rate(ends, everything) is None:
        return ()
    parts = [(held, np.setdiff1d(everything, held)) for held in fold_places(n, seed)]
    trained = [families(rows) for _, rows in parts]
    whole = families(everything)
    found: list[Worth] = []
    for name, kind in dict.fromkeys(pair for one in whole for pair in _kinds(one)):
        loss, cost, deferred = np.empty(n), np.empty(n), np.empty(n)
        for (held, rows), some in zip(parts, trained, strict=True):
            family, at = _best(some, name, kind, ends, rows)
            loss[held], cost[held] = family.loss[at, held], family.cost[at, held]
            deferred[held] = family.deferred[at, held]
        family, at = _best(whole, name, kind, ends, everything)
        saved, interval = _beyond_mix(ends, [(loss, cost)], seed)
        found.append(
            Worth(
                name,
                kind,
                saved,
                interval,
                saved / float(ends.last.cost.mean()),
                float(deferred.mean()),
                _band(family, at) if kind == "in a band" else None,
                loss,
                cost,
            )
        )
    return tuple(sorted(found, key=lambda one: -one.saved))


def _rate(ends: Ends, rows: Ints) -> float | None:
    """Money that the mix pays for one right answer more; None where there is no mix."""
    dearer = float((ends.last.cost - ends.first.cost)[rows].mean())
    better = float((ends.first.loss - ends.last.loss)[rows].mean())
    return dearer / better if dearer > 0.0 and better > 0.0 else None


def _beyond_mix(
    ends: Ends, ways: Sequence[tuple[Floats, Floats]], seed: int
) -> tuple[float, tuple[float, float] | None]:
    """Money saved beyond the mix by the first way, less that by the second where there is one.

    The line of the mix is drawn anew in every draw: it moves with the same questions.
    """
    import numpy as np

    first, last = ends.first, ends.last
    columns = [first.loss, first.cost, last.loss, last.cost]
    columns += [column for way in ways for column in way]
    table = np.column_stack(columns)

    def saved(means: Floats) -> Floats:
        l_first, c_first, l_last, c_last = means.T[:4]
        better = l_first - l_last
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(better > 0.0, (c_last - c_first) / better, np.nan)
        beyond = [
            c_first + rate * (l_first - means[:, 4 + 2 * i]) - means[:, 5 + 2 * i]
            for i in range(len(ways))
        ]
        only: Floats = beyond[0] if len(ways) == 1 else beyond[0] - beyond[1]
        return only

    n = len(table)
    draws = [saved(w @ table / n) for w in count_blocks(n, seed=seed, reps=_REPS)]
    return float(saved(table.mean(axis=0)[None])[0]), middle(np.concatenate(draws), _LEVEL)


def best_worth(found: Sequence[Worth], *families: str) -> Worth | None:
    """The one worth most of these families; of all where none is named."""
    return next((one for one in found if not families or one.family in families), None)


def difference(
    ends: Ends, one: Worth, other: Worth, *, seed: int = 0
) -> tuple[float, tuple[float, float] | None]:
    """How much more one way saves than another, on the same draws, with its 95 % interval."""
    return _beyond_mix(ends, [(one.loss, one.cost), (other.loss, other.cost)], seed)


def _kinds(family: Family) -> list[tuple[str, Purchase]]:
    bought = _purchases(family)
    return [(family.name, kind) for kind in get_args(Purchase) if bought[kind].any()]


def _purchases(family: Family) -> dict[Purchase, Flags]:
    """Which configurations buy when, (K,)."""
    import numpy as np

    if family.cuts is None:
        nothing: Flags = np.ones(len(family.loss), dtype=np.bool_)
        none: Flags = np.zeros_like(nothing)
        return {"nothing": nothing, "always": none, "in a band": none}
    low, high = family.cuts.low, family.cuts.high
    buys = ~np.isnan(low)
    some: Flags = np.asarray(buys.any(axis=1))
    whole: Flags = np.asarray((~buys | ((low <= _WHOLE[0]) & (high >= _WHOLE[1]))).all(axis=1))
    kinds: tuple[Flags, ...] = (np.logical_not(some), some & whole, some & np.logical_not(whole))
    return dict(zip(get_args(Purchase), kinds, strict=True))


def _best(
    families: Sequence[Family],
    name: str,
    kind: Purchase,
    ends: Ends,
    rows: Ints,
) -> tuple[Family, int]:
    """The configuration of least expected cost at the rate that a mix pays for quality.

    The rate is that of the same rows, so that both ends of the mix are worth the same to them.
    """
    import numpy as np

    rate, last = _rate(ends, rows) or 0.0, ends.last.loss[rows]
    best: tuple[float, Family, int] | None = None
    for family in families:
        if family.name != name:
            continue
        lost = (family.loss[:, rows] - last).mean(axis=1)
        if family.excess is not None:  # half and half, as in choosing for a target
            lost = (lost + family.excess[:, rows].mean(axis=1)) / 2.0
        price = family.cost[:, rows].mean(axis=1) + rate * lost
        price = np.where(_purchases(family)[kind], price, np.inf)
        at = int(np.argmin(price))
        if best is None or price[at] < best[0]:
            best = float(price[at]), family, at
    assert best is not None  # the kinds were read off these very configurations
    return best[1], best[2]


def _band(family: Family, at: int) -> tuple[float, float] | None:
    import numpy as np

    if family.cuts is None:
        return None
    low, high = family.cuts.low[at], family.cuts.high[at]
    bought = np.flatnonzero(~np.isnan(low))
    return (float(low[bought[0]]), float(high[bought[0]])) if len(bought) else None
