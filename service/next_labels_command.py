"""`surefoot next-labels`: which drafts to label next, and with which probability."""

from __future__ import annotations

from pathlib import Path

import click

from .options import json_option
from .risk_options import RiskAsked, risk_options

__all__ = ["command"]

_PATH = click.Path(path_type=Path)


@click.command("next-labels", short_help="which drafts to label next")
@click.argument("candidates", type=_PATH)
@click.option("--profile", type=_PATH, required=True)
@click.option("--budget", type=float, required=True, help="Labels to draw, in expectation.")
@click.option("--out", "target", type=_PATH, help="File for what to label; else stdout.")
@click.option(
    "--draws", type=_PATH, help="File for `audited` and `propensity` of every draft: log these."
)
@risk_options
@click.option(
    "--margin",
    "margins",
    type=float,
    multiple=True,
    help="How far above the thresholds a candidate policy's may lie; 0 unless given.",
)
@click.option(
    "--pi-min", type=float, default=0.01, show_default=True, help="Least propensity in all."
)
@click.option(
    "--secret", default="next-labels", help="Key of the draws; who knows it can foresee them."
)
@json_option
def command(
    candidates: Path,
    profile: Path,
    budget: float,
    target: Path | None,
    draws: Path | None,
    risk: str | None,
    alpha: float | None,
    delta: float,
    loss: str,
    abstention_loss: float,
    margins: tuple[float, ...],
    pi_min: float,
    secret: str,
    as_json: bool,
) -> None:
    """Draw from CANDIDATES, an outcome table of which most rows are not judged, those whose labels
    tell most about the profile's gates, and list the cheapest ways to a certificate.

    What to label is written as JSON Lines of {"query_id", "tier", "round", "retrieved",
    "propensity"}. The draw changes the propensity of drafts that it does not hit as well: log
    those of --draws in place of the earlier ones, or later estimates are biased. The same
    candidates give the same draw; after it was logged, the next is another.
    """
    from .next_labels_run import Asked, run

    asked = RiskAsked(risk, alpha, delta, loss, abstention_loss)
    run(
        Asked(candidates, profile, budget, target, draws, asked, margins, pi_min, secret),
        as_json=as_json,
    )
