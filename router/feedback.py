"""What people said of answers, outcomes by model, and how often each model was right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, get_args

from .decisions import Rung
from .errors import UsageError
from .histories import Page, moment_of

__all__ = [
    "BINS",
    "BinCount",
    "Correctness",
    "CorrectnessLog",
    "Feedback",
    "FeedbackLog",
    "JudgedOutcome",
    "KeptOutcome",
    "OutcomeLog",
    "Verdict",
    "bin_of",
    "kept_outcome",
    "settled",
]

Verdict = Literal["right", "wrong", "corrected"]
"""What was said of an answer; `corrected` is wrong, with the right answer beside it."""

BINS = 10
"""Bins of equal width that confidences are counted in; the last one holds 1 too."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """A label on a run, or the note of an audit's draw. The same id counts once.

    Attributes:
        verdict: None notes a draw that nobody has judged yet.
        correction: the right answer, where one was given.
        by: who says so; a pseudonym, since it stays when a user is erased who labels others' runs.
        at: when, ISO 8601 with a zone; the latest verdict wins.
        attempt: id of the judged attempt; the served one (or the best) where None.
        audited: whether an audit drew the run. Who labels unasked (a complaint, a thumb) did not.
        propensity: of that draw, in [0, 1]; None where nobody drew.

    Raises:
        UsageError: a verdict or propensity that cannot be, or `corrected` without a correction.
    """

    id: str
    run_id: str
    verdict: Verdict | None
    correction: str | None = None
    by: str = ""
    at: str = ""
    attempt: str | None = None
    audited: bool = False
    propensity: float | None = None

    def __post_init__(self) -> None:
        if self.verdict is not None and self.verdict not in get_args(Verdict):
            known = ", ".join(get_args(Verdict))
            raise UsageError(f"a verdict is one of {known}, not {self.verdict!r}")
        if self.verdict == "corrected" and not (self.correction or "").strip():
            raise UsageError("a corrected answer needs the right one: give `correction`")
        low = 0.0 if self.propensity is None else self.propensity
        if not 0.0 <= low <= 1.0 or (self.audited and low == 0.0):
            raise UsageError(
                f"propensity is {self.propensity}; expected a number in [0, 1], above 0 for a run "
                "that was drawn"
            )


def settled(labels: Iterable[Feedback]) -> Feedback | None:
    """What holds of a run by all that was said: the latest verdict, with the audit's draw.

    Of equal times the one that came later wins. None where nothing was said.
    """
    said = list(labels)
    if not said:
        return None
    judged = [one for one in said if one.verdict is not None] or said
    latest = judged[0]
    for one in judged[1:]:
        if _moment(one) >= _moment(latest):
            latest = one
    drawn = [one for one in said if one.audited] or [
        one for one in said if one.propensity is not None
    ]
    if not drawn:
        return latest
    return replace(latest, audited=drawn[-1].audited, propensity=drawn[-1].propensity)


def _moment(label: Feedback) -> float:
    moment = moment_of(label.at)
    return -1.0 if moment is None else moment.timestamp()


@dataclass(frozen=True, slots=True)
class KeptOutcome:
    """A row of an outcome table, with what a history looks at.

    Attributes:
        model: who drafted; the tier's name, or its number, where the row does not say.
        confidence: in [0, 1], what the outcome is counted by; None where the row has none.
        loss: in [0, 1]; None where nobody has judged it, and then it is not counted.
        row: the whole row, as it stands in a table.
    """

    query_id: str
    rung: Rung
    model: str
    confidence: float | None
    loss: float | None
    row: Mapping[str, Any] = field(default_factory=dict)


def kept_outcome(row: Mapping[str, Any], signal: str | None = None) -> KeptOutcome:
    """The row with what a history looks at.

    Args:
        signal: whose value is the confidence; the row's own `confidence` where None.

    Raises:
        UsageError: names the first field that cannot be.
    """
    query_id, tier, round_ = row.get("query_id"), row.get("tier"), row.get("round")
    if not isinstance(query_id, str) or not query_id:
        raise UsageError(f"outcome: field 'query_id': expected a text, got {query_id!r}")
    for name, value in (("tier", tier), ("round", round_)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise UsageError(f"outcome: field '{name}': expected a number from 0, got {value!r}")
    assert isinstance(tier, int) and isinstance(round_, int)
    signals = row.get("signals") or {}
    confidence = row.get("confidence") if signal is None else signals.get(signal)
    model = row.get("model") or row.get("tier_name") or f"tier {tier}"
    return KeptOutcome(
        query_id,
        Rung(tier, round_, bool(row.get("retrieved"))),
        str(model),
        _share("confidence", confidence),
        _share("loss", row.get("loss")),
        dict(row),
    )


def _share(name: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise UsageError(f"outcome: field '{name}': expected a number in [0, 1], got {value!r}")
    return float(value)


@dataclass(frozen=True, slots=True)
class BinCount:
    """How many outcomes, and how many of them were right (a loss below one half)."""

    n: int = 0
    ok: int = 0


@dataclass(frozen=True, slots=True)
class JudgedOutcome:
    """One outcome that was counted, without its texts."""

    query_id: str
    confidence: float | None
    loss: float


@dataclass(frozen=True, slots=True)
class Correctness:
    """How often a model was right on a rung, by the confidence that it was said with.

    Attributes:
        bins: `BINS` counts, from [0, .1) to [.9, 1].
        unsure: of outcomes without a confidence.
        recent: the latest outcomes, newest first.
    """

    model: str
    rung: Rung
    bins: tuple[BinCount, ...]
    unsure: BinCount = BinCount()
    recent: tuple[JudgedOutcome, ...] = ()


def bin_of(confidence: float | None) -> int:
    """Which bin a confidence is counted in; -1 for none."""
    return -1 if confidence is None else min(BINS - 1, int(confidence * BINS))


class FeedbackLog(Protocol):
    """Keeps what was said of runs, as long as the runs."""

    async def label(self, tenant: str, feedback: Feedback) -> bool:
        """Keep a label; False where its id is known, and nothing changes."""
        ...

    async def labels(self, tenant: str, run_id: str) -> Sequence[Feedback]:
        """What was said of a run, in the order in which it came."""
        ...


class OutcomeLog(Protocol):
    """Keeps rows of outcome tables; one whose query is a run is kept as long as the run."""

    async def keep_outcomes(self, tenant: str, outcomes: Sequence[KeptOutcome]) -> None:
        """Keep or replace rows, by query and rung."""
        ...

    async def outcomes_of(self, tenant: str, query_id: str) -> Sequence[KeptOutcome]:
        """The rows of a query."""
        ...

    async def page_of_outcomes(
        self, tenant: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[KeptOutcome]:
        """All rows of some `limit` queries, the one written to longest ago first.

        A query that is written to meanwhile may come again.
        """
        ...


class CorrectnessLog(Protocol):
    """Counts how often each model was right."""

    async def correctness(self, tenant: str, recent: int = 0) -> Sequence[Correctness]:
        """By model and rung, in that order, over the outcomes that are kept."""
        ...
