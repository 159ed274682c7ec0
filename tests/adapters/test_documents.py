"""A folder becomes passages, and whatever cannot be read is told, never silently left out."""

import codecs
import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.document_folder import list_folder
from surefoot.adapters.documents import read_document, read_folder
from surefoot.router.errors import ConfigurationError

PARAGRAPH = "The quick brown fox jumps over the lazy dog, and then it rests for a good long while."


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def test_a_folder_is_walked_in_sorted_order(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "b.md": f"# Bees\n\n{PARAGRAPH}",
            "a/z.txt": PARAGRAPH,
            "a/B.HTML": f"<title>Page</title><p>{PARAGRAPH}",
            "c.markdown": PARAGRAPH,
            "d.htm": f"<h2>Dees</h2>{PARAGRAPH}",
        },
    )
    passages, report = read_folder(tmp_path)
    assert [passage.title for passage in passages] == ["Page", "z", "Bees", "c", "Dees"]
    assert {passage.text for passage in passages} == {PARAGRAPH}
    assert (report.files, report.passages, report.skipped) == (5, 5, ())


def test_ids_are_stable_and_unique(tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": PARAGRAPH, "b.txt": PARAGRAPH})
    first, _ = read_folder(tmp_path)
    again, _ = read_folder(tmp_path)
    assert first == again
    assert len({passage.id for passage in first}) == 2


def test_the_file_and_its_first_heading_are_searched_too(tmp_path: Path) -> None:
    write(tmp_path, {"guide/set-up.md": f"# Surefoot\n\n{PARAGRAPH}\n\n## Redis\n\n{PARAGRAPH}"})
    passages, _ = read_folder(tmp_path)
    assert passages[1].title == "Redis"
    assert {"guide", "set", "up", "Surefoot"} <= set(passages[1].context.split())


def test_what_cannot_be_read_is_reported(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "good.txt": PARAGRAPH,
            "binary.txt": b"PK\x03\x04\x00\x00" + bytes(range(256)),
            "blank.md": " \n\t\n",
            "empty.txt": b"",
            "koi8.txt": "Привет, мир. Это текст не в той кодировке.".encode("koi8-r"),
            "scripts.html": "<script>only()</script>",
        },
    )
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.txt").symlink_to(tmp_path / "loop.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    passages, report = read_folder(tmp_path)
    assert [passage.text for passage in passages] == [PARAGRAPH]
    reasons = dict(report.skipped)
    assert sorted(reasons) == [
        "binary.txt",
        "blank.md",
        "empty.txt",
        "gone.txt",
        "koi8.txt",
        "loop.txt",
        "pipe.txt",
        "scripts.html",
    ]
    assert reasons["binary.txt"] == "it is binary, not text"
    assert reasons["empty.txt"] == reasons["blank.md"] == "it is empty"
    assert "not UTF-8" in reasons["koi8.txt"]
    assert "No such file" in reasons["gone.txt"]
    assert "regular file" in reasons["pipe.txt"]
    assert reasons["scripts.html"] == "it holds no text"
    assert report.files == 1


def test_unreadable_files_and_folders_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"good.txt": PARAGRAPH, "secret.txt": PARAGRAPH, "closed/x.txt": PARAGRAPH})
    refuse(monkeypatch, "secret.txt", "closed")
    passages, report = read_folder(tmp_path)
    assert len(passages) == 1
    assert dict(report.skipped) == {
        "closed": "it cannot be read (Permission denied)",
        "secret.txt": "it cannot be read (Permission denied)",
    }


