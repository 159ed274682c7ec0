"""What a run knows between two requests, small enough for a checkpoint.

Token lists stay out of it: they are with the run's evidence (see `Run.evidence`), which a driver
keeps in memory or in an attempt store. Everything else is texts, scalars and ids.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .budget import Budget, Spend
from .decisions import Attempt, Decision, TrailStep
from .evidence import Passage, Turn
from .requests import Ask, Compare, Critique, Draft, Recall, Record, Request, Retrieve, Sample
from .wire import decode, encode

__all__ = ["RunState", "freeze", "thaw"]

_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Recall, Draft, Sample, Ask, Compare, Retrieve, Critique)
}


@dataclass(slots=True)
class RunState:
    """The state of one run. What has been used of the budget (`spend`, `steps`) only grows.

    Attributes:
        phase: what the last reply has left to do: `recall`, `entry`, `assess`, `search`, `draft`,
            `done`.
        round: searches that brought something new; a search that did not leaves the rung as it was
            (`spend.rounds` counts all of them).
        current: index of the attempt under judgement, None where the tier failed.
        buying: the signal that is being bought, None outside a purchase.
        settled: signals of the current attempt that were bought or failed: not offered again.
        failed: tier number to reason; a failed tier is not asked again in this run.
        no_retrieval: why retrieving is closed, None while it is open.
        prior: P(right) of each tier before anything was generated; None without a prior.
        queries: what was searched for, oldest first.
        found_in: per passage, the search that found it, from 1.
        proposed: the query that a model has just proposed; phase `search` goes on with it.
        no_verdict: why the critic could not judge the current attempt; None while it may.
        stopped: why the prefix gate ended the draft that was written last; "" where it did not.
        kept: what of that draft a higher tier may go on from.
        live: whether somebody is shown a draft while it is written, once it is released.
        released: why the draft that was written last was; "" where it was not.
        shown: what of it has been shown.
        overruled: as in `Result`.
    """

    run_id: str
    question: str
    budget: Budget
    spend: Spend = field(default_factory=Spend)
    phase: str = "entry"
    turns: tuple[Turn, ...] = ()
    tier: int = 0
    round: int = 0
    passages: tuple[Passage, ...] = ()
    attempts: list[Attempt] = field(default_factory=list)
    current: int | None = None
    buying: str | None = None
    settled: list[str] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    no_retrieval: str | None = None
    degraded: list[str] = field(default_factory=list)
    trail: list[TrailStep] = field(default_factory=list)
    steps: int = 0
    decision: Decision | None = None
    recognized: bool = False
    prior: tuple[float, ...] | None = None
    queries: list[str] = field(default_factory=list)
    found_in: tuple[int, ...] = ()
    proposed: str | None = None
    no_verdict: str | None = None
    stopped: str = ""
    kept: str = ""
    live: bool = False
    released: str = ""
    shown: str = ""
    overruled: str = ""

    def rounds_by_id(self) -> dict[str, int]:
        """By passage id, the search that found it; the last one where nobody kept it."""
        rounds = self.found_in
        if len(rounds) != len(self.passages):  # frozen by a version that did not keep it
            rounds = (self.round,) * len(self.passages)
        return {passage.id: found for passage, found in zip(self.passages, rounds, strict=True)}


def freeze(state: RunState, pending: Request | None) -> dict[str, Any]:
    """State and pending request as plain JSON values.

    A pending request repeats neither the result nor, where their number says it, the passages.
    """
    frozen: dict[str, Any] = {"state": encode(state), "pending": None}
    if pending is not None:
        body = {} if isinstance(pending, Record) else encode(pending)
        shown = getattr(pending, "passages", ())
        if shown and shown == state.passages[: len(shown)]:
            body["passages"] = len(shown)
        # Not "kind": `Ask` and `Compare` have a field of that name.
        frozen["pending"] = {"request": type(pending).__name__, **body}
    return frozen


def thaw(frozen: dict[str, Any]) -> tuple[RunState, Request | None, bool]:
    """What `freeze` made: the state, the pending request, and whether a `Record` is pending.

    The `Record` itself is rebuilt by the run, which can make the result from the state.
    """
    state = decode(RunState, frozen["state"])
    pending = frozen["pending"]
    if pending is None:
        return state, None, False
    if pending["request"] == Record.__name__:
        return state, None, True
    kind = _KINDS[pending["request"]]
    body = {key: value for key, value in pending.items() if key != "request"}
    # What is shown are the best of what was found, but for an attempt older than the last search.
    if isinstance(body.get("passages"), int):
        body["passages"] = state.passages[: body["passages"]]
    return state, decode(kind, body), False
