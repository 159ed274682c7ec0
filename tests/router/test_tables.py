"""JSON Lines: what cannot be read names its place, and what cannot be written changes nothing."""

from __future__ import annotations

import errno
import gzip
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.errors import BadInput, StoreError
from surefoot.router.tables import json_line, read_lines, write_atomically, write_lines

PLAIN_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def refusal(path: Path) -> BadInput:
    with pytest.raises(BadInput) as caught:
        list(read_lines(path))
    assert caught.value.file == str(path)
    assert str(path) in str(caught.value)
    return caught.value


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


# --- reading -------------------------------------------------------------------------------------


def test_lines_are_numbered_from_one_and_blank_ones_skipped(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n\n   \r\n{"a": "\xc3\xa9"}\r\n{"a": 3}')

    assert list(read_lines(path)) == [(1, {"a": 1}), (4, {"a": "é"}), (5, {"a": 3})]


def test_gzipped_files_are_read_by_their_name(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress('{"a": "ü"}\n{"a": 2}\n'.encode()))

    assert list(read_lines(path)) == [(1, {"a": "ü"}), (2, {"a": 2})]


def test_a_byte_order_mark_at_the_beginning_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\n')

    assert list(read_lines(path)) == [(1, {"a": 1})]


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"")

    assert list(read_lines(path)) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{not json", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b"[1, 2]", "expected an object, got list"),
        (b'"text"', "expected an object, got str"),
        (b"null", "expected an object, got NoneType"),
        (b'{"a": "\xff\xfe"}', "not UTF-8"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"a": ' + b"[" * 100_000 + b"}", "not JSON"),
    ],
    ids=["text", "cut", "list", "string", "null", "latin", "long number", "deep"],
)
def test_a_bad_line_is_named(tmp_path: Path, line: bytes, words: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": 2}\n' + line + b'\n{"a": 4}\n')

    error = refusal(path)

    assert error.line == 3
    assert f"{path}:3: " in str(error)
    assert words in str(error)


@pytest.mark.parametrize(
    ("line", "constant", "field"),
    [
        ('{"a": NaN}', "NaN", "a"),
        ('{"a": {"b": [0, {"c": -Infinity}]}, "d": NaN}', "-Infinity", "a.b[1].c"),
        ('  {"a": [[1], [2, Infinity]]}', "Infinity", "a[1][1]"),
        ("NaN", "NaN", None),
        ('{"a": NaN, oops}', "NaN", None),
    ],
)
def test_a_number_that_json_does_not_have_is_named_by_its_field(
    tmp_path: Path, line: str, constant: str, field: str | None
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"a": "NaN"}}\n{line}\n')

    error = refusal(path)

    assert (error.line, error.field) == (2, field)
    assert f"got {constant}, which JSON does not have" in str(error)


