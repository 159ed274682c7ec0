"""What the endpoints share: the deployment, who may come in, and how much room there is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from ..adapters.rate_limit_redis import RedisRateLimit
from ..adapters.telemetry_otel import RunTraces, TracedTier, otlp_provider
from ..graphs.auditing import shared_url
from ..policies.shadow import Shadow
from ..router.decisions import Result
from ..router.errors import StoreError
from ..router.feedback import Feedback
from ..router.perform import utc_now
from .http_auth import Caller, KeyRing, check_exposure, rate_used_up
from .http_deployment import Deployment
from .http_errors import HttpError, bad_request, overloaded
from .http_idempotency import Idempotency
from .http_limits import Admission
from .http_marks import Mark, mark_of
from .http_metrics import Metrics
from .http_monitor import MonitorFeed
from .http_request_ids import RequestIds
from .http_spending import Spending
from .http_worker_metrics import WorkerNumbers

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from ..adapters.histories import HistoryStore
    from ..graphs.config import Built

__all__ = ["Gateway", "read_body", "unless_left"]

T = TypeVar("T")

_LOG = logging.getLogger("surefoot.service")
_NOTES_S = 2.0
"""Seconds for what is still to be noted when the service ends."""


class Gateway:
    """One running service.

    Attributes:
        is_draining: it is about to end, and takes no further work.
        deployment: what new requests begin on.
        shadow: a candidate that is tried beside the profile that decides; None where none is.

    Args:
        clock: monotonic seconds.
        now: seconds since the epoch.

    Raises:
        ConfigurationError: it would be open to everybody beyond this machine.
    """

    def __init__(
        self,
        built: Built,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.settings = built.settings.serve
        check_exposure(self.settings)
        self.deployment = Deployment(built)
        self.clock = clock
        self.now = now
        self.is_draining = False
        self.keys = KeyRing(self.settings.keys, clock)
        self.admission = Admission(self.settings.max_in_flight, self.settings.max_waiting)
        self.idempotency = Idempotency(built.settings, clock=clock)
        self.metrics = Metrics(built, self.idempotency.counts)
        self.worker_numbers: WorkerNumbers | None = None
        self.request_ids = RequestIds()
        url = shared_url(built.settings)
        self._rates = None if url is None else RedisRateLimit(url, Counter(), clock=clock)
        self.spending = Spending(url, self._unshared_spend, self._shed_spend, clock=clock, now=now)
        self.monitor = self._monitor_of(built)
        self.shadow: Shadow | None = None
        self._watching: asyncio.Task[None] | None = None
        self._beside: list[Callable[[], Coroutine[object, object, None]]] = []
        self._running: list[asyncio.Task[None]] = []
        self._later: set[asyncio.Task[None]] = set()
        self._traces, self._provider = _traces(built)

    @property
    def built(self) -> Built:
        """The deployment that new requests begin on."""
        return self.deployment.built

    def run_beside(self, work: Callable[[], Coroutine[object, object, None]]) -> None:
        """Have something run for as long as the service does."""
        self._beside.append(work)

    def start(self) -> None:
        """Begin what runs beside the requests."""
        self._watch()
        self._running = [asyncio.create_task(work()) for work in self._beside]

    def _watch(self) -> None:
        if self.monitor.is_on:
            self._watching = asyncio.create_task(self.monitor.run())

    def go_over_to(self, built: Built) -> None:
        """Let new requests begin on another deployment; those under way end on theirs.

        Raises:
            ConfigurationError: it would be open to everybody beyond this machine.
        """
        serve = built.settings.serve
        check_exposure(serve)
        before, self.deployment = self.deployment, Deployment(built)
        self.settings = serve
        self.keys = KeyRing(serve.keys, self.clock, before=self.keys)
        self.admission.resize(serve.max_in_flight, serve.max_waiting)
        self.metrics.follow(built)
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
        self.monitor = self._monitor_of(built)
        self._watch()
        if self.shadow is not None:
            self.shadow = Shadow(self.shadow.profile, built.names, built.router.plan.budget)
        if before.built.history is built.history:
            before.built.router.performer.leave_history_open()
        self._do_later(before.retire(serve.max_deadline_s))

    def _monitor_of(self, built: Built) -> MonitorFeed:
        tenants = [key.tenant for key in built.settings.serve.keys] or [Caller().tenant]
        return MonitorFeed(built, tenants, now=self.now)

    def _unshared_spend(self) -> None:
        self.metrics.unshared.labels("spend").inc()

    def _shed_spend(self) -> None:
        self.metrics.shed.labels("spend").inc()

    @property
    def longest_s(self) -> float:
        """Seconds after which no request that came now can be under way any more."""
        return self.settings.max_deadline_s + _NOTES_S

    def _do_later(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def aclose(self) -> None:
        """Close the deployment, and what is kept beside it, once what is to be noted is."""
        watching = [] if self._watching is None else [self._watching]
        for task in (*watching, *self._running):
            task.cancel()
            await asyncio.wait({task})
        if self._later:
            _, late = await asyncio.wait(self._later, timeout=_NOTES_S)
            for task in late:  # deployments that were still to be closed are
                task.cancel()
            if late:
                await asyncio.wait(late)
        if self._provider is not None:
            await asyncio.to_thread(self._provider.shutdown)
        await self.idempotency.aclose()
        if self._rates is not None:
            await self._rates.aclose()
        await self.spending.aclose()
        await self.deployment.aclose()

    def ended(
        self,
        tenant: str,
        request_id: str,
        result: Result,
        *,
        model: str = "",
        headers: Mapping[str, str] | None = None,
        is_main: bool = True,
    ) -> None:
        """Count a run that has ended, and note what the audit draws of it; nobody waits for it.

        Args:
            model: the name that was asked for, for traces; so are the request's headers.
            is_main: whether the main policy decided, which a candidate is tried beside.
        """
        self.metrics.note(result)
        if self._traces is not None:
            at = int(self.now() * 1e9)
            self._traces.note(result, model=model, ended_ns=at, headers=headers)
        self.request_ids.note(tenant, request_id, result.run_id)
        if self.shadow is not None and is_main:
            asyncio.get_running_loop().call_soon(self._try_beside, self.shadow, result)
        audit, history = self.built.audit, self.built.history
        if audit is None or history is None:
            return
        notes = audit.draws(result, utc_now())
        if notes:
            self._do_later(self._noted(history, tenant, notes))

    def _try_beside(self, shadow: Shadow, result: Result) -> None:
        """Count what the candidate would have done; the answer is on its way already."""
        verdict = shadow.verdict(result)
        if verdict is not None:
            action = "" if verdict.action is None else verdict.action.value
            self.metrics.shadows.labels(verdict.in_a_word, action).inc()

    async def _noted(self, history: HistoryStore, tenant: str, notes: Sequence[Feedback]) -> None:
        for note in notes:
            drawn = "yes" if note.audited else "no"
            try:
                await history.label(tenant, note)
            except StoreError as error:
                drawn = "lost"
                _LOG.warning("run=%s its audit was not noted: %s", note.run_id, error)
            self.metrics.audits.labels(drawn).inc()

    def welcome(self, request: Request, route: str) -> tuple[Caller, Mark]:
        """Whose request it is.

        Raises:
            HttpError: 401 where nobody knows.
        """
        mark = mark_of(request.scope)
        mark.route = route
        caller = self.keys.authenticate(request.headers.get("authorization"))
        mark.tenant = caller.tenant
        return caller, mark

    async def admit_reading(self, caller: Caller) -> None:
        """The same for what asks no model.

        Raises:
            HttpError: 429 where its key has used up its rate, here or over all replicas.
        """
        try:
            self.keys.admit(caller)
            rate = self.keys.rate_of(caller)
            if self._rates is not None and rate is not None:
                wait_s = await self._shared_wait(self._rates, caller, rate)
                if wait_s > 0.0:
                    raise rate_used_up(caller, wait_s)
        except HttpError:
            self.metrics.shed.labels("rate").inc()
            raise

    async def _shared_wait(self, rates: RedisRateLimit, caller: Caller, rate: float) -> float:
        """A Redis that is down leaves each process to its own limit."""
        try:
            return await rates.take(f"{caller.tenant}/{caller.name}", rate)
        except StoreError:
            self.metrics.unshared.labels("rate").inc()
            return 0.0

    async def admit(self, caller: Caller) -> None:
        """Turn a request for work away before its body is read, where there is no room for it.

        Raises:
            HttpError: 429 where its key has used up its rate, 503 where the service has no room.
        """
        if self.is_draining:
            self.metrics.shed.labels("draining").inc()
            raise overloaded("the service is about to stop; another instance takes over")
        try:
            self.admission.check()
        except HttpError:
            self.metrics.shed.labels("full").inc()
            raise
        await self.admit_reading(caller)


def _traces(built: Built) -> tuple[RunTraces | None, TracerProvider | None]:
    wanted = built.settings.telemetry
    if wanted.traces == "none":
        return None, None
    provider = otlp_provider(wanted.service)
    tiers = [TracedTier(tier.name, tier.model) for tier in built.settings.tiers]
    return RunTraces(provider.get_tracer("surefoot"), tiers, content=wanted.content), provider


async def read_body(request: Request, most: int, patience_s: float) -> bytes:
    """The whole body, which must call itself JSON: no web page can send such a one unasked.

    Raises:
        HttpError: 415 where it is something else, 413 where it is larger than `most` bytes, 408
            where it does not arrive in time.
        ClientDisconnect: the client left.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HttpError(
            415, "unsupported_media_type", "expected a body with Content-Type: application/json"
        )
    parts, size = [], 0
    try:
        async with asyncio.timeout(patience_s):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise HttpError(
                        413, "request_too_large", f"the body is larger than {most:,} bytes"
                    )
                parts.append(part)
    except TimeoutError as error:
        raise HttpError(408, "request_timeout", "the body did not arrive in time") from error
    if not size:
        raise bad_request("the body is empty")
    return b"".join(parts)


async def unless_left(receive: Receive, work: Coroutine[object, object, T]) -> T:
    """What `work` returns; it is cancelled as soon as the client leaves.

    Raises:
        ClientDisconnect: the client left.
    """
    doing = asyncio.create_task(work)
    leaving = asyncio.create_task(_left(receive))
    try:
        await asyncio.wait({doing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ClientDisconnect
        return doing.result()
    finally:
        for task in (doing, leaving):
            task.cancel()
        for task in (doing, leaving):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({task})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
