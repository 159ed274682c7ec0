"""What the other settings of a profile's kind of policy would have done on each question.

The knobs that a kind of policy has are turned together from one end to the other, and every setting
is worked out on every question:

- gates: the path of the profile with its last stage open to all, and every gate at the same level
  of its own scores (`gate_levels`);
- routing by a prior: the trade between quality and cost, at levels of what the prior expects to
  gain (`routing_levels`); gates behind it are at the same level;
- the trade of a policy that weighs steps by their worth (`trade_levels`);
- neither: a policy that asks one tier, whatever the question, can only be mixed by lot with the
  cheapest and the dearest tier. Where it asks either of them that is the random mix, nAUC 1/2.

The lot of a mixed entry is set aside where there are gates or a prior: it draws a line from a point
of their curve to the dearest tier. A fixed entry past which there is no gate counts as the gates
below it being shut: their curve is that from the cheapest tier up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from ..router.decisions import Rung
from ..router.errors import UsageError
from ..router.risk.tie_break import tie_break
from .entry import FixedEntry, PriorEntry
from .gate_levels import level_cuts, levels, path_scores, profile_path
from .ladders import Ladders
from .mixed_entry import MixedEntry
from .outcomes import OutcomeTable
from .paths import Path, Stage, Stages, stages_of, walk
from .profile import Profile
from .routing_levels import entered_tiers, open_tiers, prior_values
from .trade_levels import traded
from .way import Way

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .ladders import Floats

    Ints = NDArray[np.int64]

__all__ = ["Settings", "settings_of", "tier_end"]


@dataclass(frozen=True, slots=True)
class Settings:
    """K settings of a policy on the questions of a table, sorted; arrays are (questions, K).

    Attributes:
        quality: 1 - loss of what is served, 0 where nothing is; NaN where nobody has judged it.
        deferred: 1 where a tier above the first was asked.
    """

    cost: Floats
    quality: Floats
    deferred: Floats


def settings_of(
    table: OutcomeTable,
    ladders: Ladders,
    profile: Profile,
    *,
    questions: Mapping[str, str] | None = None,
) -> Settings:
    """Every setting of the profile's kind of policy, on every question.

    Raises:
        UsageError: a row that a setting reaches is missing or was not judged, or no such kind of
            policy is known here.
    """
    family = _FAMILIES.get(profile.kind)
    if family is None:
        raise UsageError(f"nothing is known of the settings of a {profile.kind} policy")
    settings = family(table, ladders, profile, questions)
    _check_known(ladders, settings.quality, "what a setting serves")
    return settings


def _thresholds(
    table: OutcomeTable,
    ladders: Ladders,
    profile: Profile,
    questions: Mapping[str, str] | None,
) -> Settings:
    """Settings of thresholds, and of the entry before them."""
    if profile.way is not None:
        return _by_way(table, ladders, profile, profile.way, questions)
    inside = profile.entry.inside if isinstance(profile.entry, MixedEntry) else profile.entry
    if isinstance(inside, PriorEntry) and profile.prior is not None:
        return _routed(table, ladders, profile, inside, questions)
    # Without a prior, a rule that reads one enters at the cheapest tier.
    first = inside.tier if isinstance(inside, FixedEntry) else 0
    policy = profile.thresholds()
    for start in (first, 0):
        path = profile_path(policy, start, table.rounds)
        if len(path) > 1:
            return _walked(profile, _stages(table, ladders, profile, path))
    return _by_lot(ladders, first)


def _by_way(
    table: OutcomeTable,
    ladders: Ladders,
    profile: Profile,
    way: Way,
    questions: Mapping[str, str] | None,
) -> Settings:
    """What orders the traffic best, at all levels, whichever setting of it the profile serves."""
    if way.kind == "lot":
        return _by_lot(ladders, 0)
    last = len(profile.names) - 1
    path = (Stage(0, 0), Stage(last, 0))
    if way.kind == "gate":
        return _walked(profile, _stages(table, ladders, profile, path))
    entry = PriorEntry(profile.names, way.costs, 1.0)
    stages = _stages(table, ladders, profile, path)
    values = prior_values(table, profile, entry, ladders.queries, questions)
    entered = entered_tiers(values, entry, (0, last), stages.u, levels())
    if way.kind == "prior":
        return _served_by(ladders, entered)
    return _walked(profile, stages, (entered > 0).astype(int))


def _values(
    table: OutcomeTable,
    ladders: Ladders,
    profile: Profile,
    questions: Mapping[str, str] | None,
) -> Settings:
    """Trades of a policy that weighs what steps are worth."""
    return Settings(*traded(table, ladders, profile, questions))


_Family = Callable[[OutcomeTable, Ladders, Profile, "Mapping[str, str] | None"], Settings]

_FAMILIES: Mapping[str, _Family] = {
    "threshold": _thresholds,
    "certified": _thresholds,
    "utility": _values,
    "cascade_routing": _values,
}
"""By the kind of the profile: each kind of policy has its own knobs."""


def _stages(table: OutcomeTable, ladders: Ladders, profile: Profile, path: Path) -> Stages:
    import numpy as np

    scores = path_scores(table, ladders, profile, path)
    u = np.array([tie_break(profile.tie_seed, query_id) for query_id in ladders.queries])
    return stages_of(ladders, scores, path, u, last_is_gated=False)


def _walked(profile: Profile, stages: Stages, start: Ints | None = None) -> Settings:
    """Gates at all levels."""
    import numpy as np

    walked = walk(stages, level_cuts(profile, stages, levels()), start)
    tiers = np.array([stage.tier for stage in stages.path])
    quality = np.where(walked.stage >= 0, 1.0 - walked.loss, 0.0)
    deferred = (tiers[walked.reached] > 0).astype(float)
    return Settings(walked.cost.T, quality.T, deferred.T)


def _routed(
    table: OutcomeTable,
    ladders: Ladders,
    profile: Profile,
    entry: PriorEntry,
    questions: Mapping[str, str] | None,
) -> Settings:
    """A prior chooses where to enter; gates behind it are at the same level."""
    import numpy as np

    open_ = open_tiers(entry)
    path = profile_path(profile.thresholds(), open_[0], table.rounds)
    stages = _stages(table, ladders, profile, path)
    values = prior_values(table, profile, entry, ladders.queries, questions)
    entered = entered_tiers(values, entry, open_, stages.u, levels())
    if len(path) == 1:
        return _entered(ladders, profile, open_, entered)
    if missing := [tier for tier in open_ if Stage(tier, 0) not in path]:
        raise UsageError(f"requests may enter at tier {missing[0]}, which the gates never reach")
    place = np.zeros(len(profile.names), dtype=int)
    for tier in open_:
        place[tier] = path.index(Stage(tier, 0))
    return _walked(profile, stages, place[entered])


def _entered(ladders: Ladders, profile: Profile, open_: tuple[int, ...], entered: Ints) -> Settings:
    """Where the entry tier answers."""
    policy = profile.thresholds()
    if any(len(profile_path(policy, tier, ladders.rounds)) > 1 for tier in open_):
        raise UsageError("the first tier of the entry has no gate, and a later one has")
    return _served_by(ladders, entered)


def _served_by(ladders: Ladders, entered: Ints) -> Settings:
    """Each question answered by its tier, before any search; `entered` is (levels, questions)."""
    import numpy as np

    columns = np.zeros(ladders.tiers, dtype=int)
    for tier in sorted(set(np.unique(entered).tolist())):
        tier_end(ladders, tier)
        columns[tier] = ladders.place(tier)
    rows = np.arange(len(ladders.queries))
    picked = columns[entered]
    quality = np.where(ladders.whole[rows, picked], 1.0 - ladders.loss[rows, picked], 0.0)
    deferred = (entered > 0).astype(float)
    return Settings(ladders.cost[rows, picked].T, quality.T, deferred.T)


def _by_lot(ladders: Ladders, tier: int) -> Settings:
    """From always the cheapest tier to always this one and on to the dearest, a share at a time.

    Every question stands for the mean over its draws.
    """
    import numpy as np

    last = ladders.tiers - 1
    points = [(tier_end(ladders, one), float(one > 0)) for one in sorted({0, tier, last})]
    share = levels()[None, :]
    parts: list[tuple[Floats, Floats, Floats]] = []
    for (one, one_above), (other, other_above) in pairwise(points):
        mixed = [one[:, [i]] + share * (other[:, [i]] - one[:, [i]]) for i in (0, 1)]
        above = one_above + share * (other_above - one_above)
        parts.append((mixed[0], mixed[1], np.broadcast_to(above, mixed[0].shape)))
    if not parts:
        ends = points[0][0]
        return Settings(ends[:, :1], ends[:, 1:], np.zeros_like(ends[:, :1]))
    cost, quality, deferred = (np.hstack(columns) for columns in zip(*parts, strict=True))
    return Settings(cost, quality, deferred)


def tier_end(ladders: Ladders, tier: int) -> Floats:
    """Cost and quality of always asking one tier, before any search."""
    import numpy as np

    rung = Rung(tier, 0, False)
    if rung not in ladders.rungs:
        raise UsageError(f"no question has a row of tier {tier} before any search")
    at = ladders.place(tier)
    ends = np.stack([ladders.cost[:, at], 1.0 - ladders.loss[:, at]], axis=1)
    _check_known(ladders, ends[:, 1:], f"tier {tier} before any search")
    return ends


def _check_known(ladders: Ladders, quality: Floats, where: str) -> None:
    import numpy as np

    rows = np.flatnonzero(np.isnan(quality).any(axis=1))
    if len(rows):
        raise UsageError(f"query {ladders.queries[rows[0]]!r} has no judged row of {where}")
