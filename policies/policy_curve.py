"""The cost-quality curve of a profile's kind of policy, and its numbers.

Every setting of `policy_settings` is a point. All are worked out on the same questions, so that the
curve and its ends move together where questions are drawn anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..router.errors import UsageError
from ..router.signals import Unavailable
from .curve_bootstrap import CurveArrays, CurveNumber, curve_numbers
from .ladders import ladders_of
from .outcomes import OutcomeTable
from .policy_settings import Settings, settings_of, tier_end
from .profile import Profile
from .replay import Served

if TYPE_CHECKING:
    from .ladders import Floats

__all__ = ["CURVE_NUMBERS", "PolicyCurve", "policy_curve"]

CURVE_NUMBERS = ("nauc", "apgr", "aiq", "ibc_lift")


@dataclass(frozen=True, slots=True)
class PolicyCurve:
    """The curve of a profile's kind of policy.

    Attributes:
        numbers: `CURVE_NUMBERS`; `ibc_lift` is that of the profile itself, the others are those of
            the whole curve, on which the profile does not count as a point.
        points: (mean cost, mean quality) of each setting; empty where there is no curve.
    """

    numbers: Mapping[str, CurveNumber | Unavailable]
    points: tuple[tuple[float, float], ...]


def policy_curve(
    table: OutcomeTable,
    profile: Profile,
    served: Sequence[Served],
    *,
    seed: int = 0,
    questions: Mapping[str, str] | None = None,
) -> PolicyCurve:
    """The curve of a replayed profile, with 95 % intervals over questions.

    Numbers are Unavailable, with the reason, where the table lacks a row that a setting reaches, or
    its loss, and where the tiers' ends leave nothing to gain or to save.

    Args:
        served: how the profile itself ended each question of the table.
        questions: texts by query id, for rows without one.
    """
    ladders = ladders_of(table)
    lift, rest = CURVE_NUMBERS[3:], CURVE_NUMBERS[:3]
    try:
        ends = tier_end(ladders, 0), tier_end(ladders, len(profile.names) - 1)
    except UsageError as error:
        return PolicyCurve(_missing(CURVE_NUMBERS, error), ())
    found = _numbers(ladders.queries, _own(served), ends, lift, seed=seed, chosen=0)
    try:
        settings = settings_of(table, ladders, profile, questions=questions)
    except UsageError as error:
        return PolicyCurve({**_missing(rest, error), **found}, ())
    numbers = _numbers(ladders.queries, settings, ends, rest, seed=seed)
    means = zip(settings.cost.mean(axis=0), settings.quality.mean(axis=0), strict=True)
    points = tuple((float(cost), float(quality)) for cost, quality in means)
    return PolicyCurve({**numbers, **found}, points)


def _missing(names: Sequence[str], error: UsageError) -> dict[str, CurveNumber | Unavailable]:
    return dict.fromkeys(names, Unavailable(f"the table cannot tell: {error}"))


def _numbers(
    queries: tuple[str, ...],
    settings: Settings,
    ends: tuple[Floats, Floats],
    names: Sequence[str],
    *,
    seed: int,
    chosen: int | None = None,
) -> dict[str, CurveNumber | Unavailable]:
    curve = CurveArrays.of(
        queries,
        cost=settings.cost,
        quality=settings.quality,
        deferred=settings.deferred,
        weak=ends[0],
        strong=ends[1],
        chosen=chosen,
    )
    numbers = curve_numbers(curve, seed=seed)
    return {name: numbers[name] for name in names}


def _own(served: Sequence[Served]) -> Settings:
    import numpy as np

    ordered = sorted(served, key=lambda one: one.query_id)
    right = [0.0 if one.loss is None or one.rung is None else 1.0 - one.loss for one in ordered]
    return Settings(
        np.array([[one.cost] for one in ordered]),
        np.array(right)[:, None],
        np.array([[float(one.top_tier > 0)] for one in ordered]),
    )
