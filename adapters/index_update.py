"""Brings an index up to date with its documents, reading again only what has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .document_folder import DocumentFile, Folder, failure
from .documents import ReadReport, read_document, require_documents, summary
from .index_store import IndexedFile, IndexStore, Manifest
from .index_tantivy import PassageWriter, writing
from .passages import SourcePassage

__all__ = ["FolderScan", "Progress", "index_folder", "index_passages"]

Progress = Callable[[int, int], None]
"""Told how many files (or passages) are done, and of how many."""

# A file that changed this shortly before it was looked at may change again within the same tick
# of its clock (2 s on FAT), so that size and time alone do not prove it unchanged.
_CLOCK_TICK_NS = 2_000_000_000
# Deleted passages stay in the engine's word counts; above this share everything is written anew.
_MOST_STALE = 0.25
_UNREADABLE = ""
_BATCH = 500


@dataclass(frozen=True, slots=True)
class FolderScan:
    """A folder as it was listed at or after `at_ns`, nanoseconds since the epoch."""

    folder: Path
    listed: Folder
    at_ns: int


@dataclass(frozen=True, slots=True)
class _Changes:
    """How a folder differs from what is indexed; `kept` entries carry the present time stamps."""

    kept: tuple[IndexedFile, ...]
    changed: tuple[DocumentFile, ...]
    outdated: tuple[IndexedFile, ...]

    @property
    def stale(self) -> int:
        """Passages that have to go."""
        return sum(entry.passages for entry in self.outdated)


def index_folder(
    store: IndexStore,
    previous: Manifest | None,
    key: str,
    scan: FolderScan,
    progress: Progress | None = None,
) -> tuple[Manifest, ReadReport]:
    """The manifest of an index that agrees with the folder, and what could not be read.

    `previous` is that of the index as it lies there; None builds one from scratch.

    Raises:
        ConfigurationError: nothing in the folder can be read; the index is left as it is.
        StoreError: the index cannot be written.
    """
    changes = _compare(scan, previous)
    if previous is not None and not changes.changed and not changes.outdated:
        if changes.kept != previous.files or _has_recent(scan, previous):
            previous = store.publish(replace(previous, files=changes.kept, scanned_ns=scan.at_ns))
        return previous, _report(scan, previous.files)
    base = None if previous is None or _is_stale(previous, changes) else previous
    with store.new_generation(base) as directory:
        with writing(directory, is_new=base is None) as writer:
            files = _write(writer, scan, changes if base else None, progress)
        report = _report(scan, files)
        require_documents(scan.folder, report)
        manifest = Manifest(
            key=key,
            generation=directory.name,
            fingerprint=_digest_of(
                f"{file.path}\0{file.digest}" for file in files if file.passages
            ),
            passages=report.passages,
            stale=base.stale + changes.stale if base else 0,
            scanned_ns=scan.at_ns,
            files=files,
        )
        return store.publish(manifest), report


def index_passages(
    store: IndexStore,
    key: str,
    passages: Sequence[SourcePassage],
    progress: Progress | None = None,
) -> Manifest:
    """The manifest of a new index of these passages. Raises StoreError."""
    with store.new_generation() as directory:
        with writing(directory, is_new=True) as writer:
            for done in range(0, len(passages), _BATCH):
                _tell(progress, done, len(passages))
                writer.add(key, passages[done : done + _BATCH])
        _tell(progress, len(passages), len(passages))
        manifest = Manifest(
            key=key,
            generation=directory.name,
            fingerprint=_digest_of(passage.id for passage in passages),
            passages=len(passages),
        )
        return store.publish(manifest)


def _compare(scan: FolderScan, previous: Manifest | None) -> _Changes:
    known = {entry.path: entry for entry in previous.files} if previous else {}
    kept, changed = list[IndexedFile](), list[DocumentFile]()
    for file in scan.listed.files:
        entry = known.get(file.path)
        if entry is None or previous is None:
            changed.append(file)
        elif _looks_unchanged(entry, file, previous.scanned_ns):
            kept.append(known.pop(file.path))
        elif _file_digest(scan.folder, file) == entry.digest:
            kept.append(replace(known.pop(file.path), size=file.size, mtime_ns=file.mtime_ns))
        else:
            changed.append(file)
    return _Changes(tuple(kept), tuple(changed), tuple(known.values()))


def _looks_unchanged(entry: IndexedFile, file: DocumentFile, scanned_ns: int) -> bool:
    return (
        entry.digest != _UNREADABLE
        and (entry.size, entry.mtime_ns) == (file.size, file.mtime_ns)
        and file.mtime_ns < scanned_ns - _CLOCK_TICK_NS
    )


def _has_recent(scan: FolderScan, previous: Manifest) -> bool:
    """Whether a newer time of scanning would spare the next update from reading some files."""
    latest = max((file.mtime_ns for file in scan.listed.files), default=0)
    return previous.scanned_ns - _CLOCK_TICK_NS <= latest < scan.at_ns - _CLOCK_TICK_NS


def _is_stale(previous: Manifest, changes: _Changes) -> bool:
    stale = previous.stale + changes.stale
    return stale > _MOST_STALE * (previous.passages + previous.stale)


def _file_digest(folder: Path, file: DocumentFile) -> str:
    try:
        with open(folder / file.path, "rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return _UNREADABLE


def _write(
    writer: PassageWriter, scan: FolderScan, changes: _Changes | None, progress: Progress | None
) -> tuple[IndexedFile, ...]:
    """Writes the changes, or with None the whole folder; all files as they are indexed then."""
    todo = scan.listed.files if changes is None else changes.changed
    for entry in changes.outdated if changes else ():
        writer.remove(_source(entry.path))
    files = list(changes.kept if changes else ())
    for done, file in enumerate(todo):
        _tell(progress, done, len(todo))
        files.append(_write_file(writer, scan.folder, file))
    _tell(progress, len(todo), len(todo))
    return tuple(sorted(files, key=lambda entry: entry.path))


def _write_file(writer: PassageWriter, folder: Path, file: DocumentFile) -> IndexedFile:
    entry = IndexedFile(file.path, file.size, file.mtime_ns, _UNREADABLE, 0)
    try:
        data = (folder / file.path).read_bytes()
    except OSError as error:
        return replace(entry, remark=failure(error))
    document = read_document(file.path, data)
    writer.add(_source(file.path), document.passages)
    digest, count = hashlib.sha256(data).hexdigest(), len(document.passages)
    return replace(entry, digest=digest, passages=count, remark=document.remark)


def _source(path: str) -> str:
    """What the passages of a file are deleted by; of fixed length, whatever the path."""
    return hashlib.sha256(path.encode()).hexdigest()


def _report(scan: FolderScan, files: Iterable[IndexedFile]) -> ReadReport:
    return summary(scan.listed, ((file.path, file.passages, file.remark) for file in files))


def _digest_of(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\n")
    return digest.hexdigest()


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)
