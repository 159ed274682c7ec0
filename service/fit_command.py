"""`surefoot fit`: calibrate and choose a policy from recorded outcomes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from ..router.errors import UsageError
from .options import json_option, seed_option

if TYPE_CHECKING:
    from ..policies.choosing import Calibrating

__all__ = ["command"]

# As in policies.choosing, which is not imported for a mere --help.
_KINDS = ("temperature", "platt", "beta", "isotonic", "histogram")


@click.command("fit", short_help="calibrate and choose a policy")
@click.argument("outcomes", type=click.Path(path_type=Path))
@click.option("--uncertified", is_flag=True, help="Fit without testing an error rate.")
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
@click.option("--out", "target", type=click.Path(path_type=Path), required=True)
@json_option
def command(
    outcomes: Path,
    uncertified: bool,
    error_price: float | None,
    abstain_price: float | None,
    kinds: tuple[str, ...],
    combine: str,
    seed: int,
    target: Path,
    as_json: bool,
) -> None:
    """Fit a profile on the outcome table OUTCOMES (JSON Lines) and write it to --out.

    This version fits uncertified threshold policies only: say --uncertified. Prices are in the
    table's currency. With --json: {"schema", "certified", "not_certified", "targets", "advice",
    "fingerprint", "prices", "fitted_on", "on_the_fitted_rows"}.
    """
    from ..policies.fit import Prices, check_prices, default_prices, fit_uncertified
    from ..policies.outcomes import read_outcomes
    from ..policies.profile import save_profile
    from ..policies.replay import replay_profile
    from ..policies.table_facts import fit_settings, fitted_on
    from ..router.perform import utc_now
    from .console import out, print_json, progress_bar
    from .documents import fit_document
    from .screen import advice_lines, replay_table

    if not uncertified:
        raise UsageError(
            "this version certifies nothing yet: fit with --uncertified, and promise no error rate"
        )
    if os.path.realpath(target) == os.path.realpath(outcomes):
        raise UsageError(f"--out {target} is the outcome table itself; name another file")
    table = read_outcomes(outcomes)
    usual = default_prices(table)
    error = usual.error if error_price is None else error_price
    prices = check_prices(Prices(error, error / 2 if abstain_price is None else abstain_price))
    with progress_bar() as progress:
        profile = fit_uncertified(
            table,
            replace(fit_settings(table, prices, seed), calibrating=_calibrating(kinds, combine)),
            fitted_on(table, outcomes, utc_now()),
            progress,
        )
        report = replay_profile(table, profile, seed=seed)
    save_profile(profile, target)
    if as_json:
        print_json(fit_document(profile, report))
        return
    console = out()
    console.print(f"fitted on {report.n} questions, uncertified: no error rate was tested")
    console.print(f"a wrong answer costs {prices.error:.3g}, an abstention {prices.abstain:.3g}")
    console.print("On the very rows that it was fitted on, thus too hopeful:")
    console.print(replay_table(report, profile.names))
    console.print(advice_lines(profile.advice))
    console.print(f"profile: {target}  {profile.fingerprint[:12]}")


def _calibrating(kinds: tuple[str, ...], combine: str) -> Calibrating:
    from ..policies.choosing import KINDS, Calibrating

    one_of_all = not kinds or "auto" in kinds
    named = KINDS if one_of_all else tuple(dict.fromkeys(kinds))
    return Calibrating(cast(Any, named), cast(Any, combine), one_standard_error=one_of_all)
