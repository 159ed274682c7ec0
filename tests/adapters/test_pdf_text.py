"""PDFs give their text page by page, and every kind of PDF that does not says why."""

import os
import sys
from importlib import metadata
from pathlib import Path

import pytest

from surefoot.adapters import pdf_text as module
from surefoot.adapters.documents import read_document, read_folder
from surefoot.adapters.pdf_text import PdfBounds, PdfText, pdf_engine, pdf_text
from surefoot.adapters.retriever_tantivy import open_documents

from ..pdf_files import encrypted, endless, pdf

pytest.importorskip("pypdf")

BEES = pdf(
    ["Bees dance to tell\nwhere the clover is.", "", "Hives are exam-\nples of houses."],
    title="On Bees",
)
PAGES = ((1, "Bees dance to tell\nwhere the clover is."), (3, "Hives are examples of houses."))


def test_pages_with_text_are_read_and_numbered() -> None:
    assert pdf_text(BEES) == PdfText("On Bees", PAGES)


@pytest.mark.parametrize(
    ("given", "title"),
    [
        (None, ""),
        ("", ""),
        ("untitled", ""),
        ("Document1", ""),
        ("Microsoft Word - report.docx", "report"),
        ("  A  spaced\ttitle ", "A spaced title"),
        ("Documents of the war", "Documents of the war"),
        ("x" * 500, "x" * 200),
    ],
)
def test_titles_that_say_nothing_are_none(given: str | None, title: str) -> None:
    found = pdf_text(pdf(["text"], title=given))
    assert isinstance(found, PdfText)
    assert found.title == title


def test_what_the_empty_password_opens_is_read() -> None:
    assert pdf_text(encrypted(BEES, "")) == PdfText("On Bees", PAGES)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encrypted(BEES, "secret"), "it is encrypted; save it without a password"),
        (pdf(["", ""]), "its 2 pages hold no text, only images perhaps; run OCR on it first"),
        (pdf([""]), "its page holds no text, only images perhaps; run OCR on it first"),
        (pdf([]), "it has no pages"),
        (BEES[:300], "it is damaged"),
        (b"%PDF-1.4\nnonsense", "it is damaged"),
        (b"", "it is empty"),
        (b"just text", "it is no PDF, whatever its name says"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, reason: str) -> None:
    found = pdf_text(data)
    assert isinstance(found, str)
    assert found.startswith(reason)


@pytest.mark.parametrize("start", range(0, len(BEES), 97))
def test_no_damage_raises(start: int) -> None:
    damaged = bytearray(BEES)
    damaged[start : start + 20] = os.urandom(len(damaged[start : start + 20]))
    assert isinstance(pdf_text(bytes(damaged)), PdfText | str)


def test_more_pages_or_text_than_the_bound_are_cut_with_a_remark() -> None:
    first = PAGES[:1]
    found = pdf_text(BEES, PdfBounds(pages=2))
    assert found == PdfText(
        "On Bees", first, "it has more than 2 pages: only 2 of 3 pages were read"
    )
    found = pdf_text(BEES, PdfBounds(chars=5))
    remark = "it holds more than 5 characters: only 1 of 3 pages were read"
    assert found == PdfText("On Bees", first, remark)


def test_time_is_bounded_between_pages() -> None:
    found = pdf_text(BEES, PdfBounds(cpu_s=0.0))
    remark = "reading it takes more than 0 s of computing: only 1 of 3 pages were read"
    assert found == PdfText("On Bees", PAGES[:1], remark)


@pytest.mark.skipif(sys.platform != "linux", reason="the system has no such limits")
def test_time_is_bounded_within_a_page() -> None:
    found = pdf_text(endless(), PdfBounds(cpu_s=0.1))
    assert isinstance(found, str)
    assert found.startswith("reading it takes more than 0.1 s of computing or")


@pytest.mark.skipif(sys.platform != "linux", reason="the system has no such limits")
def test_memory_is_bounded() -> None:
    found = pdf_text(BEES, PdfBounds(memory=24 << 20))
    assert isinstance(found, str)
    assert "24 MB of memory" in found


def test_a_reader_that_hangs_is_ended() -> None:
    assert pdf_text(endless(), PdfBounds(wall_s=0.05)) == "reading it takes more than 0.05 s"


def test_the_working_directory_cannot_get_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('this is no json')")
    (tmp_path / "pypdf.py").write_text("raise SystemExit('this is no pypdf')")
    monkeypatch.chdir(tmp_path)
    assert pdf_text(BEES) == PdfText("On Bees", PAGES)


def hide(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where pypdf is not installed."""

    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(module, "version", version)


def test_without_the_library_the_reason_is_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hide(monkeypatch)
    assert pdf_text(BEES) == "pypdf is not installed; install it with: pip install 'surefoot[pdf]'"


# --- as documents -------------------------------------------------------------------------------


def test_a_passage_lies_on_one_page_and_bears_its_number() -> None:
    read = read_document("guide/on-bees.PDF", BEES)
    assert [(passage.title, passage.text) for passage in read.passages] == [
        ("On Bees, page 1", "Bees dance to tell where the clover is."),
        ("On Bees, page 3", "Hives are examples of houses."),
    ]
    assert {"guide", "on", "bees", "On", "Bees"} <= set(read.passages[0].context.split())


def test_the_same_text_on_two_pages_has_two_ids() -> None:
    read = read_document("a.pdf", pdf(["Same words.", "Same words."]))
    assert [passage.title for passage in read.passages] == ["a, page 1", "a, page 2"]
    assert len({passage.id for passage in read.passages}) == 2


def test_a_folder_lists_skips_and_counts(tmp_path: Path) -> None:
    for name, data in {
        "good.pdf": BEES,
        "locked.pdf": encrypted(BEES, "secret"),
        "scan.pdf": pdf([""]),
        "torn.pdf": BEES[:200],
        "note.txt": b"Ants leave a trail of scent.",
    }.items():
        (tmp_path / name).write_bytes(data)
    passages, report = read_folder(tmp_path)
    assert (report.files, report.passages, len(passages)) == (2, 3, 3)
    assert [path for path, _ in report.skipped] == ["locked.pdf", "scan.pdf", "torn.pdf"]
    assert dict(report.skipped)["locked.pdf"] == "it is encrypted; save it without a password"


async def test_pdfs_are_found_and_read_again_once_the_library_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "bees.pdf").write_bytes(BEES)
    (docs / "ants.txt").write_text("Ants leave a trail of scent.")
    with monkeypatch.context() as without:
        hide(without)
        assert pdf_engine() == "no pypdf"
        retriever = open_documents(docs, tmp_path / "index")
        assert retriever.size == 1
        assert any("bees.pdf was skipped: pypdf is not" in note for note in retriever.notes)
    retriever = open_documents(docs, tmp_path / "index")
    [best] = await retriever.search("Where is the clover?", 1)
    assert best.title == "On Bees, page 1"
    assert not any("skipped" in note for note in retriever.notes)
