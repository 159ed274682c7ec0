"""Reading the drafts that a step gate is fitted on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ..adapters.evidence_shapes import normalized_evidence
from ..policies.step_fit import LabeledDraft, Walked, walk
from ..router.errors import BadInput
from ..router.evidence_file import EvidenceFile
from ..router.steps.reading import StepReader
from .console import progress_bar

__all__ = ["ReadDrafts", "walked_drafts"]


@dataclass(frozen=True, slots=True)
class ReadDrafts:
    """What an evidence file brought.

    Attributes:
        unlabeled: answers that nobody has judged; they are left out.
        sha256: of the file.
    """

    drafts: tuple[Walked, ...]
    unlabeled: int
    sha256: str


def walked_drafts(path: Path, reader: StepReader) -> ReadDrafts:
    """Every labeled answer of the file, its steps read.

    Raises:
        BadInput: the file cannot be read, a line is no evidence, a labeled answer came without its
            tokens, or none is labeled.
    """
    drafts, unlabeled = [], 0
    file = EvidenceFile(path, normalize=normalized_evidence)
    with progress_bar() as shown:
        for record in file:
            shown("reading steps", file.done, file.total)
            if record.correct is None:
                unlabeled += 1
                continue
            tokens = record.evidence.greedy.tokens
            if not tokens:
                raise BadInput(
                    "a step is judged by its tokens, and there are none; record them with logprobs",
                    file=str(path),
                    line=record.line,
                    field="greedy.tokens",
                )
            drafts.append(walk(reader, LabeledDraft(tokens, record.correct)))
    if not drafts:
        raise BadInput(
            "no answer is labeled: give each line a `correct` of 0 or 1",
            file=str(path),
            field="correct",
        )
    return ReadDrafts(tuple(drafts), unlabeled, hashlib.sha256(path.read_bytes()).hexdigest())
