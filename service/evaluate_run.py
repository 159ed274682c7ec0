"""What `surefoot evaluate` does, from a log to a verdict on a candidate."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..router.errors import BadInput, UsageError
from .risk_options import RiskAsked, target_of

if TYPE_CHECKING:
    from ..policies.off_policy_report import OffPolicyReport
    from ..policies.outcomes import OutcomeTable
    from ..policies.profile import Profile

__all__ = ["Asked", "run"]

_NOT_CERTIFIED = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """All options of the command."""

    log: Path
    profile: Path
    risk: RiskAsked
    rounds: int | None
    tolerance: float
    doubly_robust: bool
    seed: int


def run(asked: Asked, *, as_json: bool) -> int:
    """Judge the candidate and say what came of it; returns the exit code.

    Raises:
        UsageError: a file or an option that cannot be used.
    """
    from ..policies.off_policy_report import off_policy_report
    from ..policies.outcomes import read_outcomes
    from ..policies.profile import load_profile
    from .console import print_json

    profile = load_profile(asked.profile)
    target = target_of(asked.risk, profile)
    _check(asked)
    table = read_outcomes(asked.log, tiers=len(profile.tiers), is_log=True)
    _check_fresh(asked.log, profile)
    _check_texts(table, profile)
    report = off_policy_report(
        table,
        profile,
        target,
        prior=profile.prior,
        rounds=asked.rounds,
        tolerance=asked.tolerance,
        doubly_robust=asked.doubly_robust,
        seed=asked.seed,
    )
    if as_json:
        print_json(_document(report, profile))
    else:
        _show(report)
    return 0 if report.certifies else _NOT_CERTIFIED


def _check(asked: Asked) -> None:
    if asked.rounds is not None and asked.rounds < 0:
        raise UsageError(f"--rounds: expected a number from 0, got {asked.rounds}")
    if not 0.0 <= asked.tolerance < 1.0:
        raise UsageError(f"--tolerance: expected a share in [0, 1), got {asked.tolerance}")


def _check_fresh(log: Path, profile: Profile) -> None:
    """A test on the labels that the candidate was fitted on would pass too often."""
    if hashlib.sha256(log.read_bytes()).hexdigest() == profile.fitted_on.get("sha256"):
        raise BadInput(
            "the candidate was fitted on these very rows: a policy is never certified on rows that "
            "it was chosen on; give a log of other requests",
            file=str(log),
            field="query_id",
        )


def _check_texts(table: OutcomeTable, profile: Profile) -> None:
    """A prior that read ids for questions would route by nonsense."""
    if profile.prior is None:
        return
    for query_id, ladder in table.queries.items():
        if all(row.question is None for row in ladder.values()):
            raise UsageError(
                f"the candidate routes by the text of the question, and query {query_id!r} has "
                "none: log `question`"
            )


def _document(report: OffPolicyReport, profile: Profile) -> dict[str, Any]:
    estimate, test = report.estimate, report.test
    return {
        "schema": 1,
        "profile": profile.fingerprint,
        "target": {
            "kind": report.target.kind,
            "alpha": report.target.alpha,
            "delta": report.target.delta,
            "loss": report.target.loss,
            "abstention_loss": report.target.abstention_loss,
        },
        "certifies": report.certifies,
        "refused": report.refused,
        "n": report.n,
        "covered": report.covered,
        "gaps": dict(report.gaps),
        "estimate": None
        if estimate is None
        else {
            "risk": estimate.risk,
            "interval": list(estimate.interval),
            "ess": estimate.ess,
            "n_accepted": estimate.n_accepted,
            "n_labelled": estimate.n_labelled,
            "outstanding": estimate.outstanding,
            "method": estimate.method,
        },
        "test": None
        if test is None
        else {"p_value": test.p_value, "n_labelled": test.n_labelled, "method": test.method},
        "answered": report.answered,
        "logged_answered": report.logged_answered,
        "cost": report.cost,
        "logged_cost": report.logged_cost,
        "cost_difference": report.cost_difference,
        "cost_interval": None if report.cost_interval is None else list(report.cost_interval),
        "policies": list(report.policies),
    }


def _show(report: OffPolicyReport) -> None:
    from rich.table import Table
    from rich.text import Text

    from .console import out
    from .streams import plain

    console, target = out(), report.target
    verdict, style = "not certified", "bold yellow"
    if report.certifies:
        verdict, style = "certified", "bold green"
    if report.refused is not None:
        verdict = "refused"
    words = f"{target.kind} risk at most {target.alpha:g} with confidence {1 - target.delta:.0%}"
    console.print(Text(verdict, style=style), words)
    if report.refused is not None:
        console.print(Text(plain(report.refused)))
    facts = Table.grid(padding=(0, 2))
    for label, value in _facts(report):
        facts.add_row(label, plain(value))
    console.print(facts)


def _facts(report: OffPolicyReport) -> list[tuple[str, str]]:
    from .screen import cost_words

    estimate, test = report.estimate, report.test
    facts = [("followed to its end on", f"{report.covered:.1%} of {report.n} questions")]
    facts += [(f"  lacking: {gap}", f"{count} questions") for gap, count in report.gaps.items()]
    if estimate is not None:
        low, high = estimate.interval
        risk = "unknown" if estimate.risk is None else f"{estimate.risk:.4f}"
        facts += [
            ("risk", f"{risk} [{low:.4f}, {high:.4f}] ({estimate.method})"),
            (
                "labels",
                f"{estimate.n_labelled} of {estimate.n_accepted} accepted drafts, worth "
                f"{estimate.ess:.0f} equal ones; {estimate.outstanding} outstanding",
            ),
        ]
    if test is not None:
        facts.append(("p-value", f"{test.p_value:.4f} ({test.method})"))
    if report.answered is not None:
        facts.append(("answers", f"{report.answered:.1%}, {report.logged_answered:.1%} then"))
    if report.cost is not None:
        then = cost_words(report.logged_cost)
        facts.append(("cost per question", f"{cost_words(report.cost)}, {then} then"))
    if report.cost_difference is not None:
        interval = ""
        if report.cost_interval is not None:
            interval = " [{:+.3g}, {:+.3g}]".format(*report.cost_interval)
        facts.append(("difference", f"{report.cost_difference:+.3g}{interval}"))
    facts.append(("served by", ", ".join(report.policies) or "not logged"))
    return facts
