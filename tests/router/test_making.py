"""A record from a maker is the record."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Any

import pytest

from surefoot.router.budget import Forecast
from surefoot.router.decisions import Attempt, Decision, TrailStep
from surefoot.router.evidence import Evidence, Generation
from surefoot.router.making import maker

make_attempt = maker(Attempt)
FIELDS: Any = ("1", 0, 1, True, "Paris", "stop", None, 0.5)


def test_it_is_equal_in_every_way() -> None:
    made, plain = make_attempt(*FIELDS), Attempt(*FIELDS)
    assert type(made) is Attempt
    assert (made, repr(made), made.rung) == (plain, repr(plain), plain.rung)
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == plain
    assert replace(made, text="Lyon") == replace(plain, text="Lyon")
    assert hash(maker(Forecast)(1.0)) == hash(Forecast(1.0))


def test_it_is_frozen_and_has_no_room_for_more() -> None:
    made = make_attempt(*FIELDS)
    with pytest.raises(FrozenInstanceError):
        made.text = "Lyon"  # type: ignore[misc]  # what must not work
    with pytest.raises(FrozenInstanceError):
        del made.text
    assert not hasattr(made, "__dict__")


def test_defaults_are_those_of_the_record_and_made_anew() -> None:
    one, other = make_attempt(*FIELDS), make_attempt(*FIELDS)
    assert (one.signals, one.estimate) == (Attempt(*FIELDS).signals, Attempt(*FIELDS).estimate)
    assert one.signals is not other.signals
    assert maker(Evidence)("q", Generation("a"), previous_answers=("b",)) == Evidence(
        "q", Generation("a"), previous_answers=("b",)
    )
    assert maker(TrailStep)(1, "draft", 0, "Paris") == TrailStep(1, "draft", 0, "Paris")


def test_wrong_arguments_are_refused() -> None:
    make: Any = maker(Decision)
    with pytest.raises(TypeError):
        make()
    with pytest.raises(TypeError):
        make("answer", "why", unknown=1)


@dataclass(frozen=True, slots=True)
class Checked:
    value: int

    def __post_init__(self) -> None:
        raise ValueError("always")


@dataclass(frozen=True)
class WithoutSlots:
    value: int


@dataclass(frozen=True, slots=True)
class Derived:
    value: int
    twice: int = field(init=False, default=0)


@pytest.mark.parametrize("kind", [Checked, WithoutSlots, Derived, dict, len])
def test_what_cannot_be_made_so_is_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match="not a slotted dataclass that only stores its fields"):
        maker(kind)
