"""The directory of an index: atomic updates, verified content, one writer at a time."""

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot.adapters.index_store import IndexedFile, IndexStore, Manifest
from surefoot.router.errors import StoreCorrupt, StoreError

FILE = IndexedFile("a.md", 3, 17, "d1", 2, remark="odd")


def published(store: IndexStore, key: str = "k", content: str = "data") -> Manifest:
    with store.new_generation() as path:
        (path / "segment").write_text(content)
        (path / "engine.lock").write_text("")
        return store.publish(Manifest(key, path.name, "f1", 2, files=(FILE,)))


@pytest.fixture
def store(tmp_path: Path) -> IndexStore:
    store = IndexStore(tmp_path / "deep" / "index")
    with store.locked():
        return store


def test_what_was_published_is_loaded(store: IndexStore) -> None:
    assert store.load("k") is None
    manifest = published(store)
    assert store.load("k") == manifest
    assert manifest.files == (FILE,)
    assert manifest.checks == {"segment": (4, 0xADF3F363)}  # CRC-32 of b"data"
    assert (store.path_of(manifest) / "segment").read_text() == "data"


def test_an_update_replaces_the_generation_and_leaves_no_other(store: IndexStore) -> None:
    first = published(store)
    with store.new_generation(first) as path:
        assert (path / "segment").read_text() == "data"
        assert not (path / "engine.lock").exists()
        (path / "more").write_text("x")
        second = store.publish(replace(first, generation=path.name))
    assert store.load("k") == second
    assert {entry.name for entry in store.directory.iterdir()} == {
        "lock",
        "manifest.json",
        second.generation,
    }


def test_a_failed_update_leaves_the_index_as_it_was(store: IndexStore) -> None:
    first = published(store)
    with pytest.raises(KeyboardInterrupt), store.new_generation(first) as path:
        (path / "half").write_text("x")
        raise KeyboardInterrupt
    assert not path.exists()
    assert store.load("k") == first


def test_another_key_is_told(store: IndexStore) -> None:
    published(store)
    with pytest.raises(StoreCorrupt, match="is of k, and this is other"):
        store.load("other")


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe", b"{", b"[1]", b'{"key": "k"}', b'{"key": "k", "files": 3}']
)
def test_a_broken_manifest_is_detected(store: IndexStore, content: bytes) -> None:
    published(store)
    (store.directory / "manifest.json").write_bytes(content)
    with pytest.raises(StoreCorrupt, match=r"manifest\.json"):
        store.load("k")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text("dat"),
        lambda path: path.write_text("date"),
        lambda path: path.write_text("data and more"),
        lambda path: path.unlink(),
        lambda path: (path.parent / "stranger").write_text("x"),
    ],
    ids=["truncated", "changed", "grown", "missing", "unknown file"],
)
def test_damaged_files_are_detected(store: IndexStore, damage: object) -> None:
    manifest = published(store)
    assert callable(damage)
    damage(store.path_of(manifest) / "segment")
    with pytest.raises(StoreCorrupt, match="is not as it was written"):
        store.load("k")


def test_fields_of_newer_versions_are_ignored(store: IndexStore) -> None:
    manifest = published(store)
    path = store.directory / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "new": 1}))
    assert store.load("k") == manifest


def test_one_at_a_time(store: IndexStore) -> None:
    inside, entered, turns = threading.Event(), threading.Event(), list[str]()

    def second() -> None:
        inside.wait()
        entered.set()
        with IndexStore(store.directory).locked():
            turns.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with store.locked():
        inside.set()
        entered.wait()
        thread.join(timeout=0.2)
        turns.append("first")
    thread.join()
    assert turns == ["first", "second"]


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can be written"), IndexStore(tmp_path / "file").locked():
        pass


def test_a_failing_disk_is_a_store_error(
    store: IndexStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = published(store)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"No space left on device.*MB free"):
        published(store, content="other")
    assert store.load("k") == first


def test_links_are_not_needed(store: IndexStore, monkeypatch: pytest.MonkeyPatch) -> None:
    first = published(store)

    def refuse(source: str, target: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with store.new_generation(first) as path:
        assert (path / "segment").read_text() == "data"
