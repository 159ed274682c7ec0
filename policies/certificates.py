"""What was promised of a policy, or why nothing can be, as plain records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..router.risk.targets import RiskTarget
from ..router.wire import decode, encode

__all__ = ["Certificate", "CurvePoint", "GroupRisk", "HowTested", "MoreLabels", "NotCertified"]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One tested or untested configuration on the certified rows.

    Attributes:
        coverage: share of all requests that a gate answers.
        risk: mean loss that the target speaks of; None where it has no answer to speak of.
        p_value: of the hypothesis that the risk is above alpha; None where it was not tested.
    """

    coverage: float
    risk: float | None
    p_value: float | None


@dataclass(frozen=True, slots=True)
class GroupRisk:
    """The promise within one group of requests."""

    name: str
    value: str
    n: int
    n_accepted: int
    mean_loss: float | None
    p_value: float


@dataclass(frozen=True, slots=True)
class HowTested:
    """How a promise was tested.

    Attributes:
        method: of the p-value: `exact binomial` or `betting`.
        procedure: over the sequence of configurations.
        grid: SHA-256 of the configurations in the order of testing.
        grid_source: where the thresholds come from; never from the losses that are tested.
        tested: how many configurations were tested before the first failure, it included.
        tune_questions: that were set aside to choose the sequence; 0 where none were.
    """

    method: str
    procedure: str
    grid: str
    grid_source: str
    tested: int
    tune_questions: int
    seed: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """Over the draw of the labels, P(risk of the policy > alpha) <= delta.

    For requests that are exchangeable with those that it was tested on.

    Attributes:
        target: which risk, alpha and delta.
        n: questions that were tested on.
        n_accepted: of these, those that a gate answered.
        losses: sum of the losses that the target speaks of.
        mean_loss: over its denominator.
        upper: upper confidence limit of the risk at level 1 - delta, for this configuration alone.
        curve: the sequence of configurations, the certified one included.
        date: when it was tested, ISO 8601.
    """

    target: RiskTarget
    n: int
    n_accepted: int
    losses: float
    mean_loss: float
    upper: float
    p_value: float
    tested: HowTested
    groups: tuple[GroupRisk, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    date: str | None = None
    id: str = ""

    def signed(self, score: str) -> Certificate:
        """With its id: a hash of all that it says, and of what the gate reads (`score`)."""
        body = json.dumps([encode(replace(self, id="")), score], sort_keys=True)
        return replace(self, id=hashlib.sha256(body.encode()).hexdigest()[:16])

    def to_data(self) -> dict[str, Any]:
        """As it stands in a profile: the numbers of the target beside those of the test."""
        data: dict[str, Any] = encode(self)
        target = data.pop("target")
        return {**target, "k": self.losses, **data}

    @classmethod
    def of_data(cls, data: Mapping[str, Any]) -> Certificate:
        """The certificate that `to_data` wrote. Raises UsageError or KeyError for anything else."""
        names = RiskTarget.__dataclass_fields__
        target = {name: data[name] for name in names}
        rest = {n: data[n] for n in cls.__dataclass_fields__ if n != "target" and n in data}
        return decode(cls, {**rest, "target": target})


@dataclass(frozen=True, slots=True)
class MoreLabels:
    """How many labels would do for a target, at 80 % power.

    Attributes:
        accepted: labels of gated answers that are needed in all; None where no number would do.
        to_collect: labels of requests in all, gated or not, set-aside ones included.
    """

    alpha: float
    accepted: int | None
    to_collect: int | None


@dataclass(frozen=True, slots=True)
class NotCertified:
    """Nothing is promised: a normal result on few labels.

    Attributes:
        needed_accepted_labels: None where more labels would not help.
        to_collect: labels of requests in all.
        others: what it would take for larger alphas.
    """

    target: RiskTarget
    needed_accepted_labels: int | None
    to_collect: int | None
    why: str
    n: int = 0
    curve: tuple[CurvePoint, ...] = ()
    others: tuple[MoreLabels, ...] = field(default=())
