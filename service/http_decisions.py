"""Decisions that were made: listed, filtered, looked at, and judged by people.

Everything is read from the history and is the caller's own tenant's: an id of another one is no
id.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from ..policies.run_rows import judged_attempt, rows_of_run
from ..router.decisions import Action
from ..router.errors import StoreError, UsageError
from ..router.feedback import Feedback, Verdict, kept_outcome, settled
from ..router.histories import Page, RunFilter
from ..router.protocols import RunRecord
from .http_auth import Caller
from .http_bodies import parse_body, refusal_of
from .http_decision_documents import decision_document, label_document
from .http_errors import HttpError, bad_request, json_response, of_usage
from .http_gateway import Gateway, read_body

if TYPE_CHECKING:
    from ..adapters.histories import HistoryStore

__all__ = ["DecisionQuery", "FeedbackBody", "decision", "decisions", "feedback"]

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_LOOKED_AT = 500
"""Runs that one request looks through for what a history has no index of."""

Label = Literal["right", "wrong", "corrected", "none", "any", "due"]
"""`none`: nobody has judged it; `any`: somebody has; `due`: drawn for an audit, and not judged."""


def _no_number(value: object) -> object:
    """Dates are texts here: a number may be meant in seconds or in milliseconds."""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        raise ValueError("expected a date and time as 2026-01-31T12:00:00Z, not a number")
    return value


Date = Annotated[datetime, BeforeValidator(_no_number)]


class DecisionQuery(BaseModel):
    """What `GET /v1/decisions` may ask for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: Action | None = None
    tier: str | None = None
    label: Label | None = None
    thread: str | None = None
    user: str | None = None
    since: Date | None = None
    until: Date | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: str | None = None
    order: Literal["newest", "oldest"] = "newest"

    @property
    def where(self) -> RunFilter:
        """What the history itself can tell apart."""
        return RunFilter(self.thread, self.user, self.action, self.since, self.until)


