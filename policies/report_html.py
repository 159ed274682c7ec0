"""The report of a replay as one HTML page that needs nothing else: no script, no file, no network.

Every number of a picture stands in the text too, names are escaped, and the page follows the
reader's choice of a light or a dark screen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from ..router.tables import write_atomically
from .report_content import Measure, ReportContent, Unit
from .report_figures import figures_of
from .report_theme import STYLE
from .report_words import ranged, shown

__all__ = ["report_html", "write_report"]


def report_html(content: ReportContent) -> str:
    """The whole page; the same content gives the same bytes.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    title = escape(content.title)
    parts = [
        _header(content),
        _verdict(content),
        _cards(content),
        _targets(content),
        _baselines(content),
        _plots(content),
        _comparison(content),
        _advice(content),
        _provenance(content),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def write_report(content: ReportContent, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        MissingExtra: matplotlib is not installed.
        StoreError: the file cannot be written.
    """
    write_atomically(path, report_html(content).encode())


def _header(content: ReportContent) -> str:
    subtitle = f"<p>{escape(content.subtitle)}</p>" if content.subtitle else ""
    asked = "1 question" if content.questions == 1 else f"{content.questions:,} questions"
    return (
        f"<header><h1>{escape(content.title)}</h1>{subtitle}"
        f"<p>Replayed on {asked}; ranges in brackets are {100 * content.level:g} % intervals over "
        "questions drawn anew.</p></header>"
    )


def _verdict(content: ReportContent) -> str:
    told = content.certificate
    if told is None:
        return (
            '<section class="verdict no" aria-label="Certificate"><strong>No certificate</strong>'
            "No risk is certified for this policy: the numbers below describe the replayed "
            "questions and promise nothing about others.</section>"
        )
    kind, heading = ("yes", "Certified") if told.certified else ("no", "Not certified")
    return (
        f'<section class="verdict {kind}" aria-label="Certificate"><strong>{heading}</strong>'
        f"{escape(told.statement)}{_pairs(told.details)}</section>"
    )


def _cards(content: ReportContent) -> str:
    if not content.headline:
        return ""
    cards = "".join(_card(one) for one in content.headline)
    return f'<section aria-label="In short"><ul class="cards">{cards}</ul></section>'


def _card(one: Measure) -> str:
    value = "<i>not defined</i>" if one.value is None else shown(one.value, one.unit)
    reach = "" if one.interval is None else ranged(one.interval, one.unit)
    note = f'<p class="note">{escape(one.note)}</p>' if one.note else ""
    return (
        f'<li class="card"><span class="name">{escape(one.name)}</span>'
        f'<span class="value">{value}</span><span class="range">{reach}</span>{note}</li>'
    )


def _targets(content: ReportContent) -> str:
    if not content.targets:
        return ""
    rows = []
    for one in content.targets:
        met = {True: ("met", "met"), False: ("missed", "missed"), None: ("", "undecided")}[one.met]
        rows.append(
            [
                escape(one.kind),
                shown(one.target, one.unit),
                "not defined" if one.achieved is None else shown(one.achieved, one.unit),
                "" if one.interval is None else ranged(one.interval, one.unit),
                f'<span class="{met[0]}">{met[1]}</span>',
            ]
        )
    head = ["target", "asked for", "achieved", "interval", "verdict"]
    note = (
        "<p>Met or missed where the whole interval lies on that side; undecided where it holds "
        "what was asked for.</p>"
    )
    return _section("Targets", _table(head, rows) + note)


def _baselines(content: ReportContent) -> str:
    told = content.cost_quality
    if told is None:
        return ""
    dearest = next((one for one in told.baselines if one.name == "always-large"), None)
    rows = []
    for one in [told.chosen, *told.baselines]:
        row = [escape(one.name), shown(one.quality, "share"), shown(one.cost, "cost")]
        if dearest is not None:
            kept = one.quality / dearest.quality if dearest.quality > 0 else None
            saved = 1.0 - one.cost / dearest.cost if dearest.cost > 0 else None
            row += ["" if part is None else shown(part, "share") for part in (kept, saved)]
        rows.append(row)
    head = ["rule", "quality", f"cost per question{_currency(told.currency)}"]
    if dearest is not None:
        head += ["quality kept of always-large", "cost saved"]
    return _section("Beside simple rules", _table(head, rows, ours=0) + _RULES)


_RULES = (
    "<p>Rules read no signal. The random mix draws lots between always-small and always-large and "
    "spends what this policy spends; best-single always asks in the one way (a tier, with or "
    "without passages) that is right most often; the oracle knows the answers and takes the "
    "cheapest right one.</p>"
)


def _currency(name: str) -> str:
    return f" ({escape(name)})" if name else ""


def _plots(content: ReportContent) -> str:
    figures = figures_of(content)
    if not figures:
        return ""
    drawn = []
    for one in figures:
        wide = ' class="wide"' if one.is_wide else ""
        # On a narrow screen a wide picture is moved rather than shrunk until nobody can read it.
        picture = f'<div class="scroll" tabindex="0">{one.svg}</div>' if one.is_wide else one.svg
        numbers = _table([escape(name) for name in one.head], one.rows)
        drawn.append(
            f"<figure{wide}><h3>{one.title}</h3>{picture}<figcaption><p>{one.caption}</p>"
            f"<details><summary>The numbers</summary>{numbers}</details></figcaption></figure>"
        )
    return _section("Pictures", f'<div class="plots">{"".join(drawn)}</div>')


def _comparison(content: ReportContent) -> str:
    if not content.comparison:
        return ""
    rows = [
        [
            escape(one.name),
            shown(one.first, one.unit),
            shown(one.second, one.unit),
            _signed(one.first - one.second, one.unit),
            ranged(one.interval, one.unit),
            shown(one.share_above, "share"),
        ]
        for one in content.comparison
    ]
    other = escape(content.compared_with or "the other")
    head = ["number", "this policy", other, "difference", "interval", "draws above 0"]
    return _section(f"Against {other}, on the same questions", _table(head, rows))


def _signed(value: float, unit: Unit) -> str:
    return f"{'+' if value > 0 else ''}{shown(value, unit)}"


def _advice(content: ReportContent) -> str:
    if not content.advice:
        return ""
    items = "".join(
        f'<li class="card"><strong>{escape(one.verdict)}</strong>{escape(one.text)}</li>'
        for one in content.advice
    )
    return _section("Advice", f'<ul class="advice">{items}</ul>')


def _provenance(content: ReportContent) -> str:
    told = content.provenance
    if not told.facts and not told.command:
        return ""
    command = f"<pre>{escape(told.command)}</pre>" if told.command else ""
    return _section("What this was computed on", _list(told.facts) + command)


def _section(title: str, body: str) -> str:
    """Title and body are HTML already."""
    return f"<section><h2>{title}</h2>{body}</section>"


def _list(pairs: Iterable[tuple[str, str]]) -> str:
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return f"<dl>{items}</dl>" if items else ""


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """As `_list`, with each name above its value."""
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs
    )
    return f"<dl>{items}</dl>" if items else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], ours: int | None = None) -> str:
    """Cells are HTML already.

    Args:
        ours: the row to set off from the others.
    """
    names = "".join(f'<th scope="col">{name}</th>' for name in head)
    lines = []
    for place, (first, *others) in enumerate(rows):
        kind = ' class="ours"' if place == ours else ""
        cells = "".join(f"<td>{cell}</td>" for cell in others)
        lines.append(f'<tr{kind}><th scope="row">{first}</th>{cells}</tr>')
    return (
        '<div class="card table scroll" tabindex="0"><table>'
        f"<thead><tr>{names}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )
