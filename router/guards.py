"""The one place where code that users bring (estimators, policies, gates) may fail without harm.

The loop promises a terminal result for every estimator and every policy. So an exception, an
impossible number or a value of a wrong type becomes a value that says what happened; it is never
swallowed: the reason reaches the trail.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .batch import Batch, BatchEstimator
from .decisions import Action, Buy, Choice, Decision, Entry, Rung
from .evidence import Evidence, Token
from .protocols import (
    Assessor,
    EntryPolicy,
    Estimator,
    Opening,
    Policy,
    PrefixGate,
    Prior,
    Situation,
)
from .requests import Continue, PrefixVerdict, Stop
from .signals import Estimate, Reading, Signal, Unavailable

__all__ = [
    "assess_safely",
    "decide_safely",
    "enter_safely",
    "judge_safely",
    "prior_safely",
    "read_batch_safely",
    "read_safely",
]


def _name(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def read_safely(estimator: Estimator, evidence: Evidence) -> Reading:
    """The estimator's reading; Unavailable where it raises, leaves [0, 1] or is no reading."""
    try:
        return _sound(estimator.estimate(evidence))
    except Exception as error:
        return Unavailable(f"the estimator failed: {_name(error)}")


def read_batch_safely(estimator: Estimator, batch: Batch) -> Sequence[Reading]:
    """One reading a record. An estimator that fails on a batch is asked record by record, so that
    a failing record never fails its neighbors."""
    if isinstance(estimator, BatchEstimator):
        try:
            readings = estimator.estimate_batch(batch)
            if len(readings) == len(batch):
                return [_sound(reading) for reading in readings]
        except Exception as error:
            if len(batch) == 1:
                return (Unavailable(f"the estimator failed: {_name(error)}"),)
    return [read_safely(estimator, record) for record in batch.records]


def _sound(reading: Reading) -> Reading:
    if isinstance(reading, Signal):
        if 0.0 <= reading.value <= 1.0 and math.isfinite(reading.raw):
            return reading
        return Unavailable(f"the estimator returned value {reading.value}, raw {reading.raw}")
    if isinstance(reading, Unavailable):
        return reading
    return Unavailable(f"the estimator returned {type(reading).__name__}, not a signal")


def assess_safely(
    assessor: Assessor, rung: Rung, signals: Mapping[str, Reading]
) -> Estimate | Unavailable:
    """The assessor's estimate; Unavailable where it raises, leaves [0, 1] or is no estimate."""
    try:
        estimate = assessor.assess(rung, signals)
        if isinstance(estimate, Estimate):
            if 0.0 <= estimate.p <= 1.0:
                return estimate
            return Unavailable(f"the calibrator returned {estimate.p}")
    except Exception as error:
        return Unavailable(f"the calibrator failed: {_name(error)}")
    if isinstance(estimate, Unavailable):
        return estimate
    return Unavailable(f"the calibrator returned {type(estimate).__name__}, not an estimate")


def decide_safely(policy: Policy, situation: Situation) -> Choice:
    """The policy's choice; an abstention that says why where it raises or chooses nothing known."""
    try:
        choice = policy.decide(situation)
        if isinstance(choice, Decision):
            if isinstance(choice.action, Action) and choice.reason:
                return choice
        elif isinstance(choice, Buy) and choice.reason:
            return choice
    except Exception as error:
        return Decision(Action.ABSTAIN, f"the policy failed: {_name(error)}")
    kind = type(choice).__name__
    return Decision(Action.ABSTAIN, f"the policy returned {kind}, not a choice with its reason")


def prior_safely(prior: Prior, question: str, tiers: int) -> tuple[float, ...] | str:
    """P(right) of each tier, or in words how the prior failed."""
    try:
        found = tuple([float(p) for p in prior.probabilities(question)])
    except Exception as error:
        return f"the prior failed: {_name(error)}"
    if len(found) == tiers and all([0.0 <= p <= 1.0 for p in found]):
        return found
    return f"the prior returned {found}, not a probability for each of {tiers} tiers"


def enter_safely(policy: EntryPolicy, opening: Opening) -> Entry | str:
    """The entry, or in words why the policy's choice cannot be used."""
    try:
        entry = policy.enter(opening)
    except Exception as error:
        return f"the entry policy failed: {_name(error)}"
    if not isinstance(entry, Entry):
        return f"the entry policy returned {type(entry).__name__}, not an entry"
    if any([entry.tier == tier for tier, _ in opening.tiers]):
        return entry
    return f"the entry policy chose tier {entry.tier!r}, which cannot draft"


def judge_safely(
    gate: PrefixGate, rung: Rung, tokens: Sequence[Token], seen: int
) -> PrefixVerdict | str:
    """The gate's verdict, or in words how it failed."""
    try:
        verdict = gate.judge(rung, tokens, seen)
    except Exception as error:
        return f"the prefix gate failed: {_name(error)}"
    if isinstance(verdict, Continue | Stop):
        return verdict
    return f"the prefix gate returned {type(verdict).__name__}, not a verdict"
