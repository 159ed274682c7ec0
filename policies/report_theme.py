"""The looks of a report: its colors, light and dark, and its pictures as parts of the page.

A picture is drawn once, with a stand-in for each color; in the page each stand-in is a CSS
variable, so that one picture serves both a light and a dark screen.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from io import StringIO
from typing import Any

from ..router.errors import MissingExtra
from .figures import new_figure

__all__ = ["CARD", "GRID", "INK", "MUTED", "SERIES", "STYLE", "draw_svg", "percent_tick"]

INK, MUTED, GRID, CARD = "#0a0001", "#0a0002", "#0a0003", "#0a0004"
"""Stand-ins: text, less important text, lines behind the data, the paper."""

BLUE, ORANGE, GREEN, RED, VIOLET, TEAL = (f"#0a00{number}" for number in (11, 12, 13, 14, 15, 16))
SERIES = {
    "blue": BLUE,
    "orange": ORANGE,
    "green": GREEN,
    "red": RED,
    "violet": VIOLET,
    "teal": TEAL,
}
"""Stand-ins of colors that mean something."""

_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    CARD: "card",
    **{stand_in: name for name, stand_in in SERIES.items()},
}

_LIGHT = {
    "paper": "#f4f6fa",
    "card": "#ffffff",
    "ink": "#172033",
    "muted": "#5a667a",
    "grid": "#dfe4ec",
    "blue": "#2860d8",
    "orange": "#c96a06",
    "green": "#15803d",
    "red": "#cc2936",
    "violet": "#7440c9",
    "teal": "#0d7f8c",
}
_DARK = {
    "paper": "#0d121b",
    "card": "#161d29",
    "ink": "#e7ecf5",
    "muted": "#9aa7bb",
    "grid": "#2c3646",
    "blue": "#7aa7ff",
    "orange": "#f3a64b",
    "green": "#56c98a",
    "red": "#ff8080",
    "violet": "#bd9bff",
    "teal": "#4fc6d2",
}


def draw_svg(
    name: str, description: str, width: float, height: float, draw: Callable[[Any], None]
) -> str:
    """A picture as an `<svg>` element: text stays text, and the same input gives the same bytes.

    Args:
        name: of the picture, letters and dashes; begins every id inside it.
        description: what the picture shows, for those who cannot see it.
        width: in inches; `height` likewise.
        draw: fills an empty `matplotlib.figure.Figure`.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise MissingExtra("matplotlib", "fit") from error
    with rc_context(_settings(name)):
        figure = new_figure(width, height)
        draw(figure)
        written = StringIO()
        figure.savefig(
            written,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    return _inline(written.getvalue(), name, description)


def _settings(name: str) -> Any:
    # Any: the keys are a closed set to the type checker, and it grows with each release.
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.family": ["DejaVu Sans"],
        "font.size": 10.0,
        "text.color": INK,
        "text.parse_math": False,  # names of tiers may have a dollar sign
        "axes.labelcolor": MUTED,
        "axes.labelsize": 10.0,
        "axes.edgecolor": GRID,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.titlesize": 10.5,
        "axes.titlecolor": INK,
        "axes.titlelocation": "left",
        "grid.color": GRID,
        "grid.linewidth": 0.8,
        "xtick.color": GRID,
        "ytick.color": GRID,
        "xtick.labelcolor": MUTED,
        "ytick.labelcolor": MUTED,
        "xtick.labelsize": 9.0,
        "ytick.labelsize": 9.0,
        "xtick.major.pad": 6.0,
        "ytick.major.pad": 6.0,
        "xtick.major.size": 0.0,
        "ytick.major.size": 0.0,
        "legend.frameon": False,
        "legend.fontsize": 9.0,
        "lines.solid_capstyle": "round",
    }


def _inline(document: str, name: str, description: str) -> str:
    """The element alone: no prolog, no references to elsewhere, ids of its own, our colors."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s+xmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href=", "href=")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(url\(|href=")#', rf"\1#{name}-", svg)
    # Names may hold quotes: only what stands inside a style attribute is rewritten.
    svg = re.sub(r"(font: [^;\"]*?)'DejaVu Sans'[^;\"]*", r"\1var(--font)", svg)
    for stand_in, variable in _VARIABLES.items():
        svg = svg.replace(stand_in, f"var(--{variable})")
    label = f'role="img" aria-labelledby="{name}-title"'
    svg = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf"<svg {label} \1>", svg, count=1)
    body = svg.index(">") + 1
    return f'{svg[:body]}<title id="{name}-title">{escape(description)}</title>{svg[body:]}'


def percent_tick(value: float, _: object = None) -> str:
    """A tick of a share: 5 %, 2.5 %."""
    return f"{100 * value:.3g} %"


def _variables(colors: dict[str, str]) -> str:
    return "".join(f"--{name}:{color};" for name, color in colors.items())


STYLE = (
    ":root{color-scheme:light dark;"
    "--font:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;"
    "--mono:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
    + _variables(_LIGHT)
    + "}\n@media (prefers-color-scheme:dark){:root{"
    + _variables(_DARK)
    + "}}\n@media print{:root{"
    + _variables(_LIGHT)
    + "--paper:#ffffff}}\n"
    + """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 var(--font)}
