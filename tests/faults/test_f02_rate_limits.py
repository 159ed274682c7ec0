"""F02: a 429 is obeyed where its wait fits into the deadline, else the tier is given up at once;
garbage is an ordinary backoff; nothing sleeps past the deadline."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from surefoot.router.errors import DeadlineExceeded, UpstreamRateLimited

from ..adapters.scripted_upstream import running_upstream
from .protected import asking, endpoint


def http_date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


async def took(retry_after: str, deadline: float) -> tuple[float, int, bool]:
    """Seconds, requests, and whether there was an answer; the second request would succeed."""
    async with running_upstream() as upstream:
        upstream.script["m"] = f"in-turn:429:{retry_after.replace(',', '%2C')},ok"
        model = endpoint(upstream.base_url, "m")
        began = time.monotonic()
        try:
            await model.generate(asking(timeout_s=deadline))
            answered = True
        except UpstreamRateLimited:
            answered = False
        await model.aclose()
        return time.monotonic() - began, len(upstream.seen), answered


@pytest.mark.parametrize("retry_after", ["1", "0.5", "1.0"])
async def test_a_wait_that_fits_is_waited(retry_after: str) -> None:
    seconds, requests, answered = await took(retry_after, 5.0)
    assert answered and requests == 2
    assert float(retry_after) <= seconds < 1.1 * float(retry_after) + 0.3


async def test_a_date_that_fits_is_waited_for() -> None:
    seconds, requests, answered = await took(http_date(2.0), 5.0)
    assert answered and requests == 2
    assert 0.9 < seconds < 2.6  # dates are whole seconds


@pytest.mark.parametrize("retry_after", ["3", "1000000000", "1e9"])
async def test_a_wait_that_does_not_fit_gives_the_tier_up_at_once(retry_after: str) -> None:
    seconds, requests, answered = await took(retry_after, 2.0)
    assert not answered and requests == 1 and seconds < 0.25


async def test_a_date_beyond_the_deadline_gives_it_up_at_once() -> None:
    seconds, requests, answered = await took(http_date(3600.0), 2.0)
    assert not answered and requests == 1 and seconds < 0.25


@pytest.mark.parametrize("retry_after", ["", "soon", "-5", "nan", "inf", "1;2", http_date(-3600.0)])
async def test_garbage_is_an_ordinary_backoff(retry_after: str) -> None:
    seconds, requests, answered = await took(retry_after, 5.0)
    assert answered and requests == 2 and seconds < 0.5


async def test_it_never_sleeps_past_the_deadline() -> None:
    counts = Counter[str]()
    async with running_upstream() as upstream:
        for deadline in (0.3, 0.6, 1.05):
            model = endpoint(upstream.base_url, "429:0.25", counts)
            began = time.monotonic()
            # A sleep may end late, on a busy machine after the deadline.
            with pytest.raises((UpstreamRateLimited, DeadlineExceeded)):
                await model.generate(asking(timeout_s=deadline))
            assert time.monotonic() - began < deadline + 0.1
            await model.aclose()
    assert counts["retried"] >= 3
