"""What was chosen to reach a target, as rules and an entry that serve it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..router.errors import UsageError
from .entry import FixedEntry, PriorEntry
from .mixed_entry import MixedEntry
from .paths import Cuts, Path, RungKind, path_rules
from .policy_families import Family
from .threshold import RungRule

__all__ = ["Setting", "setting_entry", "setting_of", "setting_rules"]

_SHUT = -1e3  # what entering at a tier that is not on the path is worth


@dataclass(frozen=True, slots=True)
class Setting:
    """What is to be served: one configuration of a family, for a share of the requests.

    Attributes:
        share: that it serves; the last tier alone serves the others. 0 is the last tier for all.
        at: which of the family's configurations.
        path: None where the entry tier answers.
        cuts: the one configuration, where there is a path.
        trade: of the routing before any draft, where there is one.
        among: the tiers that it routes to; those of the path, or else all, where None.
    """

    family: str
    share: float
    at: int = 0
    path: Path | None = None
    cuts: Cuts | None = None
    trade: float | None = None
    among: tuple[int, ...] | None = None


def setting_of(family: Family, at: int, share: float) -> Setting:
    """One configuration of a family, for a share of the requests."""
    import numpy as np

    return Setting(
        family.name,
        share,
        at,
        family.path,
        None if family.cuts is None else family.cuts.some(np.array([at])),
        None if family.trade is None else float(family.trade[at]),
    )


def setting_rules(
    setting: Setting,
    tiers: int,
    *,
    signals: Mapping[RungKind, str | None] | None = None,
    scores: Mapping[RungKind, str | None] | None = None,
) -> tuple[RungRule, ...]:
    """Its rules, with one for every tier: off the path a whole draft is served ungated.

    Args:
        tiers: how many there are.
        signals: what is bought on a rung; `scores` the raw signal that is compared there.

    Raises:
        UsageError: the family's configurations are not rules at all.
    """
    on_path: tuple[RungRule, ...] = ()
    if setting.share > 0.0 and setting.path is not None and setting.cuts is not None:
        on_path = path_rules(
            setting.path, setting.cuts, signals=signals, scores=scores, last_is_gated=False
        )
    elif setting.share > 0.0 and setting.trade is None:
        raise UsageError(f"a setting of the family {setting.family!r} has no rules of thresholds")
    known = {(rule.tier, rule.retrieved) for rule in on_path if rule.round is None}
    rest = tuple(
        RungRule(tier, 0.0, seen, (), gated=False)
        for tier in range(tiers)
        for seen in (False, True)
        if (tier, seen) not in known
    )
    return on_path + rest


def setting_entry(
    setting: Setting, names: tuple[str, ...], costs: tuple[float, ...], *, seed: int = 0
) -> FixedEntry | PriorEntry | MixedEntry | None:
    """Where its requests enter; None where all enter at the first tier.

    Args:
        names: of the tiers.
        costs: mean price of an answer by each tier, as the trade was chosen on.
        seed: of the lot.
    """
    last = FixedEntry(len(names) - 1, names[-1])
    if setting.share <= 0.0:
        return last
    inside: FixedEntry | PriorEntry
    if setting.trade is not None:
        inside = PriorEntry(names, costs, setting.trade, _offsets(setting, len(names)))
    else:
        first = 0 if setting.path is None else setting.path[0].tier
        inside = FixedEntry(first, names[first])
        if first == 0 and setting.share >= 1.0:
            return None
    return inside if setting.share >= 1.0 else MixedEntry(setting.share, inside, last, seed)


def _offsets(setting: Setting, tiers: int) -> tuple[float, ...]:
    open_ = setting.among
    if open_ is None and setting.path is not None:
        open_ = tuple(stage.tier for stage in setting.path)
    if open_ is None:
        return ()
    return tuple(0.0 if tier in open_ else _SHUT for tier in range(tiers))
