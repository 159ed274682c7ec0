"""`surefoot doctor`: what is configured, reachable and fitted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .common import BAD_USAGE, FAILED, Choices
from .options import config_option, docs_option, history_option, json_option

if TYPE_CHECKING:
    from .checkup import Finding

__all__ = ["command"]


@click.command("doctor", short_help="what is configured, reachable and fitted")
@config_option
@docs_option
@history_option
@click.option(
    "--probe",
    is_flag=True,
    help="Ask each tier twice more, to learn how many candidates and samples it gives at once.",
)
@json_option
def command(
    config: Path | None, docs: Path | None, history: str | None, probe: bool, as_json: bool
) -> int:
    """Check every part of the deployment: each tier is asked for one short answer.

    With --json one flat object: for each part PART.ok and PART.detail, and `ok` for all of them.
    Parts are configuration, profile (with profile.fingerprint), steps and live where they are
    configured, documents, history, comparison.KIND, critic and tier.NAME. Of a tier there are also
    logprobs (how many candidates per token it reports, 0 for none), n, streaming, hidden, tools and
    context as far as they are known, price_known, and out_of_reach: the configured signals that it
    cannot serve, separated by commas.
    Exit code 1 where one fails, 2 where the configuration itself cannot be read.
    """
    from .checkup import examine
    from .streams import print_json

    findings = []
    for finding in examine(Choices(config, docs, history), thorough=probe):
        findings.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        print_json(_document(findings))
    if all(finding.ok for finding in findings):
        return 0
    return FAILED if findings[0].ok else BAD_USAGE


def _show(finding: Finding) -> None:
    from rich.text import Text

    from .console import out
    from .streams import plain

    line = Text("ok    ", style="green") if finding.ok else Text("FAIL  ", style="red")
    line.append(finding.part, style="default bold")
    out().print(line.append(plain(f"  {finding.detail}"), style="default not bold"))


def _document(findings: list[Finding]) -> dict[str, Any]:
    document: dict[str, Any] = {"ok": all(finding.ok for finding in findings)}
    for finding in findings:
        document[f"{finding.part}.ok"] = finding.ok
        document[f"{finding.part}.detail"] = finding.detail
        document.update({f"{finding.part}.{name}": v for name, v in finding.facts.items()})
    return document
