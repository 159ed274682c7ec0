"""`surefoot monitor`: does the promise still hold, by what was logged since."""

from __future__ import annotations

from pathlib import Path

import click

from .options import json_option, seed_option

__all__ = ["command"]

_PATH = click.Path(path_type=Path)


@click.command("monitor", short_help="whether a certificate still holds")
@click.argument("log", type=_PATH)
@click.option("--profile", type=_PATH, required=True, help="The certified profile that serves.")
@click.option("--state", type=_PATH, help="SQLite file; else monitor.db beside the profile.")
@click.option("--key", help="What the state is kept under; else the profile's file name.")
@click.option("--now", metavar="ISO", help="The time to judge ages by; else the present.")
@click.option(
    "--level", type=float, default=0.05, show_default=True, help="P(a false alarm is ever raised)."
)
@click.option(
    "--method",
    type=click.Choice(["e-process", "e-detector"]),
    default="e-process",
    show_default=True,
    help="Whose alarm revokes: seldom false ever, or false at long intervals on average.",
)
@click.option(
    "--between",
    type=float,
    default=10_000.0,
    show_default=True,
    help="Labels between false alarms of the e-detector, on average.",
)
@click.option(
    "--max-age-days", type=float, default=90.0, show_default=True, help="How long it lasts."
)
@click.option(
    "--least-propensity", type=float, help="Of the audit's design; else the least in the first log."
)
@click.option("--policy-id", help="Watch what this policy served; else the profile's own rows.")
@seed_option
@json_option
def command(
    log: Path,
    profile: Path,
    state: Path | None,
    key: str | None,
    now: str | None,
    level: float,
    method: str,
    between: float,
    max_age_days: float,
    least_propensity: float | None,
    policy_id: str | None,
    seed: int,
    as_json: bool,
) -> int:
    """Read the logged traffic LOG, an outcome table with `served`, `audited`, `propensity`, `ts`
    and, where several policies served, `policy_id`; bring the monitor's state up to date, and say
    whether the certificate still holds.

    Reading the same rows again changes nothing; labels that come late are taken up. A refitted
    profile under the same key begins anew, and goes on in the log where the last one was.

    Exit code 0: the promise holds, or is merely not verified (a warning says so); 3: it is revoked.
    """
    from .monitor_run import Asked, run

    return run(
        Asked(
            log,
            profile,
            state,
            key,
            now,
            level,
            method,
            between,
            max_age_days,
            least_propensity,
            policy_id,
            seed,
        ),
        as_json=as_json,
    )
