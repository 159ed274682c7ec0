"""What `surefoot fit` tells people."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..policies.certificates import Certificate, NotCertified
from ..policies.fit_certified import CertifiedFit
from ..policies.fit_target import TargetFit
from ..policies.prices import Prices
from ..policies.profile import Profile
from ..policies.replay import ReplayReport
from .console import out
from .screen import advice_lines, cost_words, replay_table
from .streams import plain

__all__ = ["risk_words", "show_certified", "show_targeted", "show_uncertified"]

_PROMISES = {
    "selective": "of the answers that a gate lets through, at most {share} are {wrong}",
    "joint": "at most {share} of all requests get an answer that a gate let through and is {wrong}",
    "system": "of all requests, at most {share} are served {wrong}",
}


def risk_words(certificate: Certificate) -> str:
    """The promise in one sentence, with all its numbers."""
    target = certificate.target
    words = _PROMISES[target.kind].format(
        share=f"{target.alpha:.1%}",
        wrong="wrong" if target.loss == "binary" else "lost",
    )
    return (
        f"{target.kind} risk at most {target.alpha:g}: {words}, with confidence "
        f"{1 - target.delta:.0%}, for requests like the {certificate.n} tested ones"
    )


def show_certified(fitted: CertifiedFit, path: Path) -> None:
    """The certificate, or what is missing."""
    console = out()
    if isinstance(fitted.outcome, NotCertified):
        _show_missing(console, fitted, fitted.outcome)
    else:
        _show_certificate(console, fitted, fitted.outcome.certificate)
    console.print(advice_lines(fitted.profile.advice))
    console.print(f"profile: {path}  {fitted.profile.fingerprint[:12]}")


def _show_certificate(console: Console, fitted: CertifiedFit, certificate: Certificate) -> None:
    console.print(Text("certified", style="bold green"), risk_words(certificate))
    facts = Table.grid(padding=(0, 2))
    share = certificate.n_accepted / certificate.n
    rows = [
        ("measured", f"{certificate.mean_loss:.4f}, at most {certificate.upper:.4f}"),
        ("answered by a gate", f"{share:.1%} ({certificate.n_accepted} of {certificate.n})"),
        ("p-value", f"{certificate.p_value:.4f} ({certificate.tested.method})"),
        ("tested", f"{certificate.tested.tested} configurations, {certificate.tested.procedure}"),
        ("thresholds from", certificate.tested.grid_source),
        ("set aside to choose on", f"{certificate.tested.tune_questions} questions"),
        ("all others", _FALLBACKS[fitted.fallback]),
        ("certificate", certificate.id),
    ]
    for label, value in rows:
        facts.add_row(label, value)
    console.print(facts)
    for group in certificate.groups:
        mean = "no answer" if group.mean_loss is None else f"{group.mean_loss:.4f}"
        console.print(
            plain(
                f"  {group.name} {group.value}: {mean} on {group.n_accepted} answers of {group.n}"
            )
        )


_FALLBACKS = {
    "abstain": "abstained on",
    "last-tier": "handed over to the last tier, which nothing vouches for",
}


def _show_missing(console: Console, fitted: CertifiedFit, missing: NotCertified) -> None:
    target = missing.target
    console.print(
        Text("not certified", style="bold yellow"),
        f"{target.kind} risk at most {target.alpha:g} with confidence {1 - target.delta:.0%}",
    )
    console.print(plain(missing.why))
    if missing.needed_accepted_labels is not None:
        console.print(
            f"about {missing.needed_accepted_labels} accepted labels would do in four of five "
            f"cases: collect {missing.to_collect} in all"
        )
    for other in missing.others:
        if other.accepted is not None:
            console.print(
                f"  for alpha {other.alpha:g}: {other.accepted} accepted, {other.to_collect} in all"
            )
    console.print(f"until then every request is {_FALLBACKS[fitted.fallback]}")


def show_targeted(fitted: TargetFit, path: Path) -> None:
    """Target, achieved and interval, and what else was considered."""
    console, report = out(), fitted.report
    interval = ""
    if report.interval is not None:
        interval = f" [{report.interval[0]:.4g}, {report.interval[1]:.4g}]"
    achieved = "unknown" if report.achieved is None else f"{report.achieved:.4g}{interval}"
    console.print(f"{report.kind}: target {report.target:.4g}, achieved {achieved}")
    console.print(f"on {report.rows}", style="dim")
    if not fitted.is_reached:
        console.print("the target is out of reach: this is the nearest there is", style="yellow")
    for way, words in fitted.considered:
        console.print(plain(f"  {way}: {words}"))
    console.print(advice_lines(fitted.profile.advice))
    console.print("uncertified: no error rate is promised", style="dim")
    console.print(f"profile: {path}  {fitted.profile.fingerprint[:12]}")


def show_uncertified(profile: Profile, report: ReplayReport, prices: Prices, path: Path) -> None:
    """What a fit without a promise came to, on its own rows."""
    console = out()
    console.print(f"fitted on {report.n} questions, uncertified: no error rate was tested")
    console.print(
        f"a wrong answer costs {cost_words(prices.error)}, an abstention "
        f"{cost_words(prices.abstain)}"
    )
    console.print("On the very rows that it was fitted on, thus too hopeful:")
    console.print(replay_table(report, profile.names))
    console.print(advice_lines(profile.advice))
    console.print(f"profile: {path}  {profile.fingerprint[:12]}")
