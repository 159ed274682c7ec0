"""What the numbers of a fit mean for the one who deploys it, in words beside the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .break_even import BreakEven
from .certificates import NotCertified
from .reached import Reached
from .worth import Ends, Purchase, Worth, difference

if TYPE_CHECKING:
    from .ladders import Ladders

__all__ = [
    "Advice",
    "advice_on_certainty",
    "advice_on_pairs",
    "advice_on_purchases",
    "advice_on_quality",
    "advice_on_risk",
    "advice_on_saturation",
    "advice_on_ways",
]

_SATURATED = 0.05  # of the requests at one score: more than a deferral target may miss by
_ASKED = 0.3
_WAYS = ("gate", "prior", "prior and gate")
_NAMES = {
    "gate": "gate after the answer",
    "prior": "route before it",
    "prior and gate": "route before the answer and gate after it",
}


@dataclass(frozen=True, slots=True)
class Advice:
    """One piece of advice.

    Attributes:
        kind: `pair of tiers`, `tier`, `saturated signal`, `target`, `purchase`, `way` or
            `certainty`.
        words: one line; what a profile keeps.
        numbers: behind the words, by name; None where there is none.
    """

    kind: str
    words: str
    numbers: Mapping[str, float | str | None] = field(default_factory=dict)


def advice_on_pairs(found: Sequence[BreakEven], names: Sequence[str]) -> tuple[Advice, ...]:
    """The verdict on every pair with its break-even, and the tiers that pay in no pair at all."""
    advice = [_on_pair(one, names) for one in found]
    last = max((one.large for one in found), default=0)
    for tier in range(last):
        pairs = [one for one in found if one.small == tier]
        if pairs and all(one.is_flagged and one.skip != one.large for one in pairs):
            words = f"{names[tier]} never pays as a draft to be gated, whichever tier comes after"
            advice.append(Advice("tier", words, {"tier": tier, "pairs": len(pairs)}))
    return tuple(advice)


def _on_pair(one: BreakEven, names: Sequence[str]) -> Advice:
    small, large = names[one.small], names[one.large]
    verdict = f"undecided ({one.n})" if one.verdict == "undecided" else one.verdict
    if one.skip is not None:
        verdict = f"skip {names[one.skip]}"
    words = f"{small} before {large}: {verdict}; "
    if one.nauc is None:
        words += f"{large} is not both better and dearer"
    else:
        words += f"a gate's nAUC is {one.nauc:.2f}{_span(one.nauc_interval)} (random mix .50)"
        words += (
            f"; the signal costs {one.signal_cost:.3g} and may cost {one.most_signal_cost:.3g}"
            if one.most_signal_cost > 0.0
            else "; even for nothing the signal would not beat a random mix"
        )
        words += (
            f"; cheaper than {large} alone below {one.most_deferral:.0%} deferred"
            if one.most_deferral > 0.0
            else f"; draft and signal alone cost more than {large}"
        )
    if one.prior_nauc is not None:
        words += f"; the prior's nAUC is {one.prior_nauc:.2f}{_span(one.prior_interval)}"
    more = _labels_to_decide(one)
    if more is not None:
        words += f"; about {more} questions answered by both would decide"
    numbers: dict[str, float | str | None] = {
        "small": one.small,
        "large": one.large,
        "n": one.n,
        "verdict": one.verdict,
        "nauc": one.nauc,
        "prior_nauc": one.prior_nauc,
        "deferral": one.deferral,
        "gain": one.gain,
        "margin": one.margin,
        "signal_cost": one.signal_cost,
        "most_signal_cost": one.most_signal_cost,
        "most_deferral": one.most_deferral,
        "labels_to_decide": more,
    }
    for name, span in (("nauc", one.nauc_interval), ("prior_nauc", one.prior_interval)):
        numbers[f"{name}_low"], numbers[f"{name}_high"] = span or (None, None)
    return Advice("pair of tiers", words, numbers)


def _labels_to_decide(one: BreakEven) -> int | None:
    """Labels with which the interval, shrunk by the root of their number, would leave .5 out."""
    if one.verdict != "undecided" or one.nauc is None or one.nauc_interval is None:
        return None
    distance = abs(one.nauc - 0.5)
    side = one.nauc - one.nauc_interval[0] if one.nauc > 0.5 else one.nauc_interval[1] - one.nauc
    if distance < 0.01 or side <= distance:
        return None  # as good as a mix, or undecided for another reason: labels would not tell
    return math.ceil(one.n * (side / distance) ** 2)


def advice_on_saturation(ladders: Ladders, names: Sequence[str]) -> tuple[Advice, ...]:
    """Signals of which many values are equal, and what a plain threshold would do with them."""
    import numpy as np

    found = []
    for at, rung in enumerate(ladders.rungs):
        there = ladders.present[:, at]
        for name, values in ladders.signals.items():
            score = values[there, at]
            known = score[~np.isnan(score)]
            if not len(known):
                continue
            steps, counts = np.unique(known, return_counts=True)
            share = float(counts.max() / len(score))
            if share <= _SATURATED:
                continue
            missing = 1.0 - len(known) / len(score)
            cuts = np.concatenate([[0.0, missing], missing + np.cumsum(counts) / len(score)])
            nearest = float(cuts[np.argmin(np.abs(cuts - _ASKED))])
            # A plain quantile cut defers every score that is at most the quantile.
            plain = float(cuts[np.searchsorted(cuts, _ASKED - 1e-12)])
            value = float(steps[counts.argmax()])
            where = f"{names[rung.tier]}, round {rung.round}" if rung.round else names[rung.tier]
            words = (
                f"{name} is saturated at {where}: {share:.0%} of its values are {value:.3g}; "
                f'a plain "defer {_ASKED:.0%}" would defer {plain:.0%}, at best {nearest:.0%}; '
                "the draw among equal scores defers what was asked for, but cannot tell them apart"
            )
            numbers: dict[str, float | str | None] = {
                "tier": rung.tier,
                "round": rung.round,
                "signal": name,
                "share": share,
                "value": value,
                "missing": missing,
                "plain_deferral": plain,
                "nearest_deferral": nearest,
            }
            found.append(Advice("saturated signal", words, numbers))
    return tuple(found)


def advice_on_quality(reached: Reached, oracle_kept: float | None = None) -> tuple[Advice, ...]:
    """Whether a quality target is in reach, and what more labels would be worth.

    Args:
        oracle_kept: share of the last tier's quality that the oracle of all tiers has.
    """
    target, share = reached.report.target, reached.setting.share
    n, saving = reached.outlook[0] if reached.outlook else (0, reached.saving)
    numbers: dict[str, float | str | None] = {
        "target": target,
        "share": share,
        "saving": reached.saving,
        "hindsight_saving": reached.hindsight,
        "oracle_kept": oracle_kept,
    }
    words = f"keeping {target:.0%} of the last tier's quality "
    if share <= 0.0 or reached.saving <= 0.0:
        words += f"is out of reach at any saving that {n} labels can vouch for"
    else:
        words += f"saves {reached.saving:.0%} of its cost"
        if share < 1.0:
            words += f", by trying {share:.0%} of the requests for less"
    words += f"; with hindsight the best saving is {reached.hindsight:.0%}"
    if oracle_kept is not None:
        words += f", and an oracle has {oracle_kept:.0%} of its quality"
    advice = [Advice("target", words, numbers)]
    better = [(labels, more) for labels, more in reached.outlook[1:] if more > saving + 0.01]
    if better:
        listed = ", ".join(f"{more:.0%} with {labels}" for labels, more in better)
        best = max(more for _, more in better)
        words = f"more labels would vouch for more: an expected saving of {listed}"
        advice.append(Advice("certainty", words, {"labels": n, "best_saving": best}))
    return tuple(advice)


def advice_on_risk(result: NotCertified) -> tuple[Advice, ...]:
    """What a certificate that was refused would take."""
    target = result.target
    what = f"a {target.kind} risk of at most {target.alpha:g} (delta {target.delta:g})"
    numbers: dict[str, float | str | None] = {
        "alpha": target.alpha,
        "delta": target.delta,
        "needed_accepted_labels": result.needed_accepted_labels,
        "to_collect": result.to_collect,
    }
    if result.needed_accepted_labels is None:
        words = f"{what} is out of reach, however many labels are bought: {result.why}"
    else:
        words = f"{what} would take {result.needed_accepted_labels} labels of gated answers"
        if result.to_collect is not None:
            words += f", {result.to_collect} labels in all"
    cheapest = next((one for one in result.others if one.accepted is not None), None)
    if cheapest is not None:
        words += f"; a risk of {cheapest.alpha:g} would take {cheapest.accepted}"
    return (Advice("certainty" if result.needed_accepted_labels else "target", words, numbers),)


def advice_on_ways(found: Sequence[Worth]) -> tuple[Advice, ...]:
    """Whether to gate after the answer, route before it, do both, or neither."""
    ways = {name: next((one for one in found if one.family == name), None) for name in _WAYS}
    known = {name: one for name, one in ways.items() if one is not None}
    if not known:
        return ()
    best = max(known.values(), key=lambda one: one.saved)
    listed = "; ".join(f"{_NAMES[name]}: {_saving(one)}" for name, one in known.items())
    if best.interval is not None and best.interval[0] > 0.0:
        head = _NAMES[best.family]
    elif best.saved <= 0.0:
        head = "neither gate nor route: a random mix is as good"
    else:
        head = f"undecided ({len(best.loss)}), likely {_NAMES[best.family]}"
    words = f"{head}. Saved beyond a random mix of equal quality, per request: {listed}"
    numbers: dict[str, float | str | None] = {"best": best.family}
    for name, one in known.items():
        numbers[name] = one.saved
    return (Advice("way", words, numbers),)


def advice_on_purchases(found: Sequence[Worth], ends: Ends, *, seed: int = 0) -> tuple[Advice, ...]:
    """Whether to buy a gate's signal always, only inside a band of the free estimate, or never."""
    kinds: dict[Purchase, Worth] = {}
    for one in found:  # the one worth most comes first
        if one.family in ("gate", "one tier"):
            kinds.setdefault(one.purchase, one)
    bought = [one for kind, one in kinds.items() if kind != "nothing"]
    if not bought:
        return ()
    best, without = max(bought, key=lambda one: one.saved), kinds.get("nothing")
    saved, interval = best.saved, best.interval
    if without is not None and without.saved > 0.0:
        saved, interval = difference(ends, best, without, seed=seed)
    when = "always"
    if best.band is not None:
        when = f"only where the free estimate is in [{best.band[0]:.2f}, {best.band[1]:.2f})"
    span = "" if interval is None else f" [{interval[0]:.3g}, {interval[1]:.3g}]"
    if saved <= 0.0:
        head, tail = "never buy the signal", f"bought {when} it loses {-saved:.3g}{span}"
    else:
        sure = interval is not None and interval[0] > 0.0
        unsure = f"undecided ({len(best.loss)}) whether to buy the signal"
        head = f"buy the signal {when}" if sure else unsure
        tail = f"bought {when} it saves {saved:.3g}{span}"
    words = f"{head}: {tail} per request beyond its price, against the best without it"
    numbers: dict[str, float | str | None] = {kind: one.saved for kind, one in kinds.items()}
    numbers["saved"] = saved
    numbers["low"], numbers["high"] = best.band or (None, None)
    return (Advice("purchase", words, numbers),)


def advice_on_certainty(found: Sequence[BreakEven], names: Sequence[str]) -> tuple[Advice, ...]:
    """Where the fewest labels would decide a pair that is still undecided."""
    open_ = [(labels, one) for one in found if (labels := _labels_to_decide(one)) is not None]
    if not open_:
        return ()
    labels, one = min(open_, key=lambda pair: pair[0] - pair[1].n)
    more = labels - one.n
    words = (
        f"the cheapest certainty: judge answers by {names[one.small]} and {names[one.large]} to "
        f"about {more} more questions; that would decide whether {names[one.small]} pays"
    )
    numbers = {"small": one.small, "large": one.large, "more": more}
    return (Advice("certainty", words, numbers),)


def _saving(one: Worth) -> str:
    span = "" if one.interval is None else f" [{one.interval[0]:.3g}, {one.interval[1]:.3g}]"
    return f"{one.saved:.3g}{span}, {one.of_last:+.0%} of the last tier's cost"


def _span(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" [{interval[0]:.2f}, {interval[1]:.2f}]"
