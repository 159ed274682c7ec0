"""The way to a Redis server: one time budget around every call, and a breaker in front.

Made for callers that can do without Redis: whatever goes wrong is a StoreError within the budget,
and at once while the breaker is open. redis-py is imported when a link is made.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ..router.errors import ConfigurationError, MissingExtra, StoreError
from ..router.tenancy import current_run
from .public_url import is_public, public_address

if TYPE_CHECKING:
    from redis.asyncio import BlockingConnectionPool, Redis

__all__ = ["Breaker", "LuaScript", "RedisLink", "RedisSettings", "failure_kind"]

T = TypeVar("T")

_RUNS_AT_ONCE = 4096  # runs whose waiting is remembered; a run that was waited for is soon over
_LEAST_S = 0.005  # with less time left a call is not worth its connection


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """How long to wait for Redis, and when to stop asking.

    Attributes:
        budget_s: seconds that one call may take, whatever happens below it, and that all calls of
            one run may waste together.
        socket_timeout_s: seconds for connecting, and for one answer.
        max_connections: per event loop.
        open_after: consecutive failures that open the breaker.
        open_for_s: seconds until the open breaker lets one call through.
    """

    budget_s: float = 0.05
    socket_timeout_s: float = 0.25
    max_connections: int = 32
    open_after: int = 5
    open_for_s: float = 5.0


class Breaker:
    """Opens on consecutive failures; after a while one probe decides whether it closes.

    Every `admit` that returned True must be followed by `success` or `failure`; a probe that its
    caller gives up, by `abandon`.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, open_after: int, open_for_s: float, clock: Callable[[], float]) -> None:
        self._open_after = open_after
        self._open_for_s = open_for_s
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether calls are refused, but for a probe."""
        return self._opened_at is not None

    def admit(self) -> bool:
        """Whether a call may be made now."""
        if self._opened_at is None:
            return True
        if self._probing or self._clock() - self._opened_at < self._open_for_s:
            return False
        self._probing = True
        return True

    def success(self) -> None:
        """The call worked: close."""
        self._failures = 0
        self._opened_at = None
        self._probing = False

    def failure(self) -> None:
        """The call failed: count it, and open where it was one too many or the probe."""
        self._failures += 1
        if self._probing or (self._opened_at is None and self._failures >= self._open_after):
            self._opened_at = self._clock()
            self._probing = False

    def abandon(self) -> None:
        """The probe was given up by its caller and says nothing: let the next call be one."""
        self._probing = False


class LuaScript:
    """A script, by the hash that the server knows it by once it has run there."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._hash = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(
        self, client: Redis, keys: Sequence[str], args: Sequence[str | int | bytes] = ()
    ) -> Any:
        """What the script returns; the server is told the text where it has forgotten it."""
        from redis.exceptions import NoScriptError

        run: Any = client  # redis-py's own annotations are those of its sync client
        try:
            return await run.evalsha(self._hash, len(keys), *keys, *args)
        except NoScriptError:
            return await run.eval(self._text, len(keys), *keys, *args)


