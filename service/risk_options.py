"""Which risk a command is about: as its options say, else as a profile's certificate does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from ..router.errors import UsageError

if TYPE_CHECKING:
    from ..policies.profile import Profile
    from ..router.risk.targets import RiskTarget

__all__ = ["RiskAsked", "risk_options", "target_of"]

_Command = TypeVar("_Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--risk",
        type=click.Choice(["selective", "joint", "system"]),
        help="Of the gated answers, of all requests, of whatever is served; else the certified.",
    ),
    click.option("--alpha", type=float, help="The risk that must not be exceeded."),
    click.option(
        "--delta", type=float, default=0.1, show_default=True, help="P(the target is missed)."
    ),
    click.option(
        "--loss", type=click.Choice(["binary", "bounded"]), default="binary", show_default=True
    ),
    click.option(
        "--abstention-loss",
        type=float,
        default=0.0,
        help="What an abstention counts in --risk system.",
    ),
)


@dataclass(frozen=True, slots=True)
class RiskAsked:
    """The options, as given."""

    kind: str | None
    alpha: float | None
    delta: float
    loss: str
    abstention_loss: float


def risk_options(command: _Command) -> _Command:
    """Adds `--risk`, `--alpha`, `--delta`, `--loss` and `--abstention-loss`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def target_of(asked: RiskAsked, profile: Profile) -> RiskTarget:
    """The target.

    Raises:
        UsageError: none is given, half of one is, or a number is out of range.
    """
    from ..router.risk.targets import RiskTarget

    if (asked.kind is None) != (asked.alpha is None):
        raise UsageError("--risk and --alpha go together: which risk, and what it must not exceed")
    if asked.kind is not None and asked.alpha is not None:
        return RiskTarget(
            cast(Any, asked.kind),
            asked.alpha,
            asked.delta,
            cast(Any, asked.loss),
            asked.abstention_loss,
        )
    if profile.certificate is None:
        raise UsageError(
            "the profile has no certificate that names a risk: say which with --risk and --alpha"
        )
    return profile.certificate.target
