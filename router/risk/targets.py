"""What is to be promised about a policy: which risk, how low, how surely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import UsageError

__all__ = ["LossKind", "RiskKind", "RiskTarget"]

RiskKind = Literal["selective", "joint", "system"]
"""Which error rate is meant; the three differ in what they count and what they divide by.

With G = a gate vouched for the answer, V = something was served, L = its loss in [0, 1]:

- selective: E[L given G], the loss among the answers vouched for;
- joint: E[L 1{G}], per request, the loss through answers vouched for;
- system: E[L 1{V}] + a P(not V), per request, the loss of whatever is served, an abstention
  being charged a.
"""

LossKind = Literal["binary", "bounded"]
"""Whether a loss is right or wrong (0 or 1), or any number of [0, 1]."""


@dataclass(frozen=True, slots=True)
class RiskTarget:
    """The promise: over the draw of the labels, P(risk > alpha) <= delta.

    There is no default for `kind`: a number that could be any of the three says nothing.

    Attributes:
        alpha: the risk that is not to be exceeded, in (0, 1).
        delta: how often a certificate may be wrong about that, in (0, 1).
        abstention_loss: a above, what an abstention is charged in a system risk, in [0, 1].

    Raises:
        UsageError: a field is out of its range; the message names it.
    """

    kind: RiskKind
    alpha: float
    delta: float
    loss: LossKind = "binary"
    abstention_loss: float = 0.0

    def __post_init__(self) -> None:
        for field, value, known in (
            ("kind", self.kind, get_args(RiskKind)),
            ("loss", self.loss, get_args(LossKind)),
        ):
            if value not in known:
                raise UsageError(f"{field} is {value!r}; expected one of {', '.join(known)}")
        for field, number in (("alpha", self.alpha), ("delta", self.delta)):
            if not 0.0 < number < 1.0:
                raise UsageError(
                    f"{field} is {number}; expected a number between 0 and 1, neither included"
                )
        if not 0.0 <= self.abstention_loss <= 1.0:
            raise UsageError(
                f"abstention_loss is {self.abstention_loss}; expected a number in [0, 1]"
            )
        if self.abstention_loss and self.kind != "system":
            raise UsageError(
                f"abstention_loss is {self.abstention_loss}, but a {self.kind} risk charges no "
                "abstention; leave it at 0 or ask for the system risk"
            )
