"""Lists the documents in a folder, and says what it cannot list."""

from __future__ import annotations

import os
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..router.errors import ConfigurationError

__all__ = [
    "DOCS_FIELD",
    "HTML",
    "MARKDOWN",
    "PDF",
    "DocumentFile",
    "Folder",
    "failure",
    "list_folder",
    "require_folder",
]

DOCS_FIELD = "retrieval.docs"
"""The configuration's name for the folder."""

MARKDOWN = frozenset({".md", ".markdown"})
HTML = frozenset({".html", ".htm"})
PDF = frozenset({".pdf"})
_SUFFIXES = MARKDOWN | HTML | PDF | {".txt"}
_MAX_BYTES = 32 * 2**20
_MAX_BYTES_PDF = 128 * 2**20  # most of it images, which are not read


@dataclass(frozen=True, slots=True)
class DocumentFile:
    """A file that can be read, as the folder lists it.

    Attributes:
        path: relative to the folder, with forward slashes.
        size: bytes.
        mtime_ns: time of the last change.
    """

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder holds.

    Attributes:
        files: sorted by path.
        skipped: (path, reason) of files and folders that cannot be looked at.
        ignored: how many files of other kinds there are, by suffix, most frequent first.
    """

    files: tuple[DocumentFile, ...]
    skipped: tuple[tuple[str, str], ...]
    ignored: tuple[tuple[str, int], ...]


def list_folder(folder: Path) -> Folder:
    """Finds the documents below `folder`, without reading them.

    Hidden files and folders are left out, and so is what lies behind a link to a folder.

    Raises:
        ConfigurationError: `folder` does not exist, is no folder, or cannot be listed.
    """
    require_folder(folder)
    files, skipped, ignored = list[DocumentFile](), list[tuple[str, str]](), Counter[str]()

    def unlisted(error: OSError) -> None:
        skipped.append((_relative(folder, str(error.filename)), failure(error)))

    for directory, names, leaves in os.walk(folder, onerror=unlisted):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for leaf in leaves:
            suffix = PurePosixPath(leaf).suffix.lower()
            if leaf.startswith(".") or suffix not in _SUFFIXES:
                ignored.update([] if leaf.startswith(".") else [suffix or "(no suffix)"])
                continue
            path = _relative(folder, os.path.join(directory, leaf))
            found = _stat(folder, path)
            if isinstance(found, DocumentFile):
                files.append(found)
            else:
                skipped.append((path.encode("utf-8", "replace").decode(), found))
    files.sort(key=lambda file: file.path)
    return Folder(tuple(files), tuple(sorted(skipped)), tuple(ignored.most_common()))


def require_folder(folder: Path) -> None:
    """Raises ConfigurationError where `folder` does not exist, is no folder, or is closed to us."""
    wanted = f"{DOCS_FIELD} must name a folder of .txt, .md, .html or .pdf files"
    try:
        mode = folder.stat().st_mode
        if not stat.S_ISDIR(mode):
            raise ConfigurationError(
                f"{folder} is a file, not a folder; {wanted}", field=DOCS_FIELD
            )
        with os.scandir(folder):
            return
    except FileNotFoundError as error:
        raise ConfigurationError(f"{folder} does not exist; {wanted}", field=DOCS_FIELD) from error
    except (OSError, ValueError) as error:
        message = f"{folder} cannot be read ({error}); {wanted}"
        raise ConfigurationError(message, field=DOCS_FIELD) from error


def _relative(folder: Path, path: str) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()


def failure(error: OSError) -> str:
    """Why a file or folder is skipped, in words."""
    return f"it cannot be read ({error.strerror or error})"


def _stat(folder: Path, path: str) -> DocumentFile | str:
    """The file, or why it is skipped."""
    try:
        path.encode("utf-8")
        found = (folder / path).stat()
    except UnicodeEncodeError:
        return "its name is not valid UTF-8; rename it"
    except OSError as error:
        return failure(error)
    if not stat.S_ISREG(found.st_mode):
        return "it is not a regular file"
    most = _MAX_BYTES_PDF if PurePosixPath(path).suffix.lower() in PDF else _MAX_BYTES
    if found.st_size > most:
        return f"it has {found.st_size / 2**20:,.0f} MB, more than {most // 2**20}; split it"
    return DocumentFile(path, found.st_size, found.st_mtime_ns)