main{max-width:74rem;margin:0 auto;padding:2.5rem 1.5rem 4rem}
header p{margin:.2rem 0;color:var(--muted)}
h1{font-size:1.9rem;line-height:1.2;margin:0;letter-spacing:-.015em;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2.6rem 0 .9rem;letter-spacing:-.01em}
h3{font-size:1rem;margin:0 0 .15rem}
a{color:var(--blue)}
.card,figure,.verdict{background:var(--card);border:1px solid var(--grid);border-radius:12px}
.verdict{margin:1.6rem 0;padding:1.1rem 1.3rem;border-left:6px solid var(--muted)}
.verdict.yes{border-left-color:var(--green)}
.verdict.no{border-left-color:var(--orange)}
.verdict strong{display:block;font-size:1.1rem}
.yes>strong,.met{color:var(--green)}
.no>strong,.missed{color:var(--orange)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(13.5rem,1fr));gap:.9rem;
margin:0;padding:0;list-style:none}
.card{padding:.9rem 1.05rem}
.card .name{color:var(--muted);font-size:.86rem}
.card .value{display:block;font-size:1.6rem;font-weight:650;line-height:1.25;
font-variant-numeric:tabular-nums;letter-spacing:-.02em}
.card .value i{font:400 1rem/2 var(--font);color:var(--muted)}
.card .range{font-size:.86rem;font-variant-numeric:tabular-nums}
.card .note{color:var(--muted);font-size:.8rem;line-height:1.4;margin:.35rem 0 0}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(30rem,100%),1fr));gap:1rem}
figure{margin:0;padding:1.1rem 1.2rem}
figure.wide{grid-column:1/-1}
figure svg{display:block;width:100%;height:auto;margin:.4rem 0}
figure svg text{paint-order:stroke;stroke:var(--card);stroke-width:2.5px;stroke-linejoin:round}
figcaption p,section>p{margin:.5rem 0 0;color:var(--muted);font-size:.88rem}
details{font-size:.86rem;margin-top:.4rem}
summary{cursor:pointer;color:var(--muted)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.93rem}
th,td{text-align:right;padding:.45rem .7rem;border-bottom:1px solid var(--grid);white-space:nowrap}
th:first-child,td:first-child{text-align:left;white-space:normal;min-width:7.5rem;
overflow-wrap:anywhere}
thead th{white-space:normal;color:var(--muted);font-weight:500;font-size:.84rem;
vertical-align:bottom}
tbody tr:last-child th,tbody tr:last-child td{border-bottom:0}
tbody th{font-weight:500}
tr.ours th,tr.ours td{font-weight:650;background:color-mix(in srgb,var(--blue) 9%,transparent)}
.card.table{padding:.4rem .5rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1.2rem;margin:.6rem 0 0;
font-size:.9rem}
.verdict dl{grid-template-columns:repeat(auto-fill,minmax(11rem,1fr));gap:.6rem 1.2rem;
margin-top:.9rem}
dt{color:var(--muted)}
dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
ul.advice{list-style:none;margin:0;padding:0;display:grid;gap:.7rem}
ul.advice strong{display:inline-block;margin-right:.6rem}
pre{background:var(--paper);border:1px solid var(--grid);border-radius:8px;padding:.8rem 1rem;
overflow-x:auto;font:.86rem/1.5 var(--mono);margin:.9rem 0 0}
footer{margin-top:3rem;color:var(--muted);font-size:.84rem}
@media (max-width:34rem){main{padding:1.4rem .9rem 3rem}
dl,.verdict dl{grid-template-columns:1fr;gap:0}
dd{margin-bottom:.5rem}th,td{padding:.4rem .45rem}
figure{padding:.9rem .7rem}figure.wide svg{width:40rem}}
@media print{figure,.card,.verdict{break-inside:avoid}main{padding:0;max-width:none}}
"""
)
"""The style sheet of a report."""