class RedisLink:
    """A client of one server for each event loop that asks, with the breaker that they share.

    Args:
        url: `redis://`, `rediss://` or `unix://`; its own query options win over `settings`.
        failures: counted by kind here: timeout, connection, open, spared (the run has waited long
            enough), read_only, out_of_memory, moved, foreign_type, response, other.
        clock: monotonic seconds.

    Raises:
        MissingExtra: redis-py is not installed.
        ConfigurationError: redis-py does not understand the URL.
    """

    def __init__(
        self,
        url: str,
        settings: RedisSettings,
        failures: Counter[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._failures = failures
        self._url = url
        self._breaker = Breaker(settings.open_after, settings.open_for_s, clock)
        self._clients: dict[asyncio.AbstractEventLoop, Redis] = {}
        self._keepers: dict[asyncio.AbstractEventLoop, AsyncGenerator[None]] = {}
        self._left_behind: set[asyncio.Task[Any]] = set()
        self._wasted: OrderedDict[str, float] = OrderedDict()
        self._closed = False
        try:
            self._address = public_address(url)
            self._pool()  # opens nothing, and tells now whether it ever can
        except ImportError as error:
            raise MissingExtra("redis", "redis") from error
        except ValueError as error:
            # Its words may quote a password: one with a slash reads like a port.
            why = f" ({error})" if is_public(url) else ""
            raise ConfigurationError(
                f"history.url: redis-py does not accept the URL{why}; expected "
                "redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix:///SOCKET?db=N, and a "
                "password with its reserved characters escaped (/ as %2F)",
                field="history.url",
            ) from None

    async def call(self, work: Callable[[Redis], Awaitable[T]], run_id: str = "") -> T:
        """What `work` makes of the client, within the budget.

        Args:
            run_id: whose call it is, where that is not the run under way.

        Raises:
            StoreError: the server failed, was too slow, or is not being asked at the moment.
        """
        if self._closed:
            raise StoreError(f"the history at {self._address} was closed")
        if not self._breaker.admit():
            self._failures["open"] += 1
            raise StoreError(
                f"{self._address} failed {self._settings.open_after} times in a row and is not "
                f"asked again for {self._settings.open_for_s:g} s"
            )
        is_probe = self._breaker.is_open
        run = run_id or current_run()
        left_s = self._settings.budget_s - self._wasted.get(run, 0.0)
        if left_s < min(_LEAST_S, self._settings.budget_s):
            if is_probe:
                self._breaker.abandon()
            self._failures["spared"] += 1
            raise StoreError(
                f"{self._address} has cost this run {self._settings.budget_s * 1000:g} ms already, "
                "and is not asked again in it"
            )
        began = time.monotonic()
        try:
            result = await self._in_time(work, left_s)
        except Exception as error:
            # The one broad except: beside its own errors redis-py lets OSError, RuntimeError and
            # AttributeError out of connections that break under it, and none may end a request.
            self._waste(run, time.monotonic() - began)
            raise self._failed(error, left_s) from error
        except BaseException:
            if is_probe:
                self._breaker.abandon()
            raise
        self._breaker.success()
        return result

    async def aclose(self) -> None:
        """Close the connections of this event loop (others close with their own). Idempotent."""
        self._closed = True
        loop = asyncio.get_running_loop()
        left_behind = [task for task in self._left_behind if task.get_loop() is loop]
        for task in left_behind:
            task.cancel()
        if left_behind:
            await asyncio.wait(left_behind, timeout=self._settings.socket_timeout_s)
        keeper = self._keepers.get(loop)
        if keeper is not None:
            await keeper.aclose()

    async def script(
        self,
        script: LuaScript,
        keys: Sequence[str],
        args: Sequence[str | int | bytes] = (),
        run_id: str = "",
    ) -> Any:
        """What a script returns; raises as `call`."""
        return await self.call(lambda client: script.run(client, keys, args), run_id)

    def _waste(self, run: str, seconds: float) -> None:
        if not run:
            return
        self._wasted[run] = self._wasted.get(run, 0.0) + seconds
        while len(self._wasted) > _RUNS_AT_ONCE:
            self._wasted.popitem(last=False)

    async def _in_time(self, work: Callable[[Redis], Awaitable[T]], budget_s: float) -> T:
        """Not by `asyncio.timeout`, which needs its cancellation to arrive: redis-py writes through
        `asyncio.wait_for`, which on Python 3.11 may swallow it, and half a second passed instead.
        """
        task = asyncio.create_task(self._work(work))
        try:
            await asyncio.wait((task,), timeout=budget_s)
            if task.done():
                return task.result()
            raise TimeoutError
        finally:
            if not task.done():
                task.cancel()
                self._left_behind.add(task)  # the loop itself holds tasks only weakly
                task.add_done_callback(self._bury)

    def _bury(self, task: asyncio.Task[Any]) -> None:
        self._left_behind.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, or asyncio would log it as never retrieved

    async def _work(self, work: Callable[[Redis], Awaitable[T]]) -> T:
        return await work(await self._client())

    def _failed(self, error: Exception, budget_s: float) -> StoreError:
        kind = failure_kind(error)
        self._failures[kind] += 1
        if kind == "foreign_type":
            self._breaker.success()  # the server is well; one key is not ours
        else:
            self._breaker.failure()
        what = f"no answer within {budget_s * 1000:.3g} ms"
        return StoreError(f"{self._address}: {what if kind == 'timeout' else error}")

    async def _client(self) -> Redis:
        from redis.asyncio import Redis

        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            client = self._clients[loop] = Redis.from_pool(self._pool())
            keeper = self._keepers[loop] = self._keep(loop, client)
            await anext(keeper)
        return client

    async def _keep(self, loop: asyncio.AbstractEventLoop, client: Redis) -> AsyncGenerator[None]:
        """Close the client when its loop ends.

        asyncio closes the generators that a loop has started before it closes the loop itself; a
        program that calls `asyncio.run` once per question would else leave open sockets behind.
        """
        try:
            yield
        finally:
            del self._clients[loop], self._keepers[loop]
            await client.aclose()

    def _pool(self) -> BlockingConnectionPool:
        from redis.asyncio import BlockingConnectionPool
        from redis.asyncio.retry import Retry
        from redis.backoff import ExponentialWithJitterBackoff

        settings = self._settings
        return BlockingConnectionPool.from_url(
            self._url,
            max_connections=settings.max_connections,
            timeout=settings.budget_s,
            socket_timeout=settings.socket_timeout_s,
            socket_connect_timeout=settings.socket_timeout_s,
            retry=Retry(ExponentialWithJitterBackoff(cap=0.1, base=0.01), 1),
        )


def failure_kind(error: Exception) -> str:
    """One word for what went wrong, for counters."""
    from redis import exceptions

    kinds: tuple[tuple[str, tuple[type[Exception], ...]], ...] = (
        ("timeout", (TimeoutError, exceptions.TimeoutError)),
        ("connection", (exceptions.ConnectionError, OSError)),
        ("read_only", (exceptions.ReadOnlyError,)),
        ("out_of_memory", (exceptions.OutOfMemoryError,)),
        ("moved", (exceptions.AskError, exceptions.ClusterDownError)),
    )
    for kind, classes in kinds:
        if isinstance(error, classes):
            return kind
    if isinstance(error, exceptions.ResponseError):
        return "foreign_type" if "WRONGTYPE" in str(error) else "response"
    return "other"
