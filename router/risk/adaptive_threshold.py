"""Adaptive conformal inference for a gate: the share let through follows the errors that are seen.

An option for traffic that keeps changing. It promises a long-run average only; a certificate
promises about every future request under exchangeability. They are different things.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import UsageError

__all__ = [
    "AdaptiveState",
    "AdaptiveThreshold",
    "gate_threshold",
    "long_run_bound",
]


@dataclass(frozen=True, slots=True)
class AdaptiveState:
    """Where the level stands, in plain numbers that any store can keep.

    Attributes:
        level: a_t, not clipped below: a level under 0 is a debt that must be worked off.
        steps: requests taken into account.
        weighted_errors: sum of err_t over them.
    """

    level: float
    steps: int = 0
    weighted_errors: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AdaptiveState:
        """The state again.

        Raises:
            UsageError: a field is missing or no finite number.
        """
        try:
            state = cls(float(data["level"]), int(data["steps"]), float(data["weighted_errors"]))
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"not the state of an adaptive threshold: {error!r}") from error
        if not math.isfinite(state.level + state.weighted_errors) or state.steps < 0:
            raise UsageError(f"not the state of an adaptive threshold: {state}")
        return state


@dataclass(frozen=True, slots=True)
class AdaptiveThreshold:
    """a_{t+1} = min(1, a_t + gamma (alpha - err_t)), one step per request.

    a_t is the share of traffic that the gate lets through (see `gate_threshold`); at 0 or below it
    lets nothing through. err_t = L_t 1{audited} / pi_t where request t was let through, else 0: its
    mean given the past is the true loss, since pi_t is known. What is held at alpha is therefore
    the *joint* risk, vouched-for errors over all requests, and not the risk of a single answer.

    Clipping: at 1 from above, which only makes the gate stricter. Never from below: raising a_t to
    0 forgives debt, and an adversary then gets an error rate of 1/2 at any alpha.

    Attributes:
        alpha: target of the long-run joint risk, in (0, 1).
        gamma: step size, above 0; .005 follows changes within some hundred requests. Large steps
            follow faster and swing more, and 1 / pi_min multiplies each error's.
        pi_min: least propensity of an audit, in (0, 1]; 1 where every answer is labelled.

    Raises:
        UsageError: a number is out of range.

    Source: Gibbs and Candes 2021, "Adaptive Conformal Inference Under Distribution Shift", here
        with inverse-propensity feedback and a gate that closes in place of an infinite set.
    """

    alpha: float
    gamma: float
    pi_min: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 1.0:
            raise UsageError(f"alpha is {self.alpha}; expected a number in (0, 1)")
        if not 0.0 < self.gamma < math.inf:
            raise UsageError(f"gamma is {self.gamma}; expected a number above 0")
        if not 0.0 < self.pi_min <= 1.0:
            raise UsageError(f"pi_min is {self.pi_min}; expected a number in (0, 1]")

    @property
    def promise(self) -> str:
        """What this does and does not promise, for reports."""
        return (
            f"long run only: the share of all requests that get a vouched-for wrong answer tends "
            f"to {self.alpha:g} or less, whatever the traffic; nothing is promised for any one "
            "request, for any short stretch, or for the error rate among the answers let through"
        )

    def start(self, level: float) -> AdaptiveState:
        """The first state.

        Raises:
            UsageError: the level is not in [0, 1].
        """
        if not 0.0 <= level <= 1.0:
            raise UsageError(f"the first level is {level}; expected a share in [0, 1]")
        return AdaptiveState(level)

    def step(
        self,
        state: AdaptiveState,
        *,
        gated: bool,
        audited: bool = False,
        propensity: float = 1.0,
        loss: float | None = None,
    ) -> AdaptiveState:
        """The state after one request.

        A drawn answer is stepped when its label comes, in whatever order; leaving one out breaks
        the bound.

        Args:
            gated: whether the gate let an answer through.
            propensity: of its audit draw; at least `pi_min`.
            loss: in [0, 1]; needed where gated and audited.

        Raises:
            UsageError: a loss is missing or out of range, or a propensity below `pi_min`.
        """
        error = 0.0
        if gated:
            if not self.pi_min <= propensity <= 1.0:
                raise UsageError(
                    f"the propensity is {propensity}; expected one in [{self.pi_min:g}, 1]"
                )
            if audited:
                if loss is None or not 0.0 <= loss <= 1.0:
                    raise UsageError(f"the audited loss is {loss}; expected one in [0, 1]")
                error = loss / propensity
        level = min(1.0, state.level + self.gamma * (self.alpha - error))
        return AdaptiveState(level, state.steps + 1, state.weighted_errors + error)

    def joint_risk_bound(
        self, first: float, steps: int, delta: float, *, outstanding: int = 0
    ) -> float:
        """The joint risk after `steps` requests is at most this with probability 1 - delta.

        alpha + (a_1 + (D + 1) gamma / pi_min) / (gamma T) bounds the weighted errors for any
        sequence, an adversary's too: below 0 the gate is shut, so only the D labels outstanding
        can push further down. The audit lottery adds sqrt(2 v ln(1/delta) / T) +
        2 ln(1/delta) / (3 T), v = 1/pi_min - 1, by Freedman's inequality (Freedman 1975, "On Tail
        Probabilities for Martingales"); nothing where all is audited.

        Args:
            outstanding: D, the most labels that were ever awaited at once.

        Raises:
            UsageError: `steps` below 1, `outstanding` below 0, or delta not in (0, 1).
        """
        if steps < 1 or outstanding < 0 or not 0.0 < delta < 1.0:
            raise UsageError(
                "expected steps from 1, outstanding from 0 and delta in (0, 1), "
                f"got {steps}, {outstanding}, {delta}"
            )
        heaviest = 1.0 / self.pi_min
        deepest = (outstanding + 1) * self.gamma * heaviest
        bound = self.alpha + (first + deepest) / (self.gamma * steps)
        if heaviest > 1.0:
            luck = math.log(1.0 / delta)
            bound += math.sqrt(2.0 * (heaviest - 1.0) * luck / steps) + 2.0 * luck / (3.0 * steps)
        return min(1.0, bound)


def long_run_bound(first: float, gamma: float, steps: int) -> float:
    """|mean err_t - alpha| <= (max(a_1, 1 - a_1) + gamma) / (gamma T), for any sequence.

    For the two-sided case: every request gives feedback, err_t = 0 wherever a_t <= 0 and err_t = 1
    wherever a_t >= 1, and nothing is clipped. A gate that lets everything through need not err,
    so of a gate only the upper side holds (`AdaptiveThreshold.joint_risk_bound`).

    Raises:
        UsageError: a number is out of range.

    Source: Gibbs and Candes 2021, proposition 4.1.
    """
    if not (0.0 <= first <= 1.0 and gamma > 0.0 and steps >= 1):
        raise UsageError(
            f"expected a first level in [0, 1], gamma above 0 and steps from 1, got {first}, "
            f"{gamma}, {steps}"
        )
    return (max(first, 1.0 - first) + gamma) / (gamma * steps)


def gate_threshold(level: float, reference: Sequence[float]) -> float | None:
    """The threshold that lets a share `level` of the reference scores through; None shuts the gate.

    Accept iff score >= threshold. Where scores tie, the largest attained share that is not above
    `level`: ties never let more through than asked for.

    Args:
        reference: recent scores of traffic, labelled or not.
    """
    ordered = sorted(reference, reverse=True)
    count = math.floor(min(1.0, level) * len(ordered) + 1e-9)
    if level <= 0.0 or count < 1:
        return None
    while count < len(ordered) and count > 0 and ordered[count - 1] == ordered[count]:
        count -= 1
    return ordered[count - 1] if count > 0 else None
