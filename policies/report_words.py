"""How a report prints its numbers."""

from __future__ import annotations

from .report_content import Interval, Unit

__all__ = ["ranged", "shown"]


def shown(value: float, unit: Unit) -> str:
    """A number with its unit: 83.4 %, 0.573, 1.25e-05, 0.42 s."""
    if unit == "share":
        return f"{_plain(100.0 * value, 1)} %"
    if unit == "seconds":
        return f"{value:.3g} s"
    return f"{value:.4g}" if unit == "cost" else _plain(value, 3)


def ranged(interval: Interval, unit: Unit) -> str:
    """An interval: [81.2, 85.4] %."""
    low, high = (shown(end, unit) for end in interval)
    mark = {"share": " %", "seconds": " s"}.get(unit, "")
    return f"[{low.removesuffix(mark)}, {high.removesuffix(mark)}]{mark}"


def _plain(value: float, digits: int) -> str:
    """So many decimals, and no minus before a zero."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0.0 else text