@pytest.mark.parametrize("end", ["", " ", "\t\r", "\r"])
@pytest.mark.parametrize("start", ["", " ", "\t"])
def test_space_around_an_object_is_no_part_of_it(tmp_path: Path, start: str, end: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(f'{start}{{"a": 1}}{end}\n{{"a": 2}}'.encode())

    assert list(read_lines(path)) == [(1, {"a": 1}), (2, {"a": 2})]


@pytest.mark.parametrize("line", ['{"a": 1}{"a": 2}', '{"a": 1},', '{"a": 1} x', '{"a": 1}\x0b'])
def test_more_than_an_object_is_not_json(tmp_path: Path, line: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(line + "\n")

    assert "not JSON: Extra data" in str(refusal(path))


def test_a_line_that_is_not_utf8_is_named_even_far_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n' * 5000 + b'{"a": "\xe9"}\n')

    assert refusal(path).line == 5001


def test_lines_before_a_bad_one_are_given_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\nnope\n')

    lines = read_lines(path)
    assert next(lines) == (1, {"a": 1})
    with pytest.raises(BadInput):
        next(lines)


@pytest.mark.parametrize("damage", ["cut", "flipped", "no gzip"])
def test_damaged_gzip_files_are_bad_input(tmp_path: Path, damage: str) -> None:
    rows = "".join(json.dumps({"a": i, "b": i * 7919 % 1013}) + "\n" for i in range(2000))
    packed = bytearray(gzip.compress(rows.encode()))
    if damage == "cut":
        del packed[len(packed) // 2 :]
    elif damage == "flipped":
        for place in range(len(packed) // 3, len(packed) // 2):
            packed[place] ^= 0xFF
    else:
        packed = bytearray(rows.encode())
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(packed)

    refusal(path)


def test_a_missing_file_and_a_folder_are_bad_input(tmp_path: Path) -> None:
    assert "cannot be read" in str(refusal(tmp_path / "absent.jsonl"))
    assert "cannot be read" in str(refusal(tmp_path))


@given(content=st.binary(max_size=60))
def test_no_content_raises_anything_but_bad_input(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp()
    for name, data in (("fuzz.jsonl", content), ("fuzz.jsonl.gz", content)):
        path = folder / name
        path.write_bytes(data)
        try:
            rows = list(read_lines(path))
        except BadInput as error:
            assert error.file == str(path)
        else:
            assert all(isinstance(row, dict) for _, row in rows)


# --- writing -------------------------------------------------------------------------------------


@given(rows=st.lists(st.dictionaries(st.text(), PLAIN_VALUES, max_size=4), max_size=4))
def test_rows_survive_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.jsonl"

    assert write_lines(path, rows) == len(rows)
    assert [row for _, row in read_lines(path)] == rows


@pytest.mark.parametrize("text", ["\ud800", "a\\\udcff", "\u2028", "\x00", "\r\n", "\x85", "日本"])
def test_every_text_fits_on_one_line_and_comes_back(text: str) -> None:
    line = json_line({"text": text})

    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert json.loads(line.decode("utf-8")) == {"text": text}


def test_readable_texts_are_written_as_they_are() -> None:
    assert json_line({"é": "日本"}) == '{"é":"日本"}\n'.encode()


@pytest.mark.parametrize(
    ("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)], ids=oct
)
def test_permissions_follow_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "out.txt", "text")
    finally:
        assert os.umask(before) == mask

    assert stat.S_IMODE((tmp_path / "out.txt").stat().st_mode) == mode


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a" / "b" / "out.txt", b"\x00bytes")

    assert (tmp_path / "a" / "b" / "out.txt").read_bytes() == b"\x00bytes"
    assert os.listdir(tmp_path / "a" / "b") == ["out.txt"]


def test_the_old_content_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    write_atomically(path, "a long first version")
    write_atomically(path, "ä")

    assert path.read_bytes() == "ä".encode()
    assert os.listdir(tmp_path) == ["out.txt"]


def test_a_full_disk_keeps_the_old_content_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", no_space)

    with pytest.raises(StoreError, match="No space left on device; nothing was changed") as caught:
        write_atomically(path, "new")

    assert isinstance(caught.value.__cause__, OSError)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_readers_see_the_old_content_until_the_new_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    seen: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append(path.read_text()))

    write_atomically(path, "new")

    assert seen == ["old"]
    assert path.read_text() == "new"


def test_a_folder_in_the_place_of_the_file_is_a_store_error(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.mkdir()
    (path / "kept").write_text("kept")

    with pytest.raises(StoreError):
        write_atomically(path, "new")

    assert (path / "kept").read_text() == "kept"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_a_file_in_the_place_of_the_folder_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")

    with pytest.raises(StoreError):
        write_atomically(tmp_path / "file" / "out.txt", "new")

    assert (tmp_path / "file").read_text() == "kept"


def test_an_interrupt_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "out.txt", "new")

    assert os.listdir(tmp_path) == []


def test_rows_that_are_no_json_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_lines(tmp_path / "out.jsonl", [{"a": 1}, {"a": object()}])

    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_or_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    """Whoever may write to /dev would find a file there afterwards."""
    path = tmp_path / "null"
    os.mkfifo(path)

    with pytest.raises(StoreError, match=r"null was not written: it is no regular file"):
        write_atomically(path, b"rows")

    assert path.is_fifo()
    assert list(tmp_path.iterdir()) == [path]
