"""Value policies as they stand in a profile."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..router.errors import UsageError
from .cascade_routing import QUALITY, CascadeRoutingEntry, CascadeRoutingPolicy
from .prices import Prices
from .utility import UtilityPolicy
from .value_models import ValueModels

__all__ = ["ValueKind", "ValueRules", "value_rules_data", "value_rules_of"]

ValueKind = Literal["utility", "cascade_routing"]
"""`utility` prices wrong answers and abstentions; `cascade_routing` weighs quality against cost by
one trade, and never abstains while there is an answer."""


@dataclass(frozen=True, slots=True)
class ValueRules:
    """A fitted value policy.

    Attributes:
        trade: from 0. Of `utility`, how prices of steps count; of `cascade_routing`, the quality
            that one unit of cost is worth.

    Raises:
        UsageError: a trade that cannot be used.
    """

    kind: ValueKind
    models: ValueModels
    trade: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.trade) and self.trade >= 0.0):
            raise UsageError(f"values: the trade is {self.trade}; expected a finite number from 0")

    def policy(
        self, prices: Prices, names: tuple[str, ...]
    ) -> UtilityPolicy | CascadeRoutingPolicy:
        """The policy as it will run.

        Raises:
            ConfigurationError: `utility` under a price that cannot be used.
        """
        if self.kind == "utility":
            return UtilityPolicy(self.models, prices, names, self.trade)
        return CascadeRoutingPolicy(self.models, names, self.trade)

    def entry(self, prices: Prices, names: tuple[str, ...]) -> CascadeRoutingEntry:
        """Where its first draft is made; raises as `policy`."""
        own = prices if self.kind == "utility" else QUALITY
        return CascadeRoutingEntry(self.models, names, self.trade, own)


def value_rules_data(rules: ValueRules) -> dict[str, Any]:
    """As it stands in a profile."""
    return {"kind": rules.kind, "trade": rules.trade, "models": rules.models.to_data()}


def value_rules_of(data: Mapping[str, Any]) -> ValueRules:
    """What `value_rules_data` wrote. Raises UsageError for anything else."""
    kind, trade = data.get("kind"), data.get("trade")
    if kind not in ("utility", "cascade_routing"):
        raise UsageError(f"values: expected kind utility or cascade_routing, got {kind!r}")
    if isinstance(trade, bool) or not isinstance(trade, int | float):
        raise UsageError(f"values: expected a number as trade, got {trade!r}")
    models = data.get("models")
    if not isinstance(models, Mapping):
        raise UsageError("values: no models; fit the profile again with this version")
    return ValueRules(kind, ValueModels.from_data(models), trade)
