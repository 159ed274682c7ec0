"""Reads one PDF in a process of its own: the document comes in on stdin, JSON goes out on stdout.

A PDF is a program of sorts: a few hundred bytes can ask for gigabytes or for hours. This process
may be killed without harm to the one that asked; see `pdf_text`, which starts it.

::

    python -m surefoot.adapters.pdf_worker '{"cpu_s": 60, "memory": N, "pages": N, "chars": N}'

Out: {"title", "pages": [[number, text], ...], "count", "broken", "cut"} or {"problem"}.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pypdf import PdfReader

__all__ = ["main"]

T = TypeVar("T")

# Between pages the bound of time is looked at here; within one the system ends the process.
_GRACE = 1.2


def main() -> None:
    """Reads the bounds from the command line and a PDF from stdin, and prints what was found."""
    bounds = json.loads(sys.argv[1])
    _limit(bounds)
    data = sys.stdin.buffer.read()
    try:
        found = _tried(lambda: _read(data, bounds))
    except MemoryError:
        found = {"problem": f"reading it takes more than {bounds['memory'] >> 20} MB of memory"}
    if isinstance(found, Exception):
        found = {"problem": f"it is damaged ({type(found).__name__}: {str(found)[:120]})"}
    # ASCII only: whatever the locale is, and lone surrogates included.
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()


def _tried(work: Callable[[], T]) -> T | Exception:
    """What `work` returns, or the exception: damaged files make the library raise all kinds."""
    try:
        return work()
    except MemoryError:
        raise
    except Exception as error:
        # As said above; and what is not damaged is wanted, be it one page of many.
        return error


def _limit(bounds: Mapping[str, Any]) -> None:
    """Bounds that the system watches over, where it can."""
    if sys.platform == "win32":
        return
    import resource

    seconds = 1 + int(_GRACE * bounds["cpu_s"])
    for kind, most in ((resource.RLIMIT_AS, bounds["memory"]), (resource.RLIMIT_CPU, seconds)):
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(kind, (most, hard))
        except (ValueError, OSError):
            continue  # macOS knows no limit of memory; the clock still runs


def _read(data: bytes, bounds: Mapping[str, Any]) -> dict[str, Any]:
    import pypdf

    reader = pypdf.PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not _opens(reader):
        return {"problem": "it is encrypted; save it without a password"}
    count = len(reader.pages)
    pages, broken, cut, chars = list[tuple[int, str]](), 0, "", 0
    for number, text in _pages(reader, min(count, bounds["pages"])):
        broken += text is None
        pages.append((number, text or ""))
        chars += len(text or "")
        if chars > bounds["chars"]:
            cut = f"it holds more than {bounds['chars']:,} characters"
        elif time.process_time() > bounds["cpu_s"]:
            cut = f"reading it takes more than {bounds['cpu_s']:g} s of computing"
        if cut:
            break
    if not cut and count > bounds["pages"]:
        cut = f"it has more than {bounds['pages']:,} pages"
    return {"title": _title(reader), "pages": pages, "count": count, "broken": broken, "cut": cut}


def _opens(reader: PdfReader) -> bool:
    """Whether anybody may read it: many files are encrypted with the empty password."""
    from pypdf.errors import DependencyError

    try:
        return bool(reader.decrypt(""))
    except (DependencyError, NotImplementedError):
        return False  # a cipher that needs a library of its own


def _pages(reader: PdfReader, count: int) -> Iterator[tuple[int, str | None]]:
    """The pages from 1 on; None for one that cannot be read."""
    for place in range(count):
        text = _tried(partial(_page, reader, place))
        yield place + 1, text if isinstance(text, str) else None


def _page(reader: PdfReader, place: int) -> str:
    return reader.pages[place].extract_text()


def _title(reader: PdfReader) -> str:
    title = _tried(lambda: reader.metadata and reader.metadata.title)
    return title if isinstance(title, str) else ""


if __name__ == "__main__":
    main()
