"""A candidate judged from the traffic that another policy served.

The candidate decides anew on every logged question, through the loop that serves, standing on the
drafts that were made then. Where it would stand on something that was not made, the logs have no
overlap with it, and leaving such questions out would bias the result: they are counted, and the
candidate is refused. What it serves is weighed by the audit that the draft was drawn for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..router.errors import UsageError
from ..router.plan import RetrievalPlan
from ..router.protocols import Prior
from ..router.risk.audit_log import AuditLog
from ..router.risk.off_policy import (
    NoOverlap,
    OffPolicyEstimate,
    OffPolicyTest,
    certify_off_policy,
    estimate_off_policy,
)
from ..router.risk.targets import RiskTarget
from .entry import PriorEntry
from .off_policy_runs import (
    CandidateRun,
    Gap,
    Needs,
    logged_audit,
    nothing_needed,
    profile_needs,
    run_candidate,
)
from .outcomes import OutcomeTable
from .profile import Profile
from .recorded import Replayer

__all__ = ["OffPolicyReport", "judge_candidate", "off_policy_report"]

_NORMAL_95 = 1.959963984540054
_GAP_WORDS: Mapping[Gap, str] = {
    "draft": "a draft that was not made",
    "search": "a search that was not run",
    "signal": "a signal that was not read",
    "audit": "an audit of what it serves (no propensity was logged)",
}


@dataclass(frozen=True, slots=True)
class OffPolicyReport:
    """What the logs say of a candidate.

    Attributes:
        n: questions in the logs.
        covered: share of them on which the candidate can be followed to its end.
        gaps: questions by what the logs lack.
        refused: why there is no estimate, in words; None where there is one.
        answered: share of the covered questions that the candidate answers.
        logged_answered: share of all questions that were answered then.
        cost: of the candidate per covered question, signals included; None where none is covered.
        logged_cost: of what was made then, over the same questions.
        cost_difference: the former less the latter.
        cost_interval: 95 % interval of the difference (normal, paired by question).
        policies: ids of the policies that served the logs.
    """

    target: RiskTarget
    n: int
    covered: float
    gaps: Mapping[Gap, int]
    refused: str | None
    estimate: OffPolicyEstimate | None
    test: OffPolicyTest | None
    answered: float | None
    logged_answered: float
    cost: float | None
    logged_cost: float | None
    cost_difference: float | None
    cost_interval: tuple[float, float] | None
    policies: tuple[str, ...]

    @property
    def certifies(self) -> bool:
        """Whether the logs certify the target for the candidate."""
        return self.test is not None and self.test.certified


def off_policy_report(
    table: OutcomeTable,
    profile: Profile,
    target: RiskTarget,
    *,
    prior: Prior | None = None,
    rounds: int | None = None,
    tolerance: float = 0.0,
    doubly_robust: bool = False,
    seed: int = 0,
) -> OffPolicyReport:
    """A candidate profile, judged from logged traffic.

    The profile must not have been fitted on these labels, nor chosen by them: the report is a test
    of one candidate.

    Args:
        prior: what the profile's entry policy asks of a question, where it asks.
        rounds: searches that the deployment allows; None takes as many as the logs show, which
            hides what a candidate would retrieve where nothing ever was.
        tolerance, doubly_robust: see `judge_candidate`.

    Raises:
        UsageError: as `judge_candidate`; the logs speak of more tiers than the profile, or its
            entry policy lacks its prior.
    """
    reads = isinstance(profile.entry, PriorEntry) or (
        profile.values is not None and profile.prior is not None
    )
    if reads and prior is None:
        raise UsageError("this profile chooses the entry tier by a prior of the question: give it")
    replayer = Replayer(
        table,
        profile.names,
        profile.policy(),
        profile.assessor(),
        prior=prior,
        entry=profile.entry_policy(),
    )
    if rounds:
        budget = replace(replayer.plan.budget, max_rounds=rounds)
        replayer.plan = replace(replayer.plan, retrieval=RetrievalPlan(), budget=budget)
    return judge_candidate(
        table,
        replayer,
        target,
        needs=profile_needs(profile, frozenset(table.signals)),
        tolerance=tolerance,
        doubly_robust=doubly_robust,
        seed=seed,
    )


def judge_candidate(
    table: OutcomeTable,
    replayer: Replayer,
    target: RiskTarget,
    *,
    needs: Needs = nothing_needed,
    tolerance: float = 0.0,
    doubly_robust: bool = False,
    seed: int = 0,
) -> OffPolicyReport:
    """Whatever policy the replayer holds, judged from logged traffic.

    Rows carry `audited` and `propensity` of their audit draw, and may carry `served`, `action`
    (what was done with the draft) and `policy_id`. A loss on a row that was not drawn is not used:
    who gets judged without a draw is not chance.

    Args:
        needs: signals that have to be there; see `off_policy_report` for a profile's.
        tolerance: largest share of questions without overlap that is taken along as answered
            through a gate, and wrongly: the worst case of every kind of risk. 0 refuses at the
            first.
        doubly_robust: use the candidate's own estimates as predictions; see `estimate_off_policy`.

    Raises:
        UsageError: an audit field of a row cannot be.
    """
    gated_only = target.kind != "system"
    runs = [
        run_candidate(table, replayer, name, needs, gated_only=gated_only)
        for name in sorted(table.queries)
    ]
    gaps = Counter(run.gap for run in runs if run.gap is not None)
    if sum(gaps.values()) > tolerance * len(runs):
        return _report(table, runs, target, gaps, refused=_refusal(gaps, len(runs)))
    log = _audit_log(runs, target)
    estimate = estimate_off_policy(log, target, doubly_robust=doubly_robust, seed=seed)
    test = certify_off_policy(log, target, doubly_robust=doubly_robust, seed=seed)
    # A served draft without a propensity is a gap already.
    assert not isinstance(estimate, NoOverlap) and not isinstance(test, NoOverlap)
    return _report(table, runs, target, gaps, estimate=estimate, test=test)


def _refusal(gaps: Mapping[Gap, int], n: int) -> str:
    lacking = "; ".join(
        f"{gaps[gap]} {words}" for gap, words in _GAP_WORDS.items() if gaps.get(gap)
    )
    return (
        f"no overlap on {sum(gaps.values())} of {n} questions: the candidate needs what the logs "
        f"lack ({lacking}); record these attempts, or audit the drafts of escalated and abstained "
        "requests too"
    )


def _audit_log(runs: Sequence[CandidateRun], target: RiskTarget) -> AuditLog:
    """The columns that estimates read; a question without overlap counts as answered wrongly."""
    import numpy as np

    nan = float("nan")
    columns: list[tuple[bool, float, bool, float, float]] = []
    for run in runs:
        if run.gap is not None:
            columns.append((True, 1.0, True, 1.0, 1.0))
        elif run.row is None or not (run.gated or target.kind == "system"):
            columns.append((False, 0.0, False, nan, nan))
        else:
            audited, propensity = logged_audit(run.row)
            loss = nan if run.row.loss is None or not audited else run.row.loss
            predicted = target.alpha if run.predicted is None else run.predicted
            columns.append((True, propensity, audited, loss, predicted))
    accepted, held, audits, losses, guesses = zip(*columns, strict=True)
    return AuditLog(
        np.array(accepted, bool),
        np.array(held, float),
        np.array(audits, bool),
        np.array(losses, float),
        np.array(guesses, float),
    )


def _report(
    table: OutcomeTable,
    runs: Sequence[CandidateRun],
    target: RiskTarget,
    gaps: Mapping[Gap, int],
    *,
    refused: str | None = None,
    estimate: OffPolicyEstimate | None = None,
    test: OffPolicyTest | None = None,
) -> OffPolicyReport:
    covered = [run for run in runs if run.cost is not None]
    now = [run.cost for run in covered if run.cost is not None]
    then = [run.logged_cost for run in covered]
    mean, interval = _mean_difference(now, then)
    answered = {row.query_id for row in table.rows() if row.extra.get("served") is True}
    policies = {str(row.extra["policy_id"]) for row in table.rows() if "policy_id" in row.extra}
    return OffPolicyReport(
        target,
        len(runs),
        len(covered) / len(runs),
        dict(sorted(gaps.items())),
        refused,
        estimate,
        test,
        sum(run.row is not None for run in covered) / len(covered) if covered else None,
        len(answered) / len(runs),
        math.fsum(now) / len(now) if now else None,
        math.fsum(then) / len(then) if then else None,
        mean,
        interval,
        tuple(sorted(policies)),
    )


def _mean_difference(
    now: Sequence[float], then: Sequence[float]
) -> tuple[float | None, tuple[float, float] | None]:
    gains = [one - other for one, other in zip(now, then, strict=True)]
    n = len(gains)
    if n == 0:
        return None, None
    mean = math.fsum(gains) / n
    if n == 1:
        return mean, None
    spread = math.fsum((gain - mean) ** 2 for gain in gains) / (n - 1)
    margin = _NORMAL_95 * math.sqrt(spread / n)
    return mean, (mean - margin, mean + margin)