class FeedbackBody(BaseModel):
    """What `POST /v1/feedback` takes.

    `id` is that of a run, of a completion, or of a request as this process knows it. Sent twice
    with the same `feedback_id` it counts once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: Annotated[str, Field(min_length=1, max_length=200)]
    verdict: Verdict
    correction: Annotated[str, Field(max_length=100_000)] | None = None
    by: Annotated[str, Field(max_length=200)] | None = None
    attempt: Annotated[str, Field(max_length=40)] | None = None
    feedback_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None


async def decisions(gateway: Gateway, request: Request) -> Response:
    """A page of decisions, newest first."""
    caller, _ = gateway.welcome(request, "/v1/decisions")
    await gateway.admit_reading(caller)
    asked, history = _query(request), _history(gateway)
    try:
        found, cursor = await _page(gateway, history, caller.tenant, asked)
    except StoreError as error:
        raise _unreadable(error) from error
    except UsageError as error:
        raise bad_request(str(error), "cursor") from error
    names = gateway.built.names
    items = [decision_document(run, labels, names) for run, labels in found]
    return json_response({"object": "list", "data": items, "cursor": cursor})


async def decision(gateway: Gateway, request: Request) -> Response:
    """One decision with its trail, attempts and passages."""
    caller, _ = gateway.welcome(request, "/v1/decisions/{id}")
    await gateway.admit_reading(caller)
    history = _history(gateway)
    run = await _run(gateway, history, caller, request.path_params["id"])
    labels = await _labels(history, caller.tenant, run)
    return json_response(decision_document(run, labels, gateway.built.names, whole=True))


async def feedback(gateway: Gateway, request: Request) -> Response:
    """Keep what somebody says of an answer, and count it."""
    caller, _ = gateway.welcome(request, "/v1/feedback")
    await gateway.admit_reading(caller)
    settings = gateway.settings
    data = await read_body(request, settings.max_body_bytes, settings.deadline_s)
    asked, history = parse_body(FeedbackBody, data), _history(gateway)
    run = await _run(gateway, history, caller, asked.id)
    said = _said(asked, run, caller)
    try:
        is_new = await history.label(caller.tenant, said)
        labels = await history.labels(caller.tenant, run.result.run_id)
        rows = rows_of_run(run, labels, gateway.built.names)
        judged = [kept_outcome(row) for row in rows if row["loss"] is not None]
        await history.keep_outcomes(caller.tenant, judged)
    except StoreError as error:
        raise _unreadable(error) from error
    gateway.metrics.feedback.labels(asked.verdict, "yes" if is_new else "no").inc()
    gateway.monitor.wake(caller.tenant, said.run_id)
    document = {
        "object": "surefoot.feedback",
        "id": said.id,
        "run_id": said.run_id,
        "is_new": is_new,
        "label": label_document(settled(labels)),
    }
    return json_response(document)


def _said(asked: FeedbackBody, run: RunRecord, caller: Caller) -> Feedback:
    known = {attempt.id for attempt in run.result.attempts}
    attempt = asked.attempt or judged_attempt(run.result)
    if attempt is None:
        raise bad_request("no tier wrote anything in this run: there is nothing to judge", "id")
    if attempt not in known:
        raise bad_request(f"the run has no attempt {attempt!r}; it has {sorted(known)}", "attempt")
    try:
        return Feedback(
            asked.feedback_id or uuid.uuid4().hex,
            run.result.run_id,
            asked.verdict,
            asked.correction,
            caller.name if asked.by is None else asked.by,
            datetime.now(UTC).isoformat(),
            attempt,
        )
    except UsageError as error:
        raise of_usage(error) from error


async def _page(
    gateway: Gateway, history: HistoryStore, tenant: str, asked: DecisionQuery
) -> tuple[list[tuple[RunRecord, Sequence[Feedback]]], str | None]:
    """Runs with their labels, and where to go on."""
    found: list[tuple[RunRecord, Sequence[Feedback]]] = []
    cursor, looked_at = asked.cursor, 0
    while True:
        page: Page[RunRecord] = await history.page_of_runs(
            tenant,
            asked.where,
            limit=asked.limit - len(found),
            cursor=cursor,
            oldest_first=asked.order == "oldest",
        )
        runs = [run for run in page.items if _on_tier(run, asked.tier, gateway.built.names)]
        labels = await asyncio.gather(*[_labels(history, tenant, run) for run in runs])
        pairs = zip(runs, labels, strict=True)
        found += [(run, said) for run, said in pairs if _is_labeled(said, asked.label)]
        cursor, looked_at = page.cursor, looked_at + max(1, len(page.items))
        if cursor is None or len(found) >= asked.limit or looked_at >= _LOOKED_AT:
            return found, cursor


def _on_tier(run: RunRecord, wanted: str | None, names: Sequence[str]) -> bool:
    if wanted is None:
        return True
    tier = run.result.tier
    return tier is not None and tier < len(names) and names[tier] == wanted


def _is_labeled(labels: Sequence[Feedback], wanted: Label | None) -> bool:
    said = settled(labels)
    verdict = None if said is None else said.verdict
    if wanted == "due":
        return said is not None and said.audited and verdict is None
    if wanted in ("none", "any"):
        return (verdict is None) == (wanted == "none")
    return wanted is None or verdict == wanted


def _query(request: Request) -> DecisionQuery:
    try:
        return DecisionQuery.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise refusal_of(error) from error


def _history(gateway: Gateway) -> HistoryStore:
    history = gateway.built.history
    if history is None:
        raise HttpError(404, "no_history", "nothing is remembered here: history.url is none")
    return history


async def _run(gateway: Gateway, history: HistoryStore, caller: Caller, name: str) -> RunRecord:
    run_id = gateway.request_ids.run_of(caller.tenant, name)
    try:
        run = await history.find_run(caller.tenant, run_id)
    except StoreError as error:
        raise _unreadable(error) from error
    if run is None:
        raise HttpError(
            404, "decision_not_found", f"there is no decision {name[:80]!r} here", param="id"
        )
    return run


async def _labels(history: HistoryStore, tenant: str, run: RunRecord) -> Sequence[Feedback]:
    try:
        return await history.labels(tenant, run.result.run_id)
    except StoreError as error:
        raise _unreadable(error) from error


def _unreadable(error: StoreError) -> HttpError:
    return HttpError(503, "history_unavailable", str(error), retry_after_s=1.0)
