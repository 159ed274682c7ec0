"""`surefoot fit`: calibrate, choose and certify a policy from recorded outcomes."""

from __future__ import annotations

from pathlib import Path

import click

from .options import json_option, seed_option

__all__ = ["command"]

# As in policies.choosing, which is not imported for a mere --help.
_KINDS = ("temperature", "platt", "beta", "isotonic", "histogram")
_PATH = click.Path(path_type=Path)


@click.command("fit", short_help="calibrate, choose and certify a policy")
@click.argument("outcomes", type=_PATH)
@click.option(
    "--risk",
    type=click.Choice(["selective", "joint", "system"]),
    help="Certify: of the gated answers, of all requests, of whatever is served.",
)
@click.option("--alpha", type=float, help="The risk that must not be exceeded.")
@click.option(
    "--delta", type=float, default=0.1, show_default=True, help="P(the target is missed)."
)
@click.option(
    "--loss", type=click.Choice(["binary", "bounded"]), default="binary", show_default=True
)
@click.option(
    "--abstention-loss", type=float, default=0.0, help="What an abstention counts in --risk system."
)
@click.option("--quality", type=float, help="Keep this share of the largest tier's quality.")
@click.option("--defer", type=float, help="Hand this share of requests to a larger tier.")
@click.option("--budget", type=float, help="Spend at most this per request in the mean.")
@click.option("--uncertified", is_flag=True, help="Least expected price; nothing is promised.")
@click.option("--traffic", type=_PATH, help="Outcome table without losses: where traffic scores.")
@click.option("--tune", type=_PATH, help="Outcome table to choose on; OUTCOMES is tested whole.")
@click.option("--questions", type=_PATH, help="JSON Lines of query_id and question (or prompt).")
@click.option(
    "--fallback",
    type=click.Choice(["abstain", "last-tier"]),
    help="For requests that no gate answers; else abstain if the last tier has a signal.",
)
@click.option("--by-group", metavar="NAME", help="The promise is to hold in each of these groups.")
@click.option("--signal", "signals", multiple=True, help="A signal that gates may read; else all.")
@click.option(
    "--policy",
    type=click.Choice(["threshold", "utility", "cascade-routing"]),
    default="threshold",
    show_default=True,
    help="Of an uncertified fit: what decides from step to step.",
)
@click.option(
    "--enter",
    type=click.Choice(["auto", "first"]),
    default="auto",
    show_default=True,
    help="Where an uncertified fit lets requests enter: where it pays, or at the first tier.",
)
@click.option("--error-price", type=float, help="What a wrong answer costs; else 50 attempts.")
@click.option("--abstain-price", type=float, help="What an abstention costs; else half an error.")
@click.option(
    "--calibration",
    "kinds",
    type=click.Choice(["auto", *_KINDS]),
    multiple=True,
    help="Kind of calibrators; given several times, the best of these for each signal. auto: the "
    "simplest of all kinds that is not clearly worse than the best.",
)
@click.option(
    "--combine",
    type=click.Choice(["auto", "none", "logistic", "boosted"]),
    default="auto",
    show_default=True,
    help="Combine signals: where clearly better than one alone, never, or in this way throughout.",
)
@seed_option
@click.option("--out", "target", type=_PATH, required=True)
@json_option
def command(
    outcomes: Path,
    risk: str | None,
    alpha: float | None,
    delta: float,
    loss: str,
    abstention_loss: float,
    quality: float | None,
    defer: float | None,
    budget: float | None,
    uncertified: bool,
    traffic: Path | None,
    tune: Path | None,
    questions: Path | None,
    fallback: str | None,
    by_group: str | None,
    signals: tuple[str, ...],
    policy: str,
    enter: str,
    error_price: float | None,
    abstain_price: float | None,
    kinds: tuple[str, ...],
    combine: str,
    seed: int,
    target: Path,
    as_json: bool,
) -> int:
    """Fit a profile on the outcome table OUTCOMES (JSON Lines) and write it to --out.

    One target: --risk with --alpha, --quality, --defer, --budget, or --uncertified. Prices and
    budgets are in the table's currency. Where a risk cannot be certified, the exit code is 3 and
    the profile does the safe thing: it abstains, or hands over to the last tier uncertified.

    With --json: {"schema", "certified", "certificate" or "not_certified", "targets",
    "advice", "fallback", "fingerprint", "prices", "fitted_on"}.
    """
    from .fit_asked import Asked, Calibration, RiskAsked
    from .fit_run import run_fit

    return run_fit(
        Asked(
            outcomes,
            target,
            seed,
            RiskAsked(risk, alpha, delta, loss, abstention_loss, fallback, by_group),
            quality,
            defer,
            budget,
            uncertified,
            traffic,
            tune,
            questions,
            signals,
            error_price,
            abstain_price,
            Calibration(kinds, combine),
            policy,
            enter,
        ),
        as_json=as_json,
    )
