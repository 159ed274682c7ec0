"""Requests with an `Idempotency-Key`: one execution, however often they are sent.

A key is bound to its tenant and to a hash of the request. Equal requests that come meanwhile wait
for the first, and get its answer byte by byte. Within this process that holds whatever breaks;
across processes it holds as long as Redis, where it is configured, can be reached.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..adapters.idempotency import (
    Claim,
    Entry,
    IdempotencyStore,
    KeptAnswer,
    MemoryIdempotency,
    RedisIdempotency,
    Slot,
)
from ..graphs.auditing import shared_url
from ..router.drive import new_run_id
from ..router.errors import StoreError
from .http_errors import HttpError, bad_request

if TYPE_CHECKING:
    from ..graphs.settings import Settings

__all__ = ["Idempotency", "Work", "idempotency_key"]

_LOG = logging.getLogger("surefoot.service")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_POLL_S = 0.02
_LEASE_S = 10.0

Work = Callable[[str], Awaitable[KeptAnswer]]
"""Answers the request under a run id. What it raises is not kept: the next may try again."""


def idempotency_key(header: str | None) -> str | None:
    """The key that a request carries.

    Raises:
        HttpError: 400 where it is none.
    """
    if header is None:
        return None
    if not _KEY.fullmatch(header):
        raise bad_request(
            "Idempotency-Key: expected 1 to 255 printable ASCII characters without spaces",
            "Idempotency-Key",
        )
    return header


class Idempotency:
    """Executes each key once.

    Attributes:
        counts: `new`, `replayed`, `conflict`, `taken_over`, `interrupted`, and `unshared` for what
            Redis could not be told.
        failures: of Redis, by kind.

    Args:
        clock: monotonic seconds.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        lease_s: float = _LEASE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        keep_s, url = settings.serve.idempotency_s, shared_url(settings)
        self.counts: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._own = MemoryIdempotency(keep_s, clock=clock)
        self._shared: IdempotencyStore | None = None
        if url is not None:
            redis = RedisIdempotency(url, keep_s, self.failures, lease_s=lease_s)
            self._shared = _FailOpen(redis, self.counts)
        self._renew_s = lease_s / 3.0
        self._takes_over = settings.serve.interrupted == "again"

    async def once(
        self, slot: Slot, body: bytes, run_id: str, work: Work
    ) -> tuple[KeptAnswer, bool]:
        """The answer under a key, and whether it was there before.

        Args:
            body: hash of the request.
            run_id: of the run, where this request is the one that is executed.

        Raises:
            HttpError: 409 where the key belongs to another request, or to one that died with its
                process and is not to be executed again.
        """
        began = [False]

        async def shared(run_id: str) -> KeptAnswer:
            async def counted(run_id: str) -> KeptAnswer:
                began[0] = True
                self.counts["new"] += 1
                return await work(run_id)

            if self._shared is None:
                return await counted(run_id)
            return await self._in(self._shared, slot, Entry(body, run_id), counted)

        answer = await self._in(self._own, slot, Entry(body, run_id), shared)
        if not began[0]:
            self.counts["replayed"] += 1
        return answer, not began[0]

    async def aclose(self) -> None:
        """Give back what the stores hold."""
        await self._own.aclose()
        if self._shared is not None:
            await self._shared.aclose()

    async def _in(
        self, store: IdempotencyStore, slot: Slot, entry: Entry, work: Work
    ) -> KeptAnswer:
        token = new_run_id()
        while True:
            claim = await store.claim(slot, entry, token, take_over=self._takes_over)
            kept = claim.entry
            if kept.body != entry.body:
                self.counts["conflict"] += 1
                raise _conflict("this Idempotency-Key came with another request before; use a new")
            if kept.answer is not None:
                return kept.answer
            if claim.standing == "orphan":
                self.counts["interrupted"] += 1
                raise _conflict(
                    "the process that answered this Idempotency-Key died, and whether its upstream "
                    "was paid is unknown; to ask again, use a new"
                )
            if claim.standing != "known":
                break
            await asyncio.sleep(_POLL_S)
        if claim.standing == "taken_over":
            self.counts["taken_over"] += 1
        return await self._executed(store, slot, kept, token, work)

    async def _executed(
        self, store: IdempotencyStore, slot: Slot, entry: Entry, token: str, work: Work
    ) -> KeptAnswer:
        try:
            async with self._held(store, slot, token):
                answer = await work(entry.run_id)
        except BaseException:
            # Also where the client left: its call was given up, and the next one begins anew.
            await store.release(slot, token)
            raise
        done = Entry(entry.body, entry.run_id, answer)
        finishing = asyncio.ensure_future(store.finish(slot, done, token))
        try:
            finished = await asyncio.shield(finishing)
        except asyncio.CancelledError:
            # The client left just now: what was paid for is kept all the same.
            await asyncio.wait({finishing})
            raise
        return finished.answer or answer

    @asynccontextmanager
    async def _held(self, store: IdempotencyStore, slot: Slot, token: str) -> AsyncIterator[None]:
        if store is self._own:
            yield
            return
        renewing = asyncio.create_task(self._renewed(store, slot, token))
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait({renewing})

    async def _renewed(self, store: IdempotencyStore, slot: Slot, token: str) -> None:
        while True:
            await asyncio.sleep(self._renew_s)
            await store.renew(slot, token)


def _conflict(message: str) -> HttpError:
    return HttpError(409, "idempotency_conflict", message, param="Idempotency-Key")


class _FailOpen:
    """A shared store that may fail: what it cannot be told stays within this process."""

    def __init__(self, store: IdempotencyStore, counts: Counter[str]) -> None:
        self._store = store
        self._counts = counts

    async def claim(self, slot: Slot, entry: Entry, token: str, *, take_over: bool) -> Claim:
        try:
            return await self._store.claim(slot, entry, token, take_over=take_over)
        except StoreError as error:
            self._note(entry.run_id, error)
            return Claim(entry, "mine")

    async def renew(self, slot: Slot, token: str) -> None:
        with contextlib.suppress(StoreError):  # the next one may reach it
            await self._store.renew(slot, token)

    async def finish(self, slot: Slot, entry: Entry, token: str) -> Entry:
        try:
            return await self._store.finish(slot, entry, token)
        except StoreError as error:
            self._note(entry.run_id, error)
            return entry

    async def release(self, slot: Slot, token: str) -> None:
        with contextlib.suppress(StoreError):  # its lease runs out by itself
            await self._store.release(slot, token)

    async def aclose(self) -> None:
        await self._store.aclose()

    def _note(self, run_id: str, error: StoreError) -> None:
        self._counts["unshared"] += 1
        _LOG.warning("run=%s idempotency within this process alone: %s", run_id, error)
