"""What `surefoot next-labels` does, from candidates to what is to be labeled."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..router.errors import UsageError
from .risk_options import RiskAsked, target_of

if TYPE_CHECKING:
    from rich.console import Console

    from ..policies.cheapest_certainty import CertaintyOption
    from ..policies.label_candidates import LabelDraft
    from ..policies.label_choice import LabelChoice
    from ..policies.profile import Profile

__all__ = ["Asked", "run"]

_OTHER_MARGINS = (-0.1, -0.05, 0.0, 0.05, 0.1)


@dataclass(frozen=True, slots=True)
class Asked:
    """All options of the command."""

    candidates: Path
    profile: Path
    budget: float
    target: Path | None
    draws: Path | None
    risk: RiskAsked
    margins: tuple[float, ...]
    pi_min: float
    secret: str


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The drafts with what became of each, in the same order, and the ways to a certificate."""

    drafts: Sequence[LabelDraft]
    choices: Sequence[LabelChoice]
    blind: int
    options: Sequence[CertaintyOption]
    no_options: str | None

    def labels(self) -> list[dict[str, Any]]:
        """What to label."""
        pairs = zip(self.drafts, self.choices, strict=True)
        return [_line(d, {"propensity": c.propensity}) for d, c in pairs if c.chosen]

    def draws(self) -> list[dict[str, Any]]:
        """What to log of every draft."""
        pairs = zip(self.drafts, self.choices, strict=True)
        return [
            _line(d, {"audited": c.chosen or d.candidate.labelled, "propensity": c.propensity})
            for d, c in pairs
        ]


def _line(draft: LabelDraft, rest: Mapping[str, Any]) -> dict[str, Any]:
    row = draft.row
    return {
        "query_id": row.query_id,
        "tier": row.tier,
        "round": row.round,
        "retrieved": row.retrieved,
        **rest,
    }


def run(asked: Asked, *, as_json: bool) -> None:
    """Choose, write what is to be labeled, and list the cheapest ways to a certificate.

    Raises:
        UsageError: a file or an option that cannot be used; nothing is written then.
        StoreError: a file cannot be written.
    """
    from ..policies.profile import load_profile
    from ..router.tables import json_line, write_lines
    from .console import err, out, print_json

    _check(asked)
    profile = load_profile(asked.profile)
    chosen = _chosen(asked, profile)
    if asked.draws is not None:
        write_lines(asked.draws, chosen.draws())
    if asked.target is not None:
        write_lines(asked.target, chosen.labels())
    if as_json:
        print_json(_document(asked, chosen, profile))
    elif asked.target is not None:
        _show(out(), chosen, asked)
    else:
        console = out()
        for line in chosen.labels():
            console.print(json_line(line).decode().rstrip("\n"), soft_wrap=True)
        _show(err(), chosen, asked)


def _check(asked: Asked) -> None:
    if not 0.0 < asked.budget < math.inf:
        raise UsageError(f"--budget: expected a number of labels above 0, got {asked.budget}")
    if not all(math.isfinite(margin) for margin in asked.margins):
        raise UsageError(f"--margin: expected numbers, got {list(asked.margins)}")
    written = [path for path in (asked.target, asked.draws) if path is not None]
    places = [os.path.realpath(path) for path in (asked.candidates, asked.profile, *written)]
    if len(set(places)) < len(places):
        raise UsageError("--out and --draws: name two files that are neither of the inputs")


def _chosen(asked: Asked, profile: Profile) -> _Chosen:
    from ..policies.label_candidates import draw_number, label_drafts
    from ..policies.label_choice import choose_labels
    from ..policies.outcomes import read_outcomes

    table = read_outcomes(asked.candidates, tiers=len(profile.tiers), is_log=True)
    drafts, blind = label_drafts(table, profile)
    candidates = [draft.candidate for draft in drafts]
    if not any(not one.labelled for one in candidates):
        raise UsageError(
            f"{asked.candidates}: no draft without a label is judged by a gate of the profile; "
            "there is nothing to choose from"
        )
    choices = choose_labels(
        candidates,
        asked.budget,
        secret=asked.secret,
        wave=draw_number(drafts),
        margins=asked.margins or (0.0,),
        pi_min=asked.pi_min,
    )
    options, why = _options(asked, profile, drafts)
    return _Chosen(drafts, choices, blind, options, why)


def _options(
    asked: Asked, profile: Profile, drafts: Sequence[LabelDraft]
) -> tuple[Sequence[CertaintyOption], str | None]:
    """The ways to a certificate, or why they are not worked out."""
    from ..policies.cheapest_certainty import cheapest_way_to_certainty

    if asked.risk.kind is None and asked.risk.alpha is None and profile.certificate is None:
        return (), "name a risk with --risk and --alpha to see what a certificate would take"
    target = target_of(asked.risk, profile)
    if target.kind != "selective" or target.loss != "binary":
        return (), "worked out for a selective risk of binary losses alone"
    candidates = [draft.candidate for draft in drafts]
    return cheapest_way_to_certainty(candidates, target, asked.margins or _OTHER_MARGINS), None


def _document(asked: Asked, chosen: _Chosen, profile: Profile) -> dict[str, Any]:
    return {
        "schema": 1,
        "profile": profile.fingerprint,
        "budget": asked.budget,
        "candidates": len(chosen.drafts),
        "without_estimate": chosen.blind,
        "labels": chosen.labels(),
        "options": [_option(one) for one in chosen.options],
        "no_options": chosen.no_options,
    }


def _option(one: CertaintyOption) -> dict[str, Any]:
    return {
        "margin": one.margin,
        "share": one.share,
        "risk": one.risk,
        "needed": one.needed,
        "have": one.have,
        "more": one.more,
        "available": one.available,
        "is_in_reach": one.is_in_reach,
        "propensity": one.propensity,
        "by_tier": {str(tier): count for tier, count in one.by_tier.items()},
    }


def _show(console: Console, chosen: _Chosen, asked: Asked) -> None:
    from rich.table import Table

    count = sum(choice.chosen for choice in chosen.choices)
    console.print(
        f"{count} drafts to label of {len(chosen.drafts)} questions, for a budget of "
        f"{asked.budget:g}; log the propensities of all of them (--draws)"
    )
    if chosen.blind:
        console.print(f"{chosen.blind} questions have no draft with an estimate and were left out")
    if chosen.no_options is not None:
        console.print(chosen.no_options, style="dim")
        return
    table = Table(title="ways to a certificate, cheapest first", title_justify="left")
    for column in ("thresholds", "accepts", "risk", "labels needed", "judged", "to judge", "here"):
        table.add_column(column, justify="right")
    for one in chosen.options:
        needed, more = ("never enough" if n is None else str(n) for n in (one.needed, one.more))
        table.add_row(
            f"{one.margin:+g}",
            f"{one.share:.1%}",
            f"{one.risk:.3f}" if one.share else "",
            needed,
            str(one.have),
            more,
            str(one.available),
        )
    console.print(table)
    console.print(
        "thresholds moved by so much; risks by the calibrated estimates; labels drawn with equal "
        "propensity among the accepted, of which `here` are in the file and not judged yet"
    )
