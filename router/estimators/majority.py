"""Which answer a vote among samples returns, and what its signal says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ..answers import EMPTY_CLASS
from ..evidence import Generation
from ..signals import Detail
from .views import Answers

__all__ = ["returned", "vote"]


def vote(weights: Mapping[str, float], greedy: str) -> tuple[str, list[str]]:
    """The class of most weight, and all classes that have as much, in alphabetical order.

    The greedy answer has no vote, but breaks a tie in favor of its own class; other ties go to the
    first class in alphabetical order.
    """
    most = max(weights.values())
    tied = sorted([name for name, weight in weights.items() if weight == most])
    return (greedy if greedy in tied else tied[0]), tied


def returned(
    samples: Sequence[Generation], found: Answers, winner: str, tied: Sequence[str]
) -> dict[str, Detail]:
    """Details of a vote: `majority` is the answer as most samples of its class write it.

    Further `greedy_agrees`, whether the greedy answer is of that class; `m`, how many samples
    there are; `classes`, how many answers; and `tied`, the classes among which the tie was.
    """
    classes = found.samples
    members = [one for one, name in zip(samples, classes, strict=True) if name == winner]
    details: dict[str, Detail] = {
        "majority": _usual_form(members, winner),
        "greedy_agrees": found.greedy == winner,
        "m": len(classes),
        "classes": len(set(classes)),
    }
    if len(tied) > 1:
        details["tied"] = " | ".join(tied)
    return details


def _usual_form(members: Sequence[Generation], name: str) -> str:
    """The most frequent way of writing an answer; the first in alphabetical order among equals.

    A tool call has no text: it is written as its class.
    """
    forms = Counter([one.text.strip() for one in members])
    if len(forms) == 1:
        form = next(iter(forms))
    else:
        form = min(forms, key=lambda one: (-forms[one], one))
    return form if form or name == EMPTY_CLASS else name.strip()
