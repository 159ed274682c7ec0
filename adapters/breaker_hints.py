"""What replicas tell each other of tiers that fail: hints, which never close a tier by themselves.

Nobody waits for it: one loop beside the requests looks which breakers have opened, tells the
others, and hears what they have told. A hint makes the next call of that tier a probe; what the
probe finds is what counts. While Redis is down each replica finds out by itself, as ever.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..router.errors import StoreError
from .redis_link import RedisLink, RedisSettings
from .tier_breaker import TierBreaker

__all__ = ["HintBoard", "HintExchange", "RedisHintBoard", "Watched", "hint_name"]

_EVERY_S = 0.5
_LEAST_S = 1.0  # what is told is to be heard at least once
_MOST_BYTES = 200


class HintBoard(Protocol):
    """Where hints hang for a while. Raises a StoreError where it cannot be reached."""

    async def tell(self, name: str, token: str, ttl_s: float) -> None:
        """Hang up that a breaker has opened.

        Args:
            token: of this one opening.
        """
        ...

    async def heard(self, names: Sequence[str]) -> Mapping[str, str]:
        """The tokens that hang there."""
        ...


@dataclass(frozen=True, slots=True)
class Watched:
    """A breaker, and what is counted of its tier: `hinted`, for hints that were followed."""

    breaker: TierBreaker
    counts: Counter[str]


def hint_name(model: str, base_url: str | None) -> str:
    """What replicas call an endpoint. A hash, since a URL may hold a password."""
    return hashlib.sha256(f"{model}\n{base_url}".encode()).hexdigest()[:32]


class HintExchange:
    """Tells of this process's breakers and follows what others tell, each opening once.

    Attributes:
        counts: `told`, `followed`, and `unshared` for rounds in which the board failed.

    Args:
        breakers: those of now, by `hint_name`; another deployment has others.
        me: this process, unlike any other.
        sleep: between rounds.
    """

    def __init__(
        self,
        board: HintBoard,
        breakers: Callable[[], Mapping[str, Watched]],
        me: str,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._board = board
        self._breakers = breakers
        self._me = me
        self._sleep = sleep
        self._told: dict[str, tuple[TierBreaker, int]] = {}
        self._heard: dict[str, str] = {}

    async def run(self) -> None:
        """One round after the other, until it is cancelled."""
        while True:
            try:
                await self.round()
            except StoreError:
                self.counts["unshared"] += 1
            await self._sleep(_EVERY_S)

    async def round(self) -> None:
        """Tell what is new, and hear.

        Raises:
            StoreError: the board failed; the next round tells and hears what this one could not.
        """
        watched = self._breakers()
        for name, one in watched.items():
            breaker, openings = self._told.get(name, (one.breaker, 0))
            known = openings if breaker is one.breaker else 0
            if one.breaker.openings > known:
                token = f"{self._me}:{one.breaker.openings}"
                await self._board.tell(name, token, max(one.breaker.retry_in_s, _LEAST_S))
                self.counts["told"] += 1
            self._told[name] = (one.breaker, one.breaker.openings)
        found = await self._board.heard(tuple(watched))
        for name, token in found.items():
            if token.startswith(f"{self._me}:") or self._heard.get(name) == token:
                continue
            self._heard[name] = token
            if watched[name].breaker.hint():
                watched[name].counts["hinted"] += 1
                self.counts["followed"] += 1


class RedisHintBoard:
    """Hints in Redis.

    Key::

        sf:b:NAME    STRING  the token of the opening; expires when its breaker probes again

    Args:
        url: as of a Redis history.
        failures: counted by kind, as `RedisLink` does.
        clock: monotonic seconds, of the link's own breaker.
    """

    def __init__(
        self,
        url: str,
        failures: Counter[str],
        *,
        settings: RedisSettings | None = None,
        prefix: str = "sf",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prefix = prefix
        self._link = RedisLink(url, settings or RedisSettings(), failures, clock)

    async def tell(self, name: str, token: str, ttl_s: float) -> None:
        """As the protocol says."""
        key, ttl_ms = f"{self._prefix}:b:{name}", max(1, round(ttl_s * 1000))
        await self._link.call(lambda client: client.set(key, token, px=ttl_ms))

    async def heard(self, names: Sequence[str]) -> Mapping[str, str]:
        """As the protocol says. What is no token of ours is not heard."""
        found: dict[str, str] = {}
        for name in names:  # not by MGET, whose keys a cluster keeps on several servers
            token = await self._token(f"{self._prefix}:b:{name}")
            if 0 < len(token) <= _MOST_BYTES:
                found[name] = token
        return found

    async def _token(self, key: str) -> str:
        value: Any = await self._link.call(lambda client: client.getrange(key, 0, _MOST_BYTES))
        return bytes(value).decode("ascii", "replace")

    async def aclose(self) -> None:
        """Close the connections that this event loop has opened. Idempotent."""
        await self._link.aclose()
