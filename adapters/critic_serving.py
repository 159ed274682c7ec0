"""One critic for many callers: concurrent judgments share a batch, off every event loop.

A thread of its own waits for states. When the first one comes, it waits a little for others, and
has the critic judge them together; while the critic is busy, the next batch gathers. Nothing of
that is bound to an event loop, so callers of several loops and threads share it too.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from ..router.critic.critics import Critic
from ..router.critic.states import CriticState
from ..router.errors import (
    ConfigurationError,
    DeadlineExceeded,
    RunError,
    UpstreamMalformed,
    UpstreamUnavailable,
)
from ..router.evidence import CriticVerdict

__all__ = ["BatchingCritic", "verdict_problem"]

_IDLE_S = 30.0  # after which the thread ends; the next state starts another
_CLOSING_S = 1.0  # that closing waits for a judgment under way, which nobody waits for anymore


@dataclass(eq=False, slots=True)
class _Waiting:
    """A state and whoever waits for its verdict."""

    state: CriticState
    arrived: float
    future: Future[CriticVerdict] = field(default_factory=Future)
    is_gone: bool = False


class BatchingCritic:
    """A `CriticService` over any `Critic`.

    Whatever goes wrong is a `RunError` for those it concerns, and never a verdict: where a batch
    fails, its states are judged one by one, so that one bad state costs its neighbors some time and
    nothing else.

    Args:
        max_batch: states judged together.
        window_s: seconds that the first state of a batch waits for others.
        timeout_s: seconds after which a caller gets `DeadlineExceeded`; a state whose caller has
            gone, for this or another reason, is not judged anymore.
        clock: seconds on any monotone scale.
    """

    def __init__(
        self,
        critic: Critic,
        *,
        max_batch: int = 16,
        window_s: float = 0.005,
        timeout_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_batch < 1 or window_s < 0.0 or timeout_s <= 0.0:
            raise ConfigurationError(
                "expected a batch of at least 1, a window from 0 and a timeout above 0, got "
                f"{max_batch}, {window_s} and {timeout_s}",
                field="critic",
            )
        self._critic = critic
        self._max_batch = max_batch
        self._window_s = window_s
        self._timeout_s = timeout_s
        self._clock = clock
        self._news = threading.Condition()  # guards all below
        self._waiting: deque[_Waiting] = deque()
        self._under_way: list[_Waiting] = []
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @property
    def version(self) -> str:
        """Of the critic behind it."""
        return self._critic.version

    async def judge(self, state: CriticState) -> CriticVerdict:
        """The verdict of one state.

        Raises:
            DeadlineExceeded: it took longer than `timeout_s`.
            UpstreamMalformed: the critic returned something that is no verdict.
            RunError: the critic failed, or was closed.
        """
        one = _Waiting(state, self._clock())
        self._enqueue(one)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.wrap_future(one.future)
        except TimeoutError as error:
            raise DeadlineExceeded(
                f"the critic gave no verdict within {self._timeout_s:g} s; it may be overloaded"
            ) from error
        finally:
            one.is_gone = True

    async def aclose(self) -> None:
        """Fail whoever waits, and end the thread; safe to call twice."""
        with self._news:
            self._is_closed = True
            left = [*self._waiting, *self._under_way]
            self._waiting.clear()
            thread = self._thread
            self._news.notify_all()
        for one in left:
            self._settle(one, _closed())
        if thread is not None:
            await asyncio.to_thread(thread.join, _CLOSING_S)

    def _enqueue(self, one: _Waiting) -> None:
        with self._news:
            if self._is_closed:
                raise _closed()
            self._waiting.append(one)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="surefoot-critic", daemon=True
                )
                self._thread.start()
            self._news.notify_all()

    def _work(self) -> None:
        while batch := self._gathered():
            try:
                self._judge_all(batch)
            finally:
                with self._news:
                    self._under_way = []
                for one in batch:  # nothing to do, unless the thread itself is ending
                    self._settle(one, UpstreamUnavailable("the critic's thread ended"))

    def _gathered(self) -> list[_Waiting]:
        """The next batch; empty where the thread is to end."""
        with self._news:
            while not (batch := self._taken()):
                enough = self._news.wait_for(self._has_work, _IDLE_S)
                if self._is_closed or not enough:
                    self._thread = None
                    return []
                rest = self._waiting[0].arrived + self._window_s - self._clock()
                if rest > 0.0:
                    self._news.wait_for(self._is_full, rest)
            self._under_way = batch
        return batch

    def _taken(self) -> list[_Waiting]:
        """What is due: a full batch, or what came while the window of the first was open."""
        if not self._waiting or not (self._is_full() or self._is_due()):
            return []
        taken = [self._waiting.popleft() for _ in range(min(self._max_batch, len(self._waiting)))]
        return [one for one in taken if not one.is_gone and not one.future.done()]

    def _has_work(self) -> bool:
        return self._is_closed or bool(self._waiting)

    def _is_full(self) -> bool:
        return self._is_closed or len(self._waiting) >= self._max_batch

    def _is_due(self) -> bool:
        return self._clock() >= self._waiting[0].arrived + self._window_s

    def _judge_all(self, batch: Sequence[_Waiting]) -> None:
        try:
            verdicts = self._verdicts(batch)
        except RunError as error:
            if len(batch) == 1:
                self._settle(batch[0], error)
                return
            for one in batch:
                if not one.is_gone:
                    self._judge_all([one])
            return
        for one, verdict in zip(batch, verdicts, strict=True):
            self._settle(one, verdict_problem(verdict, one.state) or verdict)

    def _verdicts(self, batch: Sequence[_Waiting]) -> Sequence[CriticVerdict]:
        try:
            verdicts = self._critic.judge([one.state for one in batch])
        except RunError:
            raise
        except Exception as error:
            # Whatever a critic of someone else's raises: its callers get it as one of ours.
            raise UpstreamUnavailable(
                f"{self.version} failed: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(verdicts, Sequence) or len(verdicts) != len(batch):
            count = len(verdicts) if isinstance(verdicts, Sequence) else "no"
            raise UpstreamMalformed(
                f"{self.version} returned {count} verdicts for {len(batch)} states"
            )
        return verdicts

    def _settle(self, one: _Waiting, found: CriticVerdict | RunError) -> None:
        with self._news:  # closing and the thread may both want to
            if one.future.done():
                return
            if isinstance(found, RunError):
                one.future.set_exception(found)
            else:
                one.future.set_result(found)


def verdict_problem(verdict: CriticVerdict, state: CriticState) -> RunError | None:
    """Why this is no verdict of this state; None where it is one."""
    if not isinstance(verdict, CriticVerdict):
        return UpstreamMalformed(f"the critic returned a {type(verdict).__name__} for a verdict")
    for name, p in (("p_accept", verdict.p_accept), ("p_sufficient", verdict.p_sufficient)):
        if p is None and name == "p_accept":
            continue
        if isinstance(p, bool) or not isinstance(p, int | float) or not 0.0 <= p <= 1.0:
            return UpstreamMalformed(f"the critic's {name} is {p!r}, no number in [0, 1]")
    if verdict.p_accept is not None and not state.answer.strip():
        return UpstreamMalformed("the critic accepted or refused an answer that does not exist")
    return None


def _closed() -> UpstreamUnavailable:
    return UpstreamUnavailable("the critic was closed")
