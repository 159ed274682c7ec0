"""`surefoot decide`: the policy's choice for drafts that an application already has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..router.errors import BadInput, UsageError
from .common import Choices, built
from .options import config_option, json_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..graphs.config import Built

__all__ = ["command"]

_PATH = click.Path(path_type=Path)


@click.command("decide", short_help="what the policy would do with drafts that you already have")
@click.argument("evidence", type=_PATH)
@config_option
@click.option("--tier", help="Name of the tier that drafted; else the first.")
@click.option("--out", "target", type=_PATH, help="File of decisions; else stdout.")
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    show_default=True,
    help="What to do at a line that is no evidence.",
)
@json_option
def command(
    evidence: Path,
    config: Path | None,
    tier: str | None,
    target: Path | None,
    on_error: str,
    as_json: bool,
) -> None:
    """Decide on every draft of EVIDENCE (JSON Lines, gzipped or not): answer, retrieve, escalate
    or abstain. Nothing is generated, searched for or recorded; a critic or a comparison that is
    configured runs here.

    A record may carry the application's own confidences, {"given_signals": {"my_score": 0.8}}, by
    names that the configuration lists under signals.given. A record with passages stands in round
    1, one without in round 0. A line of output has id, action, confidence, reason, escalate_to (a
    tier's name), gated, certificate, signals, estimate, compared, alternatives, degraded.

    --json needs --out and prints {"schema", "evidence", "out", "records", "skipped", "actions":
    {action: count}}.
    """
    from .streams import print_json, say

    if as_json and target is None:
        raise UsageError("--json prints a summary; name the file for the decisions with --out")
    skips: list[BadInput] = []
    with built(Choices(config, None, "none")) as deployment:
        with _lines_to(target) as write:
            on_bad = skips.append if on_error == "skip" else None
            counts = _decide(deployment, _tier(deployment, tier), evidence, write, on_bad)
    if skips:
        noun = "line was" if len(skips) == 1 else "lines were"
        say(f"{len(skips)} {noun} left out, the first of them: {skips[0]}")
    records = sum(counts.values())
    if as_json:
        document = {"schema": 1, "evidence": str(evidence), "out": str(target)}
        print_json({**document, "records": records, "skipped": len(skips), "actions": counts})
    elif target is not None:
        told = ", ".join(f"{count} {action}" for action, count in counts.most_common())
        say(f"{records} decisions in {target}: {told or 'none'}")


def _tier(deployment: Built, name: str | None) -> int:
    names = deployment.names
    if name is None:
        return 0
    if name not in names:
        raise UsageError(f"--tier: no tier is called '{name}'; there are {', '.join(names)}")
    return names.index(name)


def _decide(
    deployment: Built,
    tier: int,
    evidence: Path,
    write: Callable[[bytes], None],
    on_bad: Callable[[BadInput], None] | None,
) -> Counter[str]:
    from ..adapters.evidence_shapes import normalized_evidence
    from ..router.evidence_file import EvidenceFile
    from ..router.offers import Offer
    from ..router.tables import json_line
    from .documents import judgement_document

    counts: Counter[str] = Counter()
    router, names = deployment.router, deployment.names
    for record in EvidenceFile(evidence, normalize=normalized_evidence, on_bad=on_bad):
        try:
            judgement = router.judge_sync(Offer(record.evidence, tier))
        except UsageError as error:
            bad = BadInput(str(error), file=str(evidence), line=record.line)
            if on_bad is None:
                raise bad from error
            on_bad(bad)
            continue
        write(json_line({"id": record.id, **judgement_document(judgement, names)}))
        counts[judgement.action.value] += 1
    return counts


@contextmanager
def _lines_to(target: Path | None) -> Iterator[Callable[[bytes], None]]:
    """Where lines go: a file that takes its place when all are written, or stdout."""
    from .part_file import PartFile
    from .streams import to_stdout

    if target is None:
        yield to_stdout()
        return
    with PartFile(target, {"work": "decide"}) as part:
        part.keep(0)
        yield part.write
        part.finish()
