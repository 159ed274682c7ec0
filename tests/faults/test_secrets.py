"""Secrets are planted wherever one can be configured, and endpoints repeat them in all they say.

Then everything that was written is searched for them: results, errors with their tracebacks, logs
at their most talkative, databases, caches, Redis, the output of commands.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import traceback
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis

from surefoot.graphs.config import Built, build
from surefoot.graphs.places import Places, Surroundings
from surefoot.graphs.settings import parse_settings
from surefoot.router.errors import ConfigurationError, SurefootError
from surefoot.router.perform import Session
from surefoot.router.protocols import Message, ModelCall, Prompt
from surefoot.router.wire import encode_json

from ..adapters import scripted_upstream
from ..adapters.scripted_upstream import Seen, Upstream, running_upstream
from ..redis_fixture import RedisServer
from ..service.doors import PROGRAM

KEY, URL_KEY, REDIS_KEY = "sk-planted-4711", "planted-url-key-0815", "planted-redis-key-3141"
PARAMETER = "planted-parameter-2718"
BASIC = b64encode(f"user:{URL_KEY}".encode()).decode()
SECRETS = (KEY, URL_KEY, REDIS_KEY, PARAMETER, BASIC)
ECHOES = ("echo-key", "echo-body", "echo-html", "echo-broken", "echo-redirect", "echo-header", "ok")

TIER = """
[[tiers]]
name = "tier{number}"
model = "openai:{model}"
base_url = "{url}"
api_key_env = "PLANTED_KEY"
price = {{ input = 1.0, output = 2.0 }}
context = 2048
"""
REST = """
[retrieval]
enabled = false
[history]
url = "{history}"
[cache]
url = "{cache}"
[policy]
thresholds = {{ {thresholds} }}
[resilience]
attempts = 2
"""


def repeated(seen: Seen) -> str:
    """All that a careless endpoint could say of a request."""
    return f"you sent {seen.headers} to {seen.path}"


def add_echoes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoints that put the request's headers into a body, a page, broken JSON and headers."""
    http, error = scripted_upstream.http, scripted_upstream.error
    echoes = {
        "echo-body": lambda seen, _: http(500, error(repeated(seen))),
        "echo-html": lambda seen, _: http(502, f"<html>{repeated(seen)}</html>".encode()),
        "echo-broken": lambda seen, _: http(200, f'{{"choices": [{repeated(seen)}'.encode()),
        "echo-redirect": lambda seen, _: http(
            307, b"elsewhere", f"Location: /v1/{quote(repeated(seen))}"
        ),
        "echo-header": lambda seen, _: http(
            429, error("slow down"), f"Retry-After: {repeated(seen)}"
        ),
    }
    for name, behavior in echoes.items():
        monkeypatch.setitem(scripted_upstream.BEHAVIORS, name, behavior)


def configuration(upstream: Upstream, history: str, cache: str) -> str:
    """Every echo is a tier. The key is in the environment; most URLs hold one, too."""
    plain = upstream.base_url
    urls = (
        plain,
        plain.replace("http://", f"http://user:{URL_KEY}@"),
        f"{plain}?api-key={PARAMETER}&version=2",
    )
    tiers = "".join(
        TIER.format(number=number, model=model, url=urls[number % 3])
        for number, model in enumerate(ECHOES)
    )
    thresholds = ", ".join(f"tier{number} = 0.5" for number in range(len(ECHOES)))
    return tiers + REST.format(history=history, cache=cache, thresholds=thresholds)


