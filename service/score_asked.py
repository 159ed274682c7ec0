"""What the command line of `surefoot score` asks for, checked and turned into work."""

from __future__ import annotations

import os
import stat
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..router.errors import BadInput, UsageError

if TYPE_CHECKING:
    from ..router.evidence_file import EvidenceFile
    from ..router.protocols import Comparer
    from .score_run import Job

__all__ = ["Asked", "check", "job_of", "source_of", "work_of"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    evidence: Path
    target: Path | None
    estimators: tuple[str, ...]
    content_filter: bool
    skips: bool
    details: bool
    similarity: str | None
    nli: str | None
    report: Path | None
    as_json: bool
    seed: int

    @property
    def is_stdin(self) -> bool:
        """Whether evidence comes from standard input."""
        return str(self.evidence) == "-"


def check(asked: Asked) -> None:
    """Refuse what cannot be done.

    Raises:
        UsageError: the options do not fit each other, or would overwrite the evidence.
    """
    from .part_file import part_names

    target = asked.target
    if target is None:
        if asked.as_json:
            raise UsageError("--json prints a summary; name the file for the signals with --out")
        return
    if target.is_dir():
        raise UsageError(f"--out {target} is a folder; name a file")
    if target.suffix == ".gz":
        raise UsageError(f"--out {target} would not be gzipped; name a file without .gz")
    own = (target, *part_names(target))  # all of them are written
    if os.path.realpath(asked.evidence) in map(os.path.realpath, own):
        raise UsageError(f"--out {target} would overwrite the evidence itself; name another file")


def job_of(asked: Asked) -> Job:
    """What is to be read from every record.

    Raises:
        UsageError: an estimator is unknown.
        ConfigurationError: a comparer is unknown, or its model or library is not there.
    """
    from ..policies.scoring import chosen_estimators
    from ..router.estimators.catalogue import Options
    from .score_run import Job

    chosen = chosen_estimators(asked.estimators, Options(content_filter=asked.content_filter))
    return Job(chosen, _comparers(asked), asked.details)


def _comparers(asked: Asked) -> tuple[Comparer, ...]:
    if asked.similarity is None and asked.nli is None:
        return ()
    from ..adapters.comparers import open_comparer

    found = []
    if asked.similarity is not None:
        found.append(open_comparer(asked.similarity, "similarity"))
    if asked.nli is not None:
        found.append(open_comparer(asked.nli, "nli"))
    return tuple(found)


def source_of(asked: Asked, on_bad: Callable[[BadInput], None]) -> EvidenceFile:
    """The evidence; `on_bad` is told of lines that are left out, where they are to be.

    Raises:
        UsageError: there is no standard input.
    """
    from ..adapters.evidence_shapes import normalized_evidence
    from ..router.evidence_file import EvidenceFile

    source: Path | IO[bytes] = asked.evidence
    if asked.is_stdin:
        if sys.stdin is None:
            raise UsageError("there is no standard input to read evidence from")
        source = sys.stdin.buffer
    return EvidenceFile(
        source, normalize=normalized_evidence, on_bad=on_bad if asked.skips else None
    )


def work_of(asked: Asked, job: Job) -> dict[str, Any]:
    """What the lines depend on; of a stream nothing is known, so that it is never gone on with."""
    from importlib.metadata import version

    from .score_run import file_mark

    how = {"surefoot": version("surefoot"), "content_filter": asked.content_filter, **job.mark()}
    mark = file_mark(asked.evidence) if _is_file(asked) else {"stream": uuid.uuid4().hex}
    return {"evidence": mark, **how}


def _is_file(asked: Asked) -> bool:
    """Whether the evidence can be read again; one that is not there is told when it is opened."""
    if asked.is_stdin:
        return False
    try:
        return stat.S_ISREG(asked.evidence.stat().st_mode)
    except OSError:
        return True
