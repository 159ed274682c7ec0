"""What logged traffic says to a monitor: requests in time order, each read once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from ..router.errors import UsageError
from .outcomes import Outcome, OutcomeTable

__all__ = ["FeedProgress", "LoggedRequest", "logged_requests", "unread"]

Ending = Literal["gated", "ungated", "abstained", "open"]
"""A gate let an answer through; an answer was served without one; none was; nobody logged it."""

_UNDATED = -1.0
_MOST_PENDING = 10_000


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request with all its attempts.

    Attributes:
        key: names it and the policy that served it; a hash.
        ts: seconds since the epoch of its last attempt; -1 where no attempt has one.
        rows: its attempts.
        drawn: whether its served answer was drawn for an audit.
        propensity: of that draw; None where it was not logged.
        loss: of the served answer, where it was drawn and the label has come.
        volunteered: whether there is a label that no draw asked for. It is not used: whoever
            complains is no random sample.
    """

    key: str
    ts: float
    rows: tuple[Outcome, ...]
    ending: Ending
    drawn: bool = False
    propensity: float | None = None
    loss: float | None = None
    volunteered: bool = False

    @property
    def is_pending(self) -> bool:
        """Whether a label is still to come."""
        return self.drawn and self.loss is None


@dataclass(frozen=True, slots=True)
class FeedProgress:
    """How far the log has been read: enough to read no label twice, and small.

    A high-water mark in time, the requests right at it (clocks tick too slowly to tell them
    apart), and those before it whose label had not come: only these are looked at again. What
    turns up later with an earlier time is skipped, so a log that several replicas write is to be
    merged before it is fed. Undated requests all share one time before any other, and are
    remembered one by one.

    Attributes:
        mark: the latest time read; None before anything was.
        at_mark: keys of the requests of that time.
        pending: requests drawn for an audit whose label has not come, by key, with their time; the
            latest 10,000.
        lost: labels given up for good because there were more.
    """

    mark: float | None = None
    at_mark: tuple[str, ...] = ()
    pending: tuple[tuple[str, float], ...] = ()
    lost: int = 0

    def overdue(self, before: float) -> int:
        """Labels outstanding for requests of before this time; undated ones are never overdue."""
        return self.lost + sum(0.0 <= ts < before for _, ts in self.pending)

    def after(self, requests: Iterable[LoggedRequest]) -> FeedProgress:
        """The progress once these, new or pending, were read in time order."""
        mark, at_mark, pending = self.mark, dict.fromkeys(self.at_mark), dict(self.pending)
        for request in requests:
            if mark is None or request.ts > mark:
                mark, at_mark = request.ts, {}
            if request.ts == mark:
                at_mark[request.key] = None
            if request.is_pending:
                pending[request.key] = request.ts
            else:
                pending.pop(request.key, None)
        waiting = tuple(pending.items())
        return FeedProgress(
            mark,
            tuple(at_mark),
            waiting[-_MOST_PENDING:],
            self.lost + max(0, len(waiting) - _MOST_PENDING),
        )


def unread(
    requests: Iterable[LoggedRequest], progress: FeedProgress
) -> tuple[list[LoggedRequest], list[LoggedRequest], int]:
    """Requests that are new, those whose outstanding label has come, and how many were skipped."""
    new, labelled, skipped = [], [], 0
    seen, pending = set(progress.at_mark), dict(progress.pending)
    for request in requests:
        is_new = progress.mark is None or request.ts > progress.mark
        if is_new or (request.ts == progress.mark and request.key not in seen):
            new.append(request)
        elif request.key in pending and not request.is_pending:
            labelled.append(request)
        else:
            skipped += 1
    return new, labelled, skipped


def logged_requests(table: OutcomeTable, policy_id: str | None = None) -> list[LoggedRequest]:
    """The requests of a log in time order, equal times in the order of their keys.

    Reads `served`, `action`, `gated`, `audited`, `propensity`, `policy_id` and `ts` of each row. A
    row was served where `served` is true, or where it is not said and `action` is `answer`; by a
    gate unless `gated` is false. `audited` without a word is true where there is a loss, and
    `propensity` then is 1: a table of labelled answers.

    Args:
        policy_id: keep only what this policy served; None keeps everything.

    Raises:
        UsageError: a field that cannot be, or a drawn answer without a propensity; names query
            and field.
    """
    found = []
    for query_id, ladder in table.queries.items():
        rows = tuple(ladder.values())
        if policy_id is not None:
            rows = tuple(row for row in rows if row.extra.get("policy_id") == policy_id)
        if rows:
            found.append(_request(query_id, rows))
    return sorted(found, key=lambda request: (request.ts, request.key))


def _request(query_id: str, rows: tuple[Outcome, ...]) -> LoggedRequest:
    policy = next((row.extra["policy_id"] for row in rows if row.extra.get("policy_id")), "")
    key = hashlib.blake2b(
        f"{policy}\n{query_id}".encode("utf-8", "surrogatepass"), digest_size=8
    ).hexdigest()
    ts = max(_Logged(row).ts for row in rows)
    served = [row for row in rows if _Logged(row).is_served]
    if len(served) > 1:
        raise UsageError(f"query {query_id!r}: {len(served)} attempts are logged as served")
    if not served:
        abstained = any(row.extra.get("action") == "abstain" for row in rows)
        return LoggedRequest(key, ts, rows, "abstained" if abstained else "open")
    (logged,) = map(_Logged, served)
    drawn, loss = logged.is_drawn, served[0].loss
    return LoggedRequest(
        key,
        ts,
        rows,
        "gated" if logged.flag("gated", True) else "ungated",
        drawn,
        logged.propensity,
        loss if drawn else None,
        loss is not None and not drawn,
    )


class _Logged:
    """The optional fields of one row, checked."""

    def __init__(self, row: Outcome) -> None:
        self._row = row
        self._extra: Mapping[str, Any] = row.extra

    def _bad(self, name: str, message: str) -> UsageError:
        return UsageError(f"query {self._row.query_id!r}: field '{name}': {message}")

    def flag(self, name: str, default: bool) -> bool:
        value = self._extra.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._bad(name, f"expected true or false, got {value!r}")
        return value

    @property
    def is_served(self) -> bool:
        return self.flag("served", self._extra.get("action") == "answer")

    @property
    def is_drawn(self) -> bool:
        return self.flag("audited", self._row.loss is not None)

    @property
    def propensity(self) -> float | None:
        value = self._extra.get("propensity")
        if value is None:
            if self._extra.get("audited"):
                raise self._bad("propensity", "is missing; log it with the audit's draw")
            return 1.0 if self.is_drawn else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise self._bad("propensity", f"expected a number in (0, 1], got {value!r}")
        if value == 0 and self.is_drawn:
            raise self._bad("propensity", "is 0, and the answer was drawn all the same")
        return float(value)

    @property
    def ts(self) -> float:
        value = self._extra.get("ts")
        if value is None:
            return _UNDATED
        if isinstance(value, str):
            try:
                moment = datetime.fromisoformat(value)
            except ValueError:
                raise self._bad("ts", f"expected seconds or ISO 8601, got {value!r}") from None
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
            raise self._bad("ts", f"expected seconds since the epoch or ISO 8601, got {value!r}")
        return float(value)
