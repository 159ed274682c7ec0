"""`surefoot practice`: states for the critic, made by the deployment's own models and retriever."""

from __future__ import annotations

from pathlib import Path

import click

from ..router.errors import UsageError
from .common import FAILED, Choices
from .options import config_option, docs_option, json_option

__all__ = ["command"]

_PATH = click.Path(path_type=Path)


@click.command("practice", short_help="states for the critic, made by your own models")
@click.option("--questions", type=_PATH, help="Questions with accepted answers (JSON Lines).")
@click.option("--out", "target", type=_PATH, required=True, help="File of states.")
@config_option
@docs_option
@click.option("--rounds", type=click.IntRange(0, 20), help="Searches of a thread; else 3.")
@click.option("--tier", "tiers", multiple=True, help="Only this tier; may be given again.")
@click.option("--split", help="Only the questions of this split.")
@click.option("--per-topic", type=click.IntRange(1), help="At most so many of each topic.")
@click.option("--parallel", type=click.IntRange(1, 256), default=4, show_default=True)
@click.option("--outcomes", type=_PATH, help="Also write an outcome table, for `fit`.")
@click.option("--from-runs", type=_PATH, help="Recorded runs of another system; asks no model.")
@click.option("--from-history", is_flag=True, help="Runs in the history; asks no model.")
@click.option("--tenant", default="default", show_default=True, help="Whose history.")
@click.option("--yes", is_flag=True, help="Begin without asking, whatever it may cost.")
@json_option
def command(
    questions: Path | None,
    target: Path,
    config: Path | None,
    docs: Path | None,
    rounds: int | None,
    tiers: tuple[str, ...],
    split: str | None,
    per_topic: int | None,
    parallel: int,
    outcomes: Path | None,
    from_runs: Path | None,
    from_history: bool,
    tenant: str,
    yes: bool,
    as_json: bool,
) -> int:
    """Put every question to every tier, closed book and after each of several searches, whatever
    the answers are, and write one state a round (JSON Lines) with its labels.

    A question has id, question, answers, and where known gold_titles: the titles of the passages
    that hold the evidence, from which label_sufficient comes. What it will take at most is said
    before it begins. An interrupted practice goes on where it was; a question that fails is told,
    counted and tried again by the same command (exit code 1).

    --from-runs and --from-history make states of runs that exist; labels come from --questions
    where it has the question, and from the runs themselves.

    --json prints {"threads", "states", "failed", "left_out", "went_on_after", "calls", "cost",
    "out", "outcomes", "seconds"}; calls and cost are of this command, failed threads included;
    left_out counts questions and threads that repeat another.
    """
    from .practice_run import Asked, show_practiced
    from .practice_sources import states_of_history, states_of_runs
    from .practice_threads import practice

    if from_runs is not None and from_history:
        raise UsageError("give one of --from-runs and --from-history")
    if target.exists():
        raise UsageError(f"{target} is there already: name another file, or remove it")
    if outcomes is not None and (from_runs is not None or from_history):
        raise UsageError("--outcomes goes with a practice of your own tiers")
    asked = Asked(
        questions, target, rounds, tiers, split, per_topic, parallel, outcomes, yes, as_json
    )
    if from_runs is not None:
        done = states_of_runs(asked, from_runs)
    elif from_history:
        done = states_of_history(asked, Choices(config, docs), tenant)
    else:
        done = practice(asked, Choices(config, docs, "none"))
    show_practiced(done, asked)
    return FAILED if done.failed else 0
