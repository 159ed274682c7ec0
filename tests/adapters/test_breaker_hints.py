"""What replicas make of each other's hints, on fake time and a board in memory."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest

from surefoot.adapters.breaker_hints import HintExchange, Watched, hint_name
from surefoot.adapters.tier_breaker import BreakerSettings, TierBreaker
from surefoot.router.errors import StoreError

from .fake_time import FakeTime


class Board:
    """Tokens with their time to live."""

    def __init__(self, time: FakeTime) -> None:
        self.time = time
        self.is_down = False
        self.hung: dict[str, tuple[str, float]] = {}

    async def tell(self, name: str, token: str, ttl_s: float) -> None:
        self._check()
        self.hung[name] = (token, self.time.now + ttl_s)

    async def heard(self, names: Sequence[str]) -> Mapping[str, str]:
        self._check()
        now = self.time.now
        return {
            name: self.hung[name][0]
            for name in names
            if name in self.hung and now < self.hung[name][1]
        }

    def _check(self) -> None:
        if self.is_down:
            raise StoreError("down")


class Replica:
    """One process with one tier."""

    def __init__(self, me: str, board: Board) -> None:
        self.board = board
        self.counts: Counter[str] = Counter()
        self.breaker = self.new_breaker()
        self.exchange = HintExchange(
            board,
            lambda: {"small": Watched(self.breaker, self.counts)},
            me,
            sleep=board.time.sleep,
        )

    def new_breaker(self) -> TierBreaker:
        return TierBreaker(BreakerSettings(jitter=0.0), self.board.time.clock, random.Random(1))

    def fail(self, times: int = 10) -> None:
        for _ in range(times):
            permit = self.breaker.admit()
            assert permit is not None
            self.breaker.failure(permit)

    def succeed(self) -> None:
        permit = self.breaker.admit()
        assert permit is not None
        self.breaker.success(permit)


def state(replica: Replica) -> str:
    return replica.breaker.state


@pytest.fixture
def pair() -> tuple[Replica, Replica]:
    board = Board(FakeTime())
    return Replica("one", board), Replica("other", board)


async def test_one_opening_is_followed_once_and_never_by_its_own(
    pair: tuple[Replica, Replica],
) -> None:
    one, other = pair
    one.fail()
    for replica in (one, other):
        await replica.exchange.round()
    assert state(one) == "open" and not one.counts
    assert state(other) == "half_open" and other.counts == {"hinted": 1}
    other.succeed()
    for replica in (one, other, one, other):
        await replica.exchange.round()
    assert state(other) == "closed", "the same opening is not followed again"


async def test_the_next_opening_is_told_too(pair: tuple[Replica, Replica]) -> None:
    one, other = pair
    one.fail()
    await one.exchange.round()
    await other.exchange.round()
    other.succeed()
    one.board.time.now += 6.0
    one.fail(1)  # its probe
    await one.exchange.round()
    await other.exchange.round()
    assert other.counts == {"hinted": 2}
    assert one.exchange.counts == {"told": 2}


async def test_a_hint_is_gone_once_its_breaker_probes_again(pair: tuple[Replica, Replica]) -> None:
    one, other = pair
    one.fail()
    await one.exchange.round()
    one.board.time.now += 5.0
    await other.exchange.round()
    assert other.breaker.state == "closed"


async def test_what_could_not_be_told_is_told_later(pair: tuple[Replica, Replica]) -> None:
    one, other = pair
    one.fail()
    one.board.is_down = True
    for replica in (one, other):
        with pytest.raises(StoreError):
            await replica.exchange.round()
    one.board.is_down = False
    await one.exchange.round()
    await other.exchange.round()
    assert other.counts == {"hinted": 1}


async def test_the_loop_goes_on_while_the_board_is_down(pair: tuple[Replica, Replica]) -> None:
    class Enough(Exception):
        pass

    one, _ = pair
    one.board.is_down = True
    rounds = 0

    async def sleep(seconds: float) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            raise Enough

    exchange = HintExchange(one.board, dict, "one", sleep=sleep)
    with pytest.raises(Enough):
        await exchange.run()
    assert exchange.counts == {"unshared": 3}


async def test_a_new_deployment_begins_anew(pair: tuple[Replica, Replica]) -> None:
    one, _ = pair
    one.fail()
    await one.exchange.round()
    one.breaker = one.new_breaker()
    await one.exchange.round()
    one.fail()
    await one.exchange.round()
    assert one.exchange.counts == {"told": 2}


def test_a_name_shows_no_password_and_differs_by_endpoint() -> None:
    name = hint_name("openai:m", "http://u:secret@h/v1")
    assert "secret" not in name
    assert name != hint_name("openai:m", "http://u:secret@other/v1")
    assert name != hint_name("openai:n", "http://u:secret@h/v1")
