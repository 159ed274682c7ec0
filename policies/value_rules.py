"""Value policies as they stand in a profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..router.errors import UsageError
from ..router.wire import decode, encode
from .prices import Prices
from .step_models import StepValues
from .step_utility import UtilityPolicy

__all__ = ["ValueKind", "ValueRules", "value_rules_data", "value_rules_of"]

ValueKind = Literal["utility", "cascade_routing"]
"""`utility` prices wrong answers and abstentions; `cascade_routing` weighs quality against cost by
one trade, and never abstains while there is an answer."""


@dataclass(frozen=True, slots=True)
class ValueRules:
    """A fitted value policy.

    Attributes:
        trade: of `utility`, how prices of steps count; of `cascade_routing`, the quality that one
            unit of cost is worth.
    """

    kind: ValueKind
    values: StepValues
    trade: float = 1.0

    def policy(self, prices: Prices, names: tuple[str, ...]) -> UtilityPolicy:
        """The policy as it will run."""
        if self.kind == "utility":
            return UtilityPolicy(self.values, prices, names, self.trade)
        # In units of quality a wrong answer costs 1, and there is no price of an abstention.
        return UtilityPolicy(self.values, Prices(1.0, 0.0), names, self.trade, abstains=False)


def value_rules_data(rules: ValueRules) -> dict[str, Any]:
    """As it stands in a profile."""
    data: dict[str, Any] = encode(rules)
    return data


def value_rules_of(data: Mapping[str, Any]) -> ValueRules:
    """What `value_rules_data` wrote. Raises UsageError for anything else."""
    if data.get("kind") not in ("utility", "cascade_routing"):
        raise UsageError(
            f"values: expected kind utility or cascade_routing, got {data.get('kind')!r}"
        )
    return decode(ValueRules, dict(data))
