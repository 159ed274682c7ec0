"""Reads one PDF in a process of its own: the document comes in on stdin, JSON goes out on stdout.

A PDF is a program of sorts: a few hundred bytes can ask for gigabytes or for hours. This process
may be killed without harm to the one that asked; see `pdf_text`, which starts it.

::

    python -m surefoot.adapters.pdf_worker '{"cpu_s": 60, "memory": ..., "pages": ..., "chars": ...}'

Out: {"title", "pages": [[number, text], ...], "count", "broken", "cut"} or {"problem"}.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pypdf import PdfReader

__all__ = ["main"]

_GRACE_S = 10.0


def main() -> None:
    """Reads the bounds from the command line and a PDF from stdin, and prints what was found."""
    bounds = json.loads(sys.argv[1])
    _limit(bounds)
    data = sys.stdin.buffer.read()
    try:
        found = _read(data, bounds)
    except MemoryError:
        found = {"problem": f"reading it takes more than {bounds['memory'] >> 20} MB of memory"}
    except Exception as error:
        # Damaged files make the library fail in every way that Python knows.
        found = {"problem": f"it is damaged ({type(error).__name__}: {str(error)[:120]})"}
    # ASCII only: whatever the locale is, and lone surrogates included.
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()


def _limit(bounds: Mapping[str, Any]) -> None:
    """Bounds that the system watches over, where it can."""
    if sys.platform == "win32":
        return
    import resource

    seconds = int(bounds["cpu_s"] + _GRACE_S)
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
            cut = f"more than {bounds['chars']:,} characters"
        elif time.process_time() > bounds["cpu_s"]:
            cut = f"more than {bounds['cpu_s']:g} s of computing"
        if cut:
            break
    if not cut and count > bounds["pages"]:
        cut = f"more than {bounds['pages']:,} pages"
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
        try:
            yield place + 1, reader.pages[place].extract_text()
        except MemoryError:
            raise
        except Exception:
            # As above, for one page: the others may be whole.
            yield place + 1, None


def _title(reader: PdfReader) -> str:
    try:
        return str((reader.metadata and reader.metadata.title) or "")
    except Exception:
        # A damaged title is none.
        return ""


if __name__ == "__main__":
    main()
