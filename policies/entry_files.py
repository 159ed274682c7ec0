"""Entry policies as they stand in a profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..router.errors import UsageError
from ..router.wire import decode, encode
from .entry import FixedEntry, PriorEntry
from .mixed_entry import MixedEntry

__all__ = ["EntryRule", "entry_data", "entry_of"]

EntryRule = FixedEntry | PriorEntry | MixedEntry
"""Where requests enter the ladder."""


def entry_data(entry: EntryRule) -> dict[str, Any]:
    """As it stands in a profile."""
    if isinstance(entry, MixedEntry):
        return {
            "kind": "mixed",
            "share": entry.share,
            "inside": entry_data(entry.inside),
            "outside": entry_data(entry.outside),
            "seed": entry.seed,
        }
    return {"kind": "fixed" if isinstance(entry, FixedEntry) else "prior", **encode(entry)}


def entry_of(data: Mapping[str, Any]) -> EntryRule:
    """The entry policy that `entry_data` wrote.

    Raises:
        UsageError: anything else.
        KeyError: a field is missing.
    """
    if data.get("kind") == "fixed":
        return decode(FixedEntry, data)
    if data.get("kind") == "prior":
        return decode(PriorEntry, data)
    if data.get("kind") == "mixed":
        inside, outside = entry_of(data["inside"]), entry_of(data["outside"])
        if not isinstance(inside, MixedEntry) and isinstance(outside, FixedEntry):
            return MixedEntry(data["share"], inside, outside, data["seed"])
    raise UsageError(f"entry: expected kind fixed, prior or mixed, got {data.get('kind')!r}")
