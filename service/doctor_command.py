"""`surefoot doctor`: what is configured, reachable and fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .common import FAILED, Choices
from .options import config_option, docs_option, history_option, json_option

__all__ = ["command"]


@click.command("doctor", short_help="what is configured, reachable and fitted")
@config_option
@docs_option
@history_option
@json_option
def command(config: Path | None, docs: Path | None, history: str | None, as_json: bool) -> int:
    """Check every part of the deployment: each tier is asked for one short answer.

    With --json one flat object: for each part PART.ok and PART.detail, and `ok` for all of them.
    Parts are configuration, profile, documents, history, critic and tier.NAME (with
    tier.NAME.logprobs: how many candidates per token it reports). Exit code 1 where one fails.
    """
    from .checkup import examine
    from .console import out, print_json

    findings = examine(Choices(config, docs, history))
    ok = all(finding.ok for finding in findings)
    if as_json:
        document: dict[str, Any] = {"ok": ok}
        for finding in findings:
            document[f"{finding.part}.ok"] = finding.ok
            document[f"{finding.part}.detail"] = finding.detail
            document.update({f"{finding.part}.{name}": v for name, v in finding.numbers.items()})
        print_json(document)
    else:
        console = out()
        for finding in findings:
            mark = "[green]ok  [/]" if finding.ok else "[red]FAIL[/]"
            console.print(f"{mark} [bold]{finding.part}[/]", end="  ")
            console.print(finding.detail, markup=False)
    return 0 if ok else FAILED
