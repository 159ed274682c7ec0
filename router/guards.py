"""The one place where code that users bring (estimators, policies) may fail without harm.

The loop promises a terminal result for every estimator and every policy. So an exception or an
impossible number from them becomes a value that says what happened; it is never swallowed: the
reason reaches the trail.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from .decisions import Action, Choice, Decision, Rung
from .evidence import Evidence
from .protocols import Assessor, Estimator, Policy, Situation
from .signals import Estimate, Reading, Signal, Unavailable

__all__ = ["assess_safely", "decide_safely", "read_safely"]


def _name(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def read_safely(estimator: Estimator, evidence: Evidence) -> Reading:
    """The estimator's reading; Unavailable where it raises or leaves [0, 1]."""
    try:
        reading = estimator.estimate(evidence)
    except Exception as error:
        return Unavailable(f"the estimator failed: {_name(error)}")
    if isinstance(reading, Signal) and not (
        0.0 <= reading.value <= 1.0 and math.isfinite(reading.raw)
    ):
        return Unavailable(f"the estimator returned value {reading.value}, raw {reading.raw}")
    return reading


def assess_safely(
    assessor: Assessor, rung: Rung, signals: Mapping[str, Reading]
) -> Estimate | Unavailable:
    """The assessor's estimate; Unavailable where it raises or leaves [0, 1]."""
    try:
        estimate = assessor.assess(rung, signals)
    except Exception as error:
        return Unavailable(f"the calibrator failed: {_name(error)}")
    if isinstance(estimate, Estimate) and not 0.0 <= estimate.p <= 1.0:
        return Unavailable(f"the calibrator returned {estimate.p}")
    return estimate


def decide_safely(policy: Policy, situation: Situation) -> Choice:
    """The policy's choice; an abstention that says why where it raises."""
    try:
        return policy.decide(situation)
    except Exception as error:
        return Decision(Action.ABSTAIN, f"the policy failed: {_name(error)}")
