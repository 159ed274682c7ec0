"""The text of a PDF document, page by page, within bounds of memory and time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..router.errors import MissingExtra
from ..router.text import clean_text

__all__ = ["PDF_BOUNDS", "PdfBounds", "PdfText", "pdf_engine", "pdf_text"]

_LIBRARY = "pypdf"
_EXTRA = "pdf"
_LONGEST_TITLE = 200
# What word processors and print drivers write where nobody has given a title.
_NO_TITLE = re.compile(
    r"(?:untitled|document|presentation|microsoft (?:word|powerpoint))[\s\d.()-]*$", re.IGNORECASE
)
_PRINTED_BY = re.compile(r"^Microsoft (?:Word|PowerPoint|Excel) - ")
_FILE_NAME = re.compile(r"\.(?:docx?|pptx?|xlsx?|odt|rtf|tex|dvi|indd|qxd|pdf)$", re.IGNORECASE)
_HYPHENATED = re.compile(r"(?<=[a-z])[-\u00ad]\n(?=[a-z])")
_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class PdfBounds:
    """What reading one document may take.

    Attributes:
        cpu_s: seconds of computing after which the pages read so far have to do.
        wall_s: seconds after which the document is given up, whatever it waits for.
        memory: bytes of address space, where the system can limit it.
        pages: the first so many are read.
        chars: of text, about.
    """

    cpu_s: float = 60.0
    wall_s: float = 300.0
    memory: int = 2 << 30
    pages: int = 5_000
    chars: int = 20_000_000


PDF_BOUNDS = PdfBounds()
"""Enough for books of a thousand pages, which take about half a minute."""


@dataclass(frozen=True, slots=True)
class PdfText:
    """What could be read.

    Attributes:
        title: of the document's metadata; "" where it has none that says anything.
        pages: (number from 1, text) of the pages that hold text.
        remark: what is missing; None where nothing is.
    """

    title: str
    pages: tuple[tuple[int, str], ...]
    remark: str | None = None


def pdf_engine() -> str:
    """What reads PDFs here, with its version: another one may read something else."""
    try:
        return f"{_LIBRARY} {version(_LIBRARY)}"
    except PackageNotFoundError:
        return f"no {_LIBRARY}"


def pdf_text(data: bytes, bounds: PdfBounds = PDF_BOUNDS) -> PdfText | str:
    """The text of a PDF, or in words why there is none; whatever the bytes are, nothing is raised.

    Encrypted documents are read where the empty password opens them. A page without text (an image
    of a scanner, say) is left out.
    """
    if pdf_engine().startswith("no "):
        return f"{MissingExtra(_LIBRARY, _EXTRA)}"
    if b"%PDF-" not in data[:1024]:
        return "it is no PDF, whatever its name says" if data.strip() else "it is empty"
    found = _asked(data, bounds)
    if isinstance(found, str):
        return found
    if "problem" in found:
        return str(found["problem"])
    pages = tuple((number, text) for number, text in _texts(found["pages"]) if text)
    if not pages:
        return _why_empty(found)
    return PdfText(_title(found["title"]), pages, _remark(found))


def _asked(data: bytes, bounds: PdfBounds) -> dict[str, Any] | str:
    """The worker's answer, or how it ended without one."""
    limits = {name: getattr(bounds, name) for name in ("cpu_s", "memory", "pages", "chars")}
    # Without the working directory, where anything may be called json.py; with all that can be
    # imported here, however that came about.
    command = [sys.executable, "-P", "-m", "surefoot.adapters.pdf_worker", json.dumps(limits)]
    path = os.pathsep.join(place for place in sys.path if place)
    try:
        done = subprocess.run(
            command,
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=bounds.wall_s,
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return f"reading it takes more than {bounds.wall_s:g} s"
    except OSError as error:
        return f"it cannot be read: no process could be started for it ({error})"
    except ValueError:  # killed by a limit, or died of what it read
        return (
            f"reading it takes more than {bounds.cpu_s:g} s of computing or "
            f"{bounds.memory >> 20} MB of memory (exit code {done.returncode})"
        )
    return dict(answer)


def _texts(pages: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    for number, text in pages:
        whole = clean_text(text).replace("\r\n", "\n")
        yield number, _HYPHENATED.sub("", whole).strip()


def _why_empty(found: dict[str, Any]) -> str:
    if found["broken"]:
        return f"it is damaged: {found['broken']} of its {found['count']} pages cannot be read"
    if not found["count"]:
        return "it has no pages"
    pages = "its page holds" if found["count"] == 1 else f"its {found['count']} pages hold"
    return f"{pages} no text, only images perhaps; run OCR on it first"


def _remark(found: dict[str, Any]) -> str | None:
    remarks = list[str]()
    if found["cut"]:
        done = len(found["pages"])
        remarks.append(f"{found['cut']}: only {done} of {found['count']} pages were read")
    if found["broken"]:
        remarks.append(f"{found['broken']} of {found['count']} pages could not be read")
    return "; ".join(remarks) or None


def _title(given: str) -> str:
    title = _BLANKS.sub(" ", clean_text(given)).strip()
    title = _FILE_NAME.sub("", _PRINTED_BY.sub("", title))
    title = "".join(character for character in title if character.isprintable())
    return "" if _NO_TITLE.match(title) else title[:_LONGEST_TITLE].rstrip()
