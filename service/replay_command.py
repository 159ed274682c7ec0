"""`surefoot replay`: a policy over recorded outcomes, beside simple rules."""

from __future__ import annotations

from pathlib import Path

import click

from .options import json_option, seed_option

__all__ = ["command"]

_PATH = click.Path(path_type=Path)


@click.command("replay", short_help="a policy over recorded outcomes")
@click.argument("outcomes", type=_PATH)
@click.option("--profile", type=_PATH, required=True)
@click.option("--against", type=_PATH, help="Another profile, replayed on the same questions.")
@click.option("--report", type=_PATH, help="Folder for replay.json and report.html.")
@click.option("--questions", type=_PATH, help="JSON Lines of query_id and question (or prompt).")
@seed_option
@json_option
def command(
    outcomes: Path,
    profile: Path,
    against: Path | None,
    report: Path | None,
    questions: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Replay a profile's policy on the outcome table OUTCOMES, through the loop that serves.

    Judge a policy on questions that it was not fitted on. Intervals are 95 % bootstrap intervals
    over questions. Risks: selective, of the answers that a gate let through; joint, of all requests
    those let through and wrong; system, of whatever was served.

    Of the profile's kind of policy at all its settings: nauc, the area under quality over cost (.5
    for a random mix of the cheapest and the dearest tier); apgr, the same over the share deferred;
    aiq, mean quality on the hull over cost. Of the profile itself: ibc_lift, quality gained per
    cost above that of the dearest tier. They are null where a tier's row is missing, or where the
    dearest tier is not both dearer and better.
    """
    from .replay_run import Asked, run_replay

    run_replay(Asked(outcomes, profile, against, report, questions, seed), as_json=as_json)