def told(error: BaseException) -> str:
    """An error as a program would print it, causes and all, and as it would be kept."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes()


def dump_of(url: str) -> bytes:
    """Every key and value of a Redis."""
    with redis.Redis.from_url(url) as plain:
        names: Any = plain.keys("*")
        return b"".join(name + (plain.dump(name) or b"") for name in names)


def found_in(text: str | bytes) -> list[str]:
    data = text.encode(errors="replace") if isinstance(text, str) else text
    return [secret for secret in SECRETS if secret.encode() in data]


@pytest.fixture
def locked_redis(start_redis: Any) -> RedisServer:
    """A server that wants a password."""
    server = start_redis()
    assert isinstance(server, RedisServer)
    with redis.Redis.from_url(server.url) as plain:
        plain.config_set("requirepass", REDIS_KEY)
    return server


def url_of(server: RedisServer) -> str:
    return f"unix://:{REDIS_KEY}@{server.socket}?db=0"


async def talk(built: Built) -> list[str]:
    """Ask the router and each tier alone; what came of it, in every form that is kept or shown."""
    texts = []
    for number in range(3):
        result = await built.router.ask(f"Which city, {number}?", session=Session("acme", "t", "u"))
        texts += [encode_json(result), repr(result)]
        assert result.answer == "Paris."
        assert len([why for why in result.degraded if why.startswith("tier ")]) >= 3
    call = ModelCall(Prompt(messages=(Message("user", "Which town?"),)), timeout_s=5.0)
    failed = 0
    for model in built.router.performer.models:
        try:
            texts.append(repr(await model.generate(call)))
        except SurefootError as error:
            failed += 1
            texts.append(told(error))
        texts.append(repr(model))
    assert failed >= 4
    return [*texts, repr(built.tier_counts), repr(built)]


async def test_no_secret_is_written_anywhere(
    tmp_path: Path,
    locked_redis: RedisServer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_echoes(monkeypatch)
    monkeypatch.setenv("PLANTED_KEY", KEY)
    for name in ("surefoot", "asyncio", "redis", "langgraph", "httpx"):
        caplog.set_level(logging.DEBUG, name)
    places = Places(tmp_path / "cache", tmp_path / "data")
    around = Surroundings(tmp_path, places, dict(os.environ))
    with_password = url_of(locked_redis)
    texts: list[str] = []
    async with running_upstream() as upstream:
        for history in (
            "sqlite:///history.db",
            with_password,
            "redis://:" + REDIS_KEY + "@127.0.0.1:1/0",
        ):
            settings = parse_settings(configuration(upstream, history, with_password))
            built = build(settings, around)
            try:
                texts += await talk(built)
            finally:
                await built.router.aclose()
        sent = [seen.headers for seen in upstream.seen]
        targets = [seen.path for seen in upstream.seen]
    assert KEY in str(sent) and BASIC in str(sent)  # they were really used
    assert any(f"api-key={PARAMETER}&version=2" in target for target in targets)
    caught = capfd.readouterr()
    texts += [caplog.text, caught.out, caught.err]
    assert [(found_in(text), text[:300]) for text in texts if found_in(text)] == []
    assert [(name, found_in(data)) for name, data in contents(tmp_path) if found_in(data)] == []
    dump = dump_of(with_password)
    assert b"Paris" in dump
    assert found_in(dump) == []


async def test_no_command_shows_a_secret(
    tmp_path: Path, locked_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_echoes(monkeypatch)
    environment = {**os.environ, "PLANTED_KEY": KEY, "SUREFOOT_HOME": str(tmp_path / "home")}
    work = tmp_path / "work"
    work.mkdir()
    async with running_upstream() as upstream:
        with_password = url_of(locked_redis)
        text = configuration(upstream, with_password, with_password)
        (tmp_path / "secret.toml").write_text(text)
        broken = text.replace("attempts = 2", 'attempts = "many"')
        (tmp_path / "broken.toml").write_text(broken)
        for config, words in (
            ("secret.toml", ("ask", "Which city?", "--json")),
            ("secret.toml", ("ask", "Which town?")),
            ("secret.toml", ("doctor", "--json")),
            ("secret.toml", ("doctor", "--probe")),
            ("secret.toml", ("history", "export", "--out", "export.jsonl")),
            ("broken.toml", ("doctor",)),
        ):
            command = (*PROGRAM, *words, "--config", str(tmp_path / config))
            done = await in_thread(command, work, environment)
            assert found_in(done.stdout + done.stderr) == [], (words, done)
            assert done.returncode in (0, 1, 2), (words, done)
    assert [(name, found_in(data)) for name, data in contents(work) if found_in(data)] == []
    home = tmp_path / "home"
    assert [(name, found_in(data)) for name, data in contents(home) if found_in(data)] == []
    (line, *_) = (work / "export.jsonl").read_text().splitlines()
    assert json.loads(line)["kind"] == "run"


async def in_thread(
    command: tuple[str, ...], work: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[bytes]:
    """The endpoint is served by this loop, which must not stand still."""
    import asyncio

    return await asyncio.to_thread(
        subprocess.run, command, cwd=work, env=environment, capture_output=True, timeout=60
    )


@pytest.mark.parametrize(
    "text",
    [
        'base_url = "http://user:planted-url-key-0815/x@host/v1"',
        'base_url = "http://user:planted-url-key-0815@host/v1\\u0007"',
        'base_url = "ftp://user:planted-url-key-0815@host/v1"',
        'base_url = "http://user:planted-url-key-0815@[host/v1"',
        'base_url = "http://host:port/v1?api-key=planted-parameter-2718"',
        'price = "unknown"\nbase_url = ["http://user:planted-url-key-0815@host"]',
        '[history]\nurl = "redis://:planted-redis-key-3141/x@host/0"',
        '[history]\nurl = "redis://:planted-redis-key-3141@host:x/0"',
        '[history]\nurl = "mysql://:planted-redis-key-3141@host/0"',
        '[cache]\nurl = "redis://:planted-redis-key-3141/x@host/0"',
        '[cache]\nurl = "mysql://:planted-redis-key-3141@host/0"',
        '[history]\nurl = ["redis://:planted-redis-key-3141/x@host/0"]',
        '[[history]]\nurl = "redis://:planted-redis-key-3141/x@host/0"',
    ],
)
def test_a_configuration_that_is_refused_is_not_quoted(text: str, tmp_path: Path) -> None:
    tier = '[[tiers]]\nname = "only"\nmodel = "openai:m"\n'
    price = "" if "price" in text else 'price = "unknown"\n'
    where = "" if "base_url" in text else 'base_url = "http://host/v1"\n'
    around = Surroundings(tmp_path, Places(tmp_path / "cache", tmp_path / "data"), {})
    rest = "\n[policy]\nthresholds = { only = 0.5 }\n[retrieval]\nenabled = false\n"
    with pytest.raises(ConfigurationError) as caught:
        build(parse_settings(tier + price + where + text + rest), around)
    assert found_in(told(caught.value)) == []
