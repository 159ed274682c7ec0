"""What may be promised."""

from __future__ import annotations

import pytest

from surefoot.router.errors import UsageError
from surefoot.router.risk.targets import RiskTarget


def test_a_target_keeps_what_it_was_given() -> None:
    target = RiskTarget("system", 0.1, 0.05, "bounded", 0.25)
    assert (target.alpha, target.delta, target.abstention_loss) == (0.1, 0.05, 0.25)
    assert RiskTarget("joint", 0.1, 0.05).loss == "binary"


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("kind", {"kind": "conditional"}),
        ("loss", {"loss": "squared"}),
        ("alpha", {"alpha": 0.0}),
        ("alpha", {"alpha": 1.0}),
        ("alpha", {"alpha": float("nan")}),
        ("delta", {"delta": 1.0}),
        ("delta", {"delta": -0.1}),
        ("abstention_loss", {"kind": "system", "abstention_loss": 1.5}),
        ("abstention_loss", {"kind": "selective", "abstention_loss": 0.5}),
        ("abstention_loss", {"kind": "joint", "abstention_loss": 0.5}),
    ],
)
def test_a_field_out_of_range_is_named(field: str, changed: dict[str, object]) -> None:
    fields: dict[str, object] = {"kind": "selective", "alpha": 0.1, "delta": 0.1} | changed
    with pytest.raises(UsageError, match=f"^{field} is "):
        RiskTarget(**fields)  # type: ignore[arg-type]  # wrong on purpose
