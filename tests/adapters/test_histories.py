"""From URL to history: the right class, and errors that help."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from surefoot.adapters.histories import Retention, open_history
from surefoot.adapters.history_format import key_part
from surefoot.adapters.history_memory import MemoryHistory
from surefoot.adapters.history_redis import RedisHistory
from surefoot.adapters.history_sqlite import SqliteHistory
from surefoot.router.errors import ConfigurationError, MissingExtra

from ..contract.history_suite import NASTY, ask, make_run, questions


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory:", MemoryHistory),
        ("memory://", MemoryHistory),
        ("sqlite:///surefoot.db", SqliteHistory),
        ("redis://localhost:6379/0", RedisHistory),
        ("redis://user:secret@localhost/1", RedisHistory),
        ("rediss://localhost", RedisHistory),
        ("unix:///run/redis.sock?db=2", RedisHistory),
    ],
)
def test_the_scheme_chooses_the_class(url: str, kind: type[object]) -> None:
    assert type(open_history(url)) is kind


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("rediz://:secret@h/0", "did you mean 'redis:'?"),
        ("SQLITE:///f", "did you mean 'sqlite:'?"),
        ("memry:", "did you mean 'memory:'?"),
        ("postgres://u:secret@h/db", "use one of memory:, sqlite:"),
        ("surefoot.db", "sqlite:///FILE"),
        ("", "starts with one of memory:"),
        ("sqlite://surefoot.db", "write sqlite:///surefoot.db"),
        ("sqlite:///", "write sqlite:///surefoot.db"),
        ("sqlite:///:memory:", "write memory:"),
        ("memory:here", "write memory:"),
        ("redis://localhost:port", "redis://HOST:PORT/DB"),
        ("redis://localhost?socket_timeout=soon", "socket_timeout"),
        ("redis://[::1", "redis://HOST:PORT/DB"),
    ],
)
def test_a_wrong_url_names_field_and_remedy(url: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_history(url)
    assert caught.value.field == "history.url"
    assert hint in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_retention_reaches_the_store_and_the_path_is_as_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folders" / "f.db"
    store = open_history(f"sqlite:///{path}", Retention(max_turns=1))
    assert not path.parent.exists()
    await store.record(make_run("r1", "q1"))
    await store.record(make_run("r2", "q2"))
    assert path.is_file()
    assert await questions(store, ask()) == ["q2"]
    await store.aclose()


@pytest.mark.parametrize("value", [0, -1, float("nan")])
@pytest.mark.parametrize("name", ["ttl_s", "max_turns", "max_evidence"])
def test_retention_refuses_what_keeps_nothing(name: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match="greater than 0") as caught:
        Retention(**{name: value})  # type: ignore[arg-type]  # the field is a parameter
    assert caught.value.field == f"history.{name}"


def test_without_redis_py_the_install_line_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("redis", "redis.asyncio"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match="pip install") as caught:
        open_history("redis://localhost")
    assert isinstance(caught.value.__cause__, ImportError)


def test_no_two_ids_share_a_key_part() -> None:
    parts = {key_part(text) for text in NASTY}
    assert len(parts) == len(set(NASTY))
    assert not any(set(part) & set(":{}*?[]/ \n") or not part for part in parts)
