"""`surefoot evaluate`: a candidate profile, judged from traffic that another policy served."""

from __future__ import annotations

from pathlib import Path

import click

from .options import json_option, seed_option
from .risk_options import RiskAsked, risk_options

__all__ = ["command"]

_PATH = click.Path(path_type=Path)


@click.command("evaluate", short_help="a candidate profile, judged from logged traffic")
@click.argument("log", type=_PATH)
@click.option("--profile", type=_PATH, required=True, help="The candidate.")
@risk_options
@click.option("--rounds", type=int, help="Searches that are allowed; else as many as were logged.")
@click.option(
    "--tolerance",
    type=float,
    default=0.0,
    show_default=True,
    help="Share of questions that the log may not cover; each counts as answered wrongly.",
)
@click.option(
    "--doubly-robust", is_flag=True, help="Use the candidate's own estimates as predictions."
)
@seed_option
@json_option
def command(
    log: Path,
    profile: Path,
    risk: str | None,
    alpha: float | None,
    delta: float,
    loss: str,
    abstention_loss: float,
    rounds: int | None,
    tolerance: float,
    doubly_robust: bool,
    seed: int,
    as_json: bool,
) -> int:
    """Let a candidate decide anew on the questions of LOG, an outcome table with `audited` and
    `propensity`, and weigh the audited drafts that it would have served.

    The candidate must have been fixed before these labels were seen. Where it needs a draft, a
    search, a signal or an audit that the log lacks, it is refused: leaving such questions out
    would bias the result. Without --risk, the risk is that of the candidate's certificate.

    Exit code 0: the log certifies the candidate; 3: it does not, or lacks what it takes.
    """
    from .evaluate_run import Asked, run

    asked = RiskAsked(risk, alpha, delta, loss, abstention_loss)
    return run(Asked(log, profile, asked, rounds, tolerance, doubly_robust, seed), as_json=as_json)
