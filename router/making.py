"""Making frozen records fast.

A frozen dataclass stores every field through a call of `object.__setattr__`, about 75 ns each. The
loop makes a dozen records an attempt, some with a dozen fields: a third of its time. Here a record
is filled while it belongs to a twin class with the same slots that is not frozen; then it is handed
to its own class and is as frozen as any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, field, fields, is_dataclass, make_dataclass
from typing import Any, ParamSpec, TypeVar

__all__ = ["maker"]

P = ParamSpec("P")
T = TypeVar("T")


def maker(record: Callable[P, T]) -> Callable[P, T]:
    """The constructor of a frozen, slotted dataclass at about a third of the time.

    Raises:
        TypeError: `record` is no dataclass with slots, or does more than to store its fields.
    """
    if (
        not (isinstance(record, type) and is_dataclass(record) and "__slots__" in vars(record))
        or hasattr(record, "__post_init__")
        or not all(one.init for one in fields(record))
    ):
        raise TypeError(f"{record!r} is not a slotted dataclass that only stores its fields")

    def seal(unfrozen: Any) -> None:
        unfrozen.__class__ = record

    make: Any = make_dataclass(
        f"{record.__name__}InTheMaking",
        [(one.name, Any, _default(one.default, one.default_factory)) for one in fields(record)],
        namespace={"__post_init__": seal},
        slots=True,
        eq=False,
        repr=False,
    )
    made_by: Callable[P, T] = make
    return made_by


def _default(value: object, factory: Any) -> Any:
    if factory is not MISSING:
        return field(default_factory=factory)
    return field() if value is MISSING else field(default=value)
