"""`surefoot score`: signals for recorded answers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..router.errors import BadInput, UsageError
from .options import json_option, seed_option
from .score_asked import Asked, check, job_of, source_of, work_of

if TYPE_CHECKING:
    from ..policies.quality_records import SignalQuality
    from ..router.evidence_file import EvidenceFile
    from .console import ProgressLine
    from .score_run import Run

__all__ = ["command"]

_PATH = click.Path(path_type=Path)
_SHOWN_SKIPS = 3


@dataclass(slots=True)
class _Skips:
    """Lines that were left out: how many, and the first few."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, error: BadInput) -> None:
        self.count += 1
        if len(self.first) < _SHOWN_SKIPS:
            self.first.append(str(error))


@click.command("score", short_help="signals for recorded answers")
@click.argument("evidence", type=_PATH)
@click.option(
    "--estimators",
    metavar="A,B",
    multiple=True,
    help="Names or families (tokens, samples, semantic, around); else all.",
)
@click.option(
    "--content-filter",
    type=click.Choice(["on", "off"]),
    default="on",
    show_default=True,
    help="Look at content tokens only.",
)
@click.option("--out", "target", type=_PATH, help="File of signals; else stdout.")
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="What to do at a line that is no evidence.",
)
@click.option("--details", is_flag=True, help="Write each signal's diagnostics too.")
@click.option(
    "--similarity",
    metavar="SPEC",
    help="Fill in missing similarities: lexical, package:NAME or transformers:PATH.",
)
@click.option("--nli", metavar="SPEC", help="Fill in missing NLI: transformers:PATH.")
@click.option("--report", type=_PATH, help="Folder for numbers and plots; needs labels.")
@seed_option
@json_option
def command(
    evidence: Path,
    estimators: tuple[str, ...],
    content_filter: str,
    target: Path | None,
    on_error: str,
    details: bool,
    similarity: str | None,
    nli: str | None,
    report: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Read the confidence estimators on every record of EVIDENCE (JSON Lines, gzipped or not; - is
    stdin) and write one line of signals for each, in order.

    No model is loaded unless --similarity or --nli names one. With --out the work goes on where an
    interrupted run of the same command stopped. --json prints {"schema", "evidence", "out",
    "records", "scored", "skipped", "skipped_first", "went_on_after", "labeled", "estimators":
    {name: {"available", "unavailable": {reason: count}}}, "metrics", "seconds", "records_per_s"};
    metrics are null without labels; they are judged on at most 2,500 records evenly drawn, with
    --report on 20,000. Speed is that of scoring.
    """
    names = tuple(name.strip() for given in estimators for name in given.split(",") if name.strip())
    if estimators and not names:
        raise UsageError("--estimators is empty; name some, or leave it out for all of them")
    on = content_filter == "on"
    skips = on_error == "skip"
    _score(
        Asked(evidence, target, names, on, skips, details, similarity, nli, report, as_json, seed)
    )


def _score(asked: Asked) -> None:
    from .console import progress_bar
    from .score_report import judged_rows
    from .score_run import Run
    from .streams import say, to_stdout

    check(asked)
    job, skips = job_of(asked), _Skips()
    source = source_of(asked, skips.add)
    began = time.monotonic()
    with progress_bar() as report:
        most = judged_rows(asked.report is not None)
        run = Run(job, lambda: _show_progress(report, source), most)
        if asked.target is None:
            run.to_stream(source, to_stdout())
        else:
            _to_file(asked, source, run)
    seconds = time.monotonic() - began
    if skips.count:
        noun = "line was" if skips.count == 1 else "lines were"
        say(f"{skips.count} {noun} left out, the first of them: {'; '.join(skips.first)}")
    _conclude(asked, run, skips, seconds)


def _show_progress(report: ProgressLine, source: EvidenceFile) -> None:
    if source.total:
        report("scoring (kB read)", source.done // 1000, source.total // 1000)


def _to_file(asked: Asked, source: EvidenceFile, run: Run) -> None:
    from .part_file import PartFile
    from .streams import say

    assert asked.target is not None
    with PartFile(asked.target, work_of(asked, run.job)) as part:
        try:
            run.to_file(source, part)
        except BadInput as error:
            done = run.tally.records
            error.add_note(f"(what was finished, {done} records, is kept in {part.path})")
            raise
        finally:
            if run.went_on_after:
                say(f"went on after {run.went_on_after} records of an interrupted run")
        part.finish()


def _judged(asked: Asked, run: Run) -> Sequence[SignalQuality]:
    from .score_report import metrics_of

    return metrics_of(run.labeled, asked.seed, thorough=asked.report is not None)


def _conclude(asked: Asked, run: Run, skips: _Skips, seconds: float) -> None:
    from .score_report import score_document, show_summary, write_report
    from .streams import print_json

    wanted = asked.as_json or asked.report is not None
    metrics = _judged(asked, run) if wanted and len(run.labeled) else None
    if asked.report is not None:
        if metrics is None:
            raise UsageError("--report needs labels: no record has the field 'correct'")
        write_report(metrics, asked.report)
    if asked.as_json:
        facts = {
            "evidence": str(asked.evidence),
            "out": str(asked.target),
            "skipped": skips.count,
            "skipped_first": skips.first,
        }
        print_json(score_document(run, facts, metrics, seconds))
    else:
        show_summary(run, metrics, asked.target, asked.report, seconds)
