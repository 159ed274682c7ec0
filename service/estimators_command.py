"""`surefoot estimators`: what can be read from evidence, what it needs and costs, its paper."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import click

from ..router.errors import UsageError
from .options import json_option

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from ..router.estimators.entry import Entry
    from ..router.protocols import Estimator, Needs

__all__ = ["command", "cost_in_words", "needs_in_words"]

_SCHEMA = 1
_FAMILIES = {
    "tokens": "one generation with logprobs",
    "samples": "several samples",
    "semantic": "what answers mean: NLI or similarities",
    "around": "what stands around the answer",
}
_SURE = {"confidence": "sure", "uncertainty": "unsure"}


@click.command("estimators", short_help="what can be read, needed and paid")
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the estimators of confidence by family, or show the one called NAME in full.

    With --json {"schema", "estimators": [{"name", "family", "summary", "needs",
    "needs_in_words", "cost", "direction", "source", "version",
    "compatible_with", "aliases", "description"}]}.
    """
    from ..router.estimators.catalogue import CATALOGUE
    from .console import out, print_json

    found = list(CATALOGUE.values()) if name is None else [_named(name)]
    if as_json:
        print_json({"schema": _SCHEMA, "estimators": [_document(one) for one in found]})
    elif name is None:
        _list(out(), found)
    else:
        _show(out(), found[0])


def _named(name: str) -> Entry:
    from ..policies.scoring import nearest_name
    from ..router.estimators.catalogue import ALIASES, CATALOGUE

    found = CATALOGUE.get(ALIASES.get(name, name))
    if found is None:
        raise UsageError(f"no estimator is called '{name}'; {nearest_name(name)}")
    return found


def _document(entry: Entry) -> dict[str, Any]:
    from dataclasses import asdict

    from ..router.estimators.catalogue import ALIASES, Options

    made = entry.make(Options())
    needs = asdict(made.needs)
    return {
        "name": entry.name,
        "family": entry.family,
        "summary": entry.summary,
        "needs": {name: value for name, value in needs.items() if value},
        "needs_in_words": needs_in_words(made.needs),
        "cost": cost_in_words(made.needs),
        "direction": _direction(made),
        "source": entry.source,
        "version": made.version,
        "compatible_with": entry.compatible_with,
        "aliases": sorted(alias for alias, name in ALIASES.items() if name == entry.name),
        "description": inspect.getdoc(type(made)),
    }


def _direction(estimator: Estimator) -> str | None:
    """What a high `raw` means, as the estimator itself says of a record with everything in it."""
    from ..router.guards import read_safely
    from ..router.signals import Signal
    from .sample_evidence import sample_evidence

    asked = estimator.needs.asked
    reading = read_safely(estimator, sample_evidence((asked,) if asked else ()))
    return reading.direction if isinstance(reading, Signal) else None


def needs_in_words(needs: Needs) -> str:
    """What a record must hold; "text" where an answer alone is enough."""
    words = []
    if needs.top_logprobs:
        words.append(f"top-{needs.top_logprobs} logprobs")
    elif needs.logprobs:
        words.append("logprobs")
    if needs.samples:
        words.append("samples")
    if needs.compare:
        words.append("NLI" if needs.compare == "nli" else "similarities")
    if needs.passages:
        words.append("passages")
    if needs.asked:
        words.append(f"asked.{needs.asked}")
    if needs.critique:
        words.append("the critic's verdict")
    if needs.given:
        words.append(needs.given)
    return ", ".join(words) or "text"


def cost_in_words(needs: Needs) -> str:
    """What it takes beyond the answer where the record does not hold it; NLI looks both ways."""
    words = []
    if needs.samples:
        words.append(f"{needs.samples} sample{'s' * (needs.samples > 1)}")
    if needs.compare:
        texts = needs.samples + 1  # the answer itself is one
        ways = 1 if needs.compare == "nli" else 2
        noun = "NLI" if needs.compare == "nli" else "similarity"
        pairs = f"up to {texts * (texts - 1) // ways}" if needs.samples else "several"
        words.append(f"{pairs} {noun} pairs")
    if needs.asked:
        words.append("a question to the model")
    if needs.critique:
        words.append("the critic")
    if needs.given:
        words.append("must come with the record")
    return " + ".join(words) or "free"


def _list(console: Console, entries: list[Entry]) -> None:
    from rich.table import Table
    from rich.text import Text

    for family, title in _FAMILIES.items():
        members = [one for one in entries if one.family == family]
        if not members:
            continue
        table = Table(title=f"{family}: {title}", title_justify="left", title_style="bold")
        table.add_column("name", no_wrap=True)
        table.add_column("what it is")
        for entry in members:
            table.add_row(Text(entry.name, style="bold"), _facts(entry))
        console.print(table)
    console.print("surefoot estimators NAME shows one in full", style="dim")


def _facts(entry: Entry) -> Text:
    """One cell, so that the list can be read on a narrow terminal."""
    from rich.text import Text

    facts = _document(entry)
    sure = _SURE.get(facts["direction"] or "", "?")
    words = Text(entry.summary)
    words.append(f"\nneeds {facts['needs_in_words']}; {facts['cost']}; high raw: {sure}", "cyan")
    words.append(f"\n{entry.source}", "dim")
    if entry.compatible_with:
        words.append(f"\nas {entry.compatible_with} has it; never in a default set", "yellow")
    return words


def _show(console: Console, entry: Entry) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    facts = _document(entry)
    console.print(Text(entry.name, style="bold").append(f"  {entry.summary}", style="not bold"))
    table = Table.grid(padding=(0, 2))
    rows = {
        "family": entry.family,
        "needs": facts["needs_in_words"],
        "cost": facts["cost"],
        "high raw": _SURE.get(facts["direction"] or "", "unknown"),
        "source": entry.source,
        "version": str(facts["version"]),
        "also known as": ", ".join(facts["aliases"]),
        "compatible with": entry.compatible_with or "",
    }
    for label, words in rows.items():
        if words:
            table.add_row(Text(label, style="dim"), Text(words))
    console.print(Padding(table, (0, 0, 1, 2), expand=False))
    console.print(Text(_reflowed(facts["description"] or "")))


def _reflowed(description: str) -> str:
    """A docstring whose paragraphs may be wrapped anew; indented lists stay as they are."""
    paragraphs = description.split("\n\n")
    return "\n\n".join(one if "\n " in one else " ".join(one.splitlines()) for one in paragraphs)
