"""A file in the making: whole or not there, and gone on with only by the work that began it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from surefoot.router.errors import StoreError, UsageError
from surefoot.service.part_file import PartFile

WORK = {"file": "e.jsonl", "estimators": {"a": 1}}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "out.jsonl"


def begun(target: Path, *lines: bytes) -> Path:
    """What a run of the same work leaves when it is killed."""
    with PartFile(target, WORK) as part:
        part.keep(0)
        for line in lines:
            part.write(line)
        return part.path


def texts(part: PartFile) -> list[object]:
    return [line for _, line in part.lines()]


def test_nobody_sees_the_file_before_it_is_whole(target: Path) -> None:
    with PartFile(target, WORK) as part:
        part.keep(0)
        part.write(b'{"id":1}\n')
        assert not target.exists()
        part.finish()
    assert target.read_bytes() == b'{"id":1}\n'
    assert list(target.parent.iterdir()) == [target]


def test_an_older_file_stays_until_the_new_one_is_whole(target: Path) -> None:
    target.parent.mkdir()
    target.write_text("old")
    begun(target, b'{"id":1}\n')
    assert target.read_text() == "old"


def test_the_same_work_goes_on_behind_the_last_whole_line(target: Path) -> None:
    begun(target, b'{"id":1}\n{"id":2}\n', b'{"id":')
    with PartFile(target, WORK) as part:
        found = list(part.lines())
        assert found == [(9, {"id": 1}), (18, {"id": 2})]
        part.keep(18)
        part.write(b'{"id":3}\n')
        part.finish()
    assert target.read_bytes() == b'{"id":1}\n{"id":2}\n{"id":3}\n'


def test_less_can_be_kept(target: Path) -> None:
    begun(target, b'{"id":1}\n{"id":2}\n')
    with PartFile(target, WORK) as part:
        part.keep(9)
        part.finish()
    assert target.read_bytes() == b'{"id":1}\n'


@pytest.mark.parametrize("other", [{**WORK, "file": "f.jsonl"}, {**WORK, "estimators": {"a": 2}}])
def test_other_work_begins_anew(target: Path, other: dict[str, object]) -> None:
    begun(target, b'{"id":1}\n')
    with PartFile(target, other) as part:
        assert texts(part) == []
        part.keep(0)
    with PartFile(target, WORK) as part:
        assert texts(part) == []


def test_lines_without_a_description_or_with_a_damaged_one_are_not_taken(target: Path) -> None:
    path = begun(target, b'{"id":1}\n')
    sidecar = path.with_name(path.name + ".json")
    for content in (b"", b"{", b"[]"):
        sidecar.write_bytes(content)
        with PartFile(target, WORK) as part:
            assert texts(part) == []
    sidecar.unlink()
    with PartFile(target, WORK) as part:
        assert texts(part) == []


def test_nothing_behind_a_damaged_line_is_taken(target: Path) -> None:
    begun(target, b'{"id":1}\n\x00\x00\n{"id":3}\n')
    with PartFile(target, WORK) as part:
        assert texts(part) == [{"id": 1}]


def test_two_at_a_time_are_one_too_many(target: Path) -> None:
    pytest.importorskip("fcntl")
    with PartFile(target, WORK) as first:
        first.keep(0)
        with pytest.raises(UsageError, match="another process"), PartFile(target, WORK):
            pass
        first.write(b"{}\n")
        first.finish()
    assert target.read_bytes() == b"{}\n"


def test_a_full_disk_is_told_and_whole_lines_stay(full_disk: Callable[[int], Path]) -> None:
    target = full_disk(16_384) / "out.jsonl"
    line = json.dumps({"id": "x" * 1000}).encode() + b"\n"
    with PartFile(target, WORK) as part:
        part.keep(0)
        with pytest.raises(StoreError, match="is kept in"):
            for _ in range(100):
                part.write(line)
    (target.parent / "ballast").unlink()
    with PartFile(target, WORK) as part:
        kept = list(part.lines())
        assert 0 < len(kept) < 20
        assert kept[-1][0] == len(line) * len(kept)


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="was not written"), PartFile(tmp_path / "file" / "o", {}):
        pass


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_or_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    target = tmp_path / "null"
    os.mkfifo(target)

    with pytest.raises(StoreError, match="it is no regular file"), PartFile(target, WORK):
        pass

    assert target.is_fifo()
    assert list(tmp_path.iterdir()) == [target]
