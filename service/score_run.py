"""The work behind `surefoot score`: from the records of a file to lines of signals, in order."""

from __future__ import annotations

import gc
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from ..policies.score_tally import Labeled, Seen, Tally, seen_in_line, seen_in_readings
from ..policies.scoring import chunks, signal_line
from ..router.comparisons import filled
from ..router.errors import BadInput
from ..router.evidence_file import Recorded
from ..router.protocols import Comparer, Estimator
from ..router.reading import read_signals
from .part_file import PartFile

__all__ = ["Job", "Run", "file_mark"]

_HEAD = 1 << 16
_CHUNKS_A_COLLECTION = 20


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be read from every record.

    Attributes:
        comparers: fill in the matrices that records lack; none means that no model is loaded.
        details: write each signal's diagnostics too.
    """

    estimators: tuple[Estimator, ...]
    comparers: tuple[Comparer, ...] = ()
    details: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The estimators' names, in the order of the output."""
        return tuple(estimator.name for estimator in self.estimators)

    def mark(self) -> dict[str, Any]:
        """What the lines depend on besides the records."""
        return {
            "estimators": {one.name: one.version for one in self.estimators},
            "comparers": [one.name for one in self.comparers],
            "details": self.details,
        }


@contextmanager
def _rare_collections() -> Iterator[Callable[[], None]]:
    """Looks for cyclic garbage after every few chunks instead of during them.

    A chunk makes 100,000 records that hold each other in no cycle; Python looks through
    all of them again and again as they grow in number, for a third of the whole time.
    """
    was_on, done = gc.isenabled(), 0

    def collect() -> None:
        nonlocal done
        done += 1
        if was_on and done % _CHUNKS_A_COLLECTION == 0:
            gc.collect()

    gc.disable()
    try:
        yield collect
    finally:
        if was_on:
            gc.enable()


def file_mark(path: Path) -> dict[str, Any]:
    """What tells one state of a file from another, without reading all of it.

    Raises:
        BadInput: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = hashlib.sha256(file.read(_HEAD)).hexdigest()
            facts = os.fstat(file.fileno())
    except OSError as error:
        raise BadInput(f"cannot be read: {error}", file=str(path)) from error
    where = str(path.resolve())
    return {"file": where, "size": facts.st_size, "mtime_ns": facts.st_mtime_ns, "head": head}


@dataclass(slots=True)
class Run:
    """One pass over the records.

    Attributes:
        on_progress: called after every chunk.
        most_labeled: how many labeled records are kept for judging the signals.
        went_on_after: how many records an interrupted run had finished.
    """

    job: Job
    on_progress: Callable[[], None]
    most_labeled: int
    tally: Tally = field(init=False)
    labeled: Labeled = field(init=False)
    went_on_after: int = 0

    def __post_init__(self) -> None:
        self.tally = Tally(self.job.names)
        self.labeled = Labeled(self.job.names, most=self.most_labeled)

    def to_file(self, records: Iterable[Recorded], part: PartFile) -> None:
        """Write a file from where an earlier run of the same work was interrupted.

        Raises:
            BadInput: a line is no evidence; the lines of all records before it are written.
            StoreError: the file cannot be written.
            RunError: a comparer failed.
        """
        left = self._go_on(iter(records), part)
        self.to_stream(left, part.write)

    def to_stream(self, records: Iterable[Recorded], write: Callable[[bytes], None]) -> None:
        """Hand over the lines, a chunk of them at a time. Raises as `to_file`."""
        with _rare_collections() as collect:
            for chunk in chunks(records):
                write(b"".join(self._lines(chunk)))
                self.on_progress()
                collect()

    def _lines(self, chunk: list[Recorded]) -> Iterator[bytes]:
        evidence = [record.evidence for record in chunk]
        for comparer in self.job.comparers:
            evidence = filled(evidence, comparer)
        found = read_signals(self.job.estimators, evidence)
        for record, signals in zip(chunk, found, strict=True):
            self._count(record, seen_in_readings(signals))
            yield signal_line(record.id, signals, details=self.job.details)

    def _go_on(self, records: Iterator[Recorded], part: PartFile) -> Iterator[Recorded]:
        """Take over the lines that are there; return the records that have none yet.

        Records are read again, which is quick, and make sure that each line belongs to its own.
        """
        kept = 0
        pending: list[Recorded] = []
        for end, line in part.lines():
            record = next(records, None)
            if record is None:
                break
            seen = self._taken_over(record, line)
            if seen is None:
                pending.append(record)
                break
            self._count(record, seen)
            kept = end
            self.went_on_after += 1
            if self.went_on_after % 1000 == 0:
                self.on_progress()
        part.keep(kept)
        return chain(pending, records)

    def _taken_over(self, record: Recorded, line: Any) -> dict[str, Seen] | None:
        try:
            if line["id"] != record.id or tuple(line["signals"]) != self.job.names:
                return None
            return seen_in_line(line["signals"])
        except (KeyError, TypeError, ValueError):
            return None

    def _count(self, record: Recorded, seen: Mapping[str, Seen]) -> None:
        self.tally.add(seen)
        if record.correct is not None:
            group = record.evidence.question or str(record.id)
            self.labeled.add(record.correct, group, seen)
