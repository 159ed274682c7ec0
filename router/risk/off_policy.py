"""What another threshold, or another policy, would have done: judged from audited logs.

Each logged draft was drawn for an audit with a known probability pi. With weights
w = 1{audited} / pi the audited drafts stand for all of them, so a gate that nobody has run can be
judged by the drafts that it would have let through. Where such drafts could never have been
audited there is nothing to weigh, and the answer is `NoOverlap`.

What is estimated is the risk on traffic like the logged one. The candidate must have been fixed
before these labels were seen: certify one, or share delta among several.

Sources: Horvitz and Thompson 1952 (inverse propensities); Hajek 1971 (self-normalized); Kish 1965
(effective sample size); Robins, Rotnitzky and Zhao 1994 (augmented by a prediction); Waudby-Smith
and Ramdas 2024 (betting).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import UsageError
from .audit_intervals import Bounds, empirical_bernstein_interval, ratio_interval
from .audit_log import AuditLog, effective_sample_size
from .betting import betting_p_value
from .p_values import exact_binomial
from .targets import RiskTarget

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "NoOverlap",
    "OffPolicyEstimate",
    "OffPolicyTest",
    "certify_off_policy",
    "estimate_off_policy",
]


@dataclass(frozen=True, slots=True)
class NoOverlap:
    """The logs cannot say: the candidate lets through what could never be audited.

    Attributes:
        reason: in words, with what to do.
        missing: accepted questions without a propensity.
        n_accepted: all accepted questions.
    """

    reason: str
    missing: int
    n_accepted: int


@dataclass(frozen=True, slots=True)
class OffPolicyEstimate:
    """A risk estimated from logs.

    Attributes:
        risk: in [0, 1]; None where no accepted draft has a label.
        interval: two-sided, of coverage at least 1 - delta of the target at any sample size.
        ess: effective sample size of the weights, (sum w)^2 / sum w^2; at most `n_labelled`.
        n: questions in the log.
        n_accepted: let through by the candidate; their share of `n` is its coverage.
        n_labelled: accepted with a label.
        outstanding: accepted, drawn, and without a label so far.
    """

    target: RiskTarget
    risk: float | None
    interval: Bounds
    ess: float
    n: int
    n_accepted: int
    n_labelled: int
    outstanding: int
    method: str


@dataclass(frozen=True, slots=True)
class OffPolicyTest:
    """A test of "the candidate's risk is above alpha", valid at any sample size.

    `certified` where `p_value <= delta`.
    """

    target: RiskTarget
    certified: bool
    p_value: float
    n_labelled: int
    method: str


@dataclass(frozen=True, slots=True, eq=False)
class _Terms:
    """Pairs (Y, D) with risk = E[Y] / E[D], and bounds on them that no label has touched."""

    y: Floats
    d: Floats
    highest: float  # of Y
    lowest: float  # of D - Y
    method: str
    weighted: bool = False  # D = w and Y = w L, else D = 1

    def centered(self, alpha: float) -> tuple[Floats, float, float]:
        """Y - alpha D, how far it can fall below 0, and how far it can rise above."""
        values = self.y - alpha * self.d
        if self.weighted:
            return values, alpha * self.lowest, (1.0 - alpha) * self.highest
        return values, alpha - (1.0 - self.lowest), max(self.highest - alpha, 0.0)


def _terms(log: AuditLog, target: RiskTarget, doubly_robust: bool) -> _Terms:
    import numpy as np

    if doubly_robust:
        return _robust_terms(log, target)
    weights, labelled = log.weights, log.labelled
    most = float(log.possible_weights.max(initial=0.0))
    if target.kind == "selective":
        w = weights[labelled]
        return _Terms(w * log.loss[labelled], w, most, most, "self-normalized", weighted=True)
    y = np.where(log.accepted, weights * np.where(labelled, log.loss, 0.0), target.abstention_loss)
    most = max(most, target.abstention_loss)
    return _Terms(y, np.ones(len(y)), most, 1.0, "Horvitz-Thompson")


def _robust_terms(log: AuditLog, target: RiskTarget) -> _Terms:
    """Y = e + w (L - e) where accepted: unbiased for any e, since pi is known."""
    import numpy as np

    rows = log.accepted if target.kind == "selective" else np.ones(len(log.accepted), bool)
    if np.isnan(log.predicted[log.accepted]).any():
        raise UsageError("a doubly robust estimate needs a predicted loss of each accepted draft")
    e = np.where(log.accepted, log.predicted, target.abstention_loss)[rows]
    y = e + np.where(log.labelled, log.weights * (log.loss - log.predicted), 0.0)[rows]
    possible = log.possible_weights[rows]
    highest = float(np.maximum(e, e + possible * (1.0 - e)).max(initial=0.0))
    lowest = float((1.0 - e + possible * e).max(initial=1.0))
    return _Terms(y, np.ones(len(y)), highest, lowest, "doubly robust")


def _no_overlap(log: AuditLog) -> NoOverlap | None:
    missing = int((log.accepted & ~(log.propensity > 0.0)).sum())
    if not missing:
        return None
    accepted = int(log.accepted.sum())
    return NoOverlap(
        f"{missing} of {accepted} drafts that the candidate would let through could not have been "
        "audited; audit a share of the drafts of escalated and abstained requests too, or judge "
        "a stricter candidate",
        missing,
        accepted,
    )


def estimate_off_policy(
    log: AuditLog,
    target: RiskTarget,
    *,
    doubly_robust: bool = False,
    interval: Literal["betting", "empirical_bernstein"] = "betting",
    seed: int = 0,
) -> OffPolicyEstimate | NoOverlap:
    """The candidate's risk with an interval that covers it with probability 1 - delta.

    selective: sum w L A / sum w A, the self-normalized estimate. joint: sum w L A / n, unbiased;
    system the same, with `accepted` for served and the charge for abstentions on top.
    doubly_robust: each accepted draft counts its predicted loss, and audited ones the weighted
    error of the prediction on top. Unbiased for any prediction that saw none of these labels;
    better than the others as far as the prediction explains the loss.

    Args:
        interval: `empirical_bernstein`, in closed form and wider, exists where D = 1 and no
            prediction is used.

    Raises:
        UsageError: a prediction is missing, no such interval.
    """
    refused = _no_overlap(log)
    if refused is not None:
        return refused
    terms = _terms(log, target, doubly_robust)
    total = float(terms.d.sum())
    labelled = int(log.labelled.sum())
    if interval == "betting":
        bounds = ratio_interval(
            terms.y,
            terms.d,
            highest=terms.highest,
            lowest=terms.lowest,
            delta=target.delta,
            seed=seed,
        )
    elif target.kind == "selective" or doubly_robust:
        raise UsageError("the empirical Bernstein interval is for plain joint and system risks")
    else:
        low, high = empirical_bernstein_interval(terms.y, terms.highest, target.delta)
        bounds = min(1.0, low), min(1.0, high)
    return OffPolicyEstimate(
        target,
        min(1.0, max(0.0, float(terms.y.sum()) / total)) if labelled and total else None,
        bounds,
        effective_sample_size(log.weights),
        len(log.accepted),
        int(log.accepted.sum()),
        labelled,
        log.outstanding,
        terms.method,
    )


def certify_off_policy(
    log: AuditLog,
    target: RiskTarget,
    *,
    doubly_robust: bool = False,
    seed: int = 0,
) -> OffPolicyTest | NoOverlap:
    """Whether the logs reject "the candidate's risk is above alpha" at delta.

    The risk is at most alpha exactly where E[Y - alpha D] <= 0. That mean is shifted and scaled
    into [0, 1] by its label-free range and tested by betting. The selective risk is tested on the
    labelled drafts alone: those left undrawn change no wealth. With one propensity throughout and
    losses of 0 and 1, those labels are a plain sample, and the exact binomial is taken.

    Labels that raised an alarm must not certify its cure, unless the candidate was fixed before.

    Raises:
        UsageError: a prediction is missing.
    """
    refused = _no_overlap(log)
    if refused is not None:
        return refused
    count = int(log.labelled.sum())
    losses = log.loss[log.labelled]
    if target.kind == "selective" and not doubly_robust and _is_plain_sample(log, losses):
        p_value = exact_binomial(int(losses.sum()), count, target.alpha)
        method = "exact binomial"
    else:
        p_value = _betting_p_value(_terms(log, target, doubly_robust), target, seed)
        method = f"betting, {'doubly robust' if doubly_robust else 'weighted'}"
    return OffPolicyTest(target, p_value <= target.delta, p_value, count, method)


def _is_plain_sample(log: AuditLog, losses: Floats) -> bool:
    """Whether every accepted draft was as likely to be drawn, and losses are 0 or 1."""
    held = log.propensity[log.accepted]
    same = len(held) > 0 and float(held.min()) == float(held.max())
    return same and bool(((losses == 0.0) | (losses == 1.0)).all())


def _betting_p_value(terms: _Terms, target: RiskTarget, seed: int) -> float:
    """Of E[Y - alpha D] > 0: the values lie in [-low, high], and 0 becomes low / (low + high)."""
    import numpy as np

    values, low, high = terms.centered(target.alpha)
    if len(values) == 0 or low + high <= 0.0:
        return 1.0
    width = low + high
    scaled = np.clip((values + low) / width, 0.0, 1.0)  # rounding may leave it by 1e-17
    return betting_p_value(scaled, low / width, target.delta, seed=seed)
