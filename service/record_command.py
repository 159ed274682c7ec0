"""`surefoot record`: the outcome table of a question set, made by the configured tiers."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ..router.errors import ConfigurationError
from .common import Choices, built
from .options import config_option, docs_option, json_option
from .recorded_how import how_recorded

__all__ = ["command"]


@click.command("record", short_help="make an outcome table")
@click.option("--questions", type=click.Path(path_type=Path), required=True)
@click.option("--out", "target", type=click.Path(path_type=Path), required=True)
@click.option("--split", help="Only the questions of this split.")
@click.option("--per-topic", type=click.IntRange(1), help="At most so many of each topic.")
@config_option
@docs_option
@json_option
def command(
    questions: Path,
    target: Path,
    split: str | None,
    per_topic: int | None,
    config: Path | None,
    docs: Path | None,
    as_json: bool,
) -> None:
    """Draft every rung of the ladder for every question, and judge it by the accepted answers,
    one question of each topic after the other.

    Goes on where an interrupted recording of the same file stopped. The policy is not used.
    With --json: {"questions", "recorded", "out", "seconds"}.
    """
    from ..policies.questions import read_questions, round_robin
    from ..policies.recording import Recorder
    from .console import out, print_json, progress_bar

    asked = round_robin(read_questions(questions, split), per_topic)
    with built(Choices(config, docs, "none"), policy=False) as deployment:
        settings = deployment.settings
        if any(tier.price == "unknown" for tier in settings.tiers):
            raise ConfigurationError(
                "an outcome table needs costs: give every tier a price", field="tiers.price"
            )
        router = deployment.router
        recorder = Recorder(router.plan, router.performer, how_recorded(deployment), time.monotonic)
        began = time.monotonic()
        with progress_bar() as report:

            def progress(done: int, total: int) -> None:
                report("recording questions", done, total)

            recorded = router.run_sync(recorder.record(asked, target, progress))
    seconds = time.monotonic() - began
    if as_json:
        document = {"questions": len(asked), "recorded": recorded, "out": str(target)}
        print_json({**document, "seconds": round(seconds, 1)})
    else:
        out().print(f"{recorded} of {len(asked)} questions recorded in {seconds:.0f} s: {target}")
