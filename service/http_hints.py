"""The exchange of breakers' hints beside a running service, where its processes share a Redis."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..adapters.breaker_hints import HintExchange, RedisHintBoard, Watched, hint_name
from ..graphs.auditing import shared_url
from ..router.drive import new_run_id

if TYPE_CHECKING:
    from ..graphs.config import Built

__all__ = ["exchanging_hints"]


@asynccontextmanager
async def exchanging_hints(
    built: Callable[[], Built], *, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[None]:
    """Exchange hints while the block runs; do nothing where there is nobody to share with.

    Args:
        built: the deployment of now.
        clock: monotonic seconds.
    """
    url = shared_url(built().settings)
    if url is None:
        yield
        return
    board = RedisHintBoard(url, Counter(), clock=clock)
    exchange = HintExchange(board, lambda: _watched(built()), new_run_id())
    running = asyncio.create_task(exchange.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait({running})
        await board.aclose()


def _watched(built: Built) -> Mapping[str, Watched]:
    return {
        hint_name(tier.model, tier.base_url): Watched(
            built.breakers[tier.name], built.tier_counts[tier.name]
        )
        for tier in built.settings.tiers
        if tier.name in built.breakers
    }
