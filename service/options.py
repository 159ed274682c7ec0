"""Command line options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["config_option", "docs_option", "history_option", "json_option", "seed_option"]

_PATH = click.Path(path_type=Path)

config_option = click.option(
    "--config",
    type=_PATH,
    help="TOML configuration; else ./surefoot.toml, else the shipped demo.",
)
docs_option = click.option(
    "--docs", type=_PATH, help="Folder of text, Markdown and HTML files to search."
)
history_option = click.option(
    "--history",
    metavar="URL",
    help="sqlite:///FILE, redis://HOST/DB, memory: or none (remembers nothing).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Makes it repeat."
)