def refuse(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Makes the system refuse these names, as it would anyone but the superuser of many tests."""
    scan, read = os.scandir, Path.read_bytes

    def scandir(path: str | os.PathLike[str] = ".") -> object:
        if Path(path).name in names:
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scan(path)

    def read_bytes(path: Path) -> bytes:
        if path.name in names:
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return read(path)

    monkeypatch.setattr(os, "scandir", scandir)
    monkeypatch.setattr(Path, "read_bytes", read_bytes)


def test_names_that_are_not_utf8_are_reported(tmp_path: Path) -> None:
    write(tmp_path, {"good.txt": PARAGRAPH})
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text(PARAGRAPH)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    _, report = read_folder(tmp_path)
    assert report.skipped == (("caf?.txt", "its name is not valid UTF-8; rename it"),)


def test_huge_files_are_reported_and_not_read(tmp_path: Path) -> None:
    write(tmp_path, {"good.txt": PARAGRAPH})
    with open(tmp_path / "huge.txt", "wb") as file:
        file.truncate(33 * 2**20)
    _, report = read_folder(tmp_path)
    assert report.skipped == (("huge.txt", "it has 33 MB, more than 32; split it"),)


def test_hidden_files_are_left_out_and_other_kinds_are_counted(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "good.txt": PARAGRAPH,
            ".hidden.txt": PARAGRAPH,
            ".git/x.txt": PARAGRAPH,
            "a.docx": "x",
            "b.DOCX": "x",
            "Makefile": "x",
        },
    )
    passages, report = read_folder(tmp_path)
    assert len(passages) == 1
    assert report.ignored == ((".docx", 2), ("(no suffix)", 1))
    assert report.lines() == ("files of other kinds were not read: 2 .docx, 1 (no suffix)",)


def test_a_long_report_is_cut(tmp_path: Path) -> None:
    write(tmp_path, {"good.txt": PARAGRAPH, **{f"e{number}.txt": b"" for number in range(9)}})
    _, report = read_folder(tmp_path)
    assert len(report.lines(most=3)) == 4
    assert report.lines(most=3)[-1] == "6 more files were skipped or read with loss"


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-32-le", codecs.BOM_UTF32_LE),
        ("utf-32-be", codecs.BOM_UTF32_BE),
    ],
)
def test_byte_order_marks_are_understood(encoding: str, mark: bytes) -> None:
    read = read_document("a.md", mark + f"# Größe\n\nnaïve {PARAGRAPH}".encode(encoding))
    assert [(passage.title, passage.text) for passage in read.passages] == [
        ("Größe", f"naïve {PARAGRAPH}")
    ]
    assert read.remark is None


def test_undecodable_bytes_are_replaced_and_noted() -> None:
    read = read_document("a.txt", b"caf\xe9 " + PARAGRAPH.encode())
    assert read.passages[0].text.startswith("caf\ufffd The quick")
    assert read.remark == "undecodable bytes were replaced, 1 in all; is it UTF-8?"


def test_a_replacement_character_of_the_author_is_no_loss() -> None:
    assert read_document("a.txt", f"\ufffd {PARAGRAPH}".encode()).remark is None


def test_control_characters_are_dropped() -> None:
    read = read_document("a.txt", b"a\x07b\x1bc" + b" " * 9000 + b"\x00d")
    assert read.passages[0].text.split() == ["abc", "d"]


@given(st.binary(), st.sampled_from(["a.txt", "a.md", "a.html"]))
def test_nothing_that_a_file_holds_raises(data: bytes, name: str) -> None:
    read = read_document(name, data)
    assert bool(read.passages) or bool(read.remark)
    for passage in read.passages:
        assert passage.text.strip()
        assert "\0" not in passage.text + passage.title


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist") as caught:
        read_folder(tmp_path / "nowhere")
    assert caught.value.field == "retrieval.docs"


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(PARAGRAPH)
    with pytest.raises(ConfigurationError, match="is a file, not a folder") as caught:
        list_folder(path)
    assert caught.value.field == "retrieval.docs"


@pytest.mark.parametrize("name", ["a\0b", "x" * 5_000])
def test_an_impossible_name_for_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        list_folder(tmp_path / name)


def test_a_folder_that_may_not_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    refuse(monkeypatch, "closed")
    with pytest.raises(ConfigurationError, match="Permission denied") as caught:
        list_folder(tmp_path / "closed")
    assert caught.value.field == "retrieval.docs"


def test_a_folder_without_a_readable_document_says_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="it is empty"):
        read_folder(tmp_path)
    write(tmp_path, {"a.docx": "x", "b.txt": b""})
    with pytest.raises(ConfigurationError, match=r"b\.txt was skipped.*1 \.docx") as caught:
        read_folder(tmp_path)
    assert caught.value.field == "retrieval.docs"


def test_a_socket_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"good.txt": PARAGRAPH})
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("sock.txt")
        _, report = read_folder(tmp_path)
    assert report.skipped == (("sock.txt", "it is not a regular file"),)
