"""`surefoot replay`: a policy over recorded outcomes, beside simple rules."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import click

from .options import json_option, seed_option

__all__ = ["command"]


@click.command("replay", short_help="a policy over recorded outcomes")
@click.argument("outcomes", type=click.Path(path_type=Path))
@click.option("--profile", type=click.Path(path_type=Path), required=True)
@click.option("--report", type=click.Path(path_type=Path), help="Folder for numbers and plots.")
@seed_option
@json_option
def command(outcomes: Path, profile: Path, report: Path | None, seed: int, as_json: bool) -> None:
    """Replay a profile's policy on the outcome table OUTCOMES, through the loop that serves.

    Judge a policy on questions that it was not fitted on. Intervals are 95 % bootstrap intervals
    over questions. nauc, apgr, aiq and ibc_lift are null in this version.
    """
    from ..policies.outcomes import read_outcomes
    from ..policies.profile import load_profile
    from ..policies.replay import replay_report, serve_table
    from ..router.tables import write_atomically
    from .console import out, print_json, progress_bar
    from .documents import replay_document
    from .screen import replay_table

    table, fitted = read_outcomes(outcomes), load_profile(profile)
    with progress_bar() as progress:
        served = serve_table(table, fitted, partial(progress, "replaying questions"))
        found = replay_report(table, served, seed=seed)
    document = replay_document(found, fitted)
    if report is not None:
        from ..policies.plots import plot_replay

        write_atomically(report / "replay.json", json.dumps(document, indent=1) + "\n")
        plot_replay(found, served, report)
    if as_json:
        print_json(document)
        return
    console = out()
    console.print(replay_table(found, fitted.names))
    console.print("uncertified: no error rate is promised", style="dim")
    if report is not None:
        console.print(f"report: {report}")
