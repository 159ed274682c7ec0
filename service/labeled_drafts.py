"""Reading the labeled drafts that a gate over their beginnings is fitted on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from ..adapters.evidence_shapes import normalized_evidence
from ..policies.step_fit import LabeledDraft
from ..router.errors import BadInput
from ..router.evidence_file import EvidenceFile
from .console import progress_bar

__all__ = ["ReadDrafts", "read_drafts"]

W = TypeVar("W")


@dataclass(frozen=True, slots=True)
class ReadDrafts(Generic[W]):
    """What an evidence file brought.

    Attributes:
        unlabeled: answers that nobody has judged; they are left out.
        retrieved: labeled ones that were shown passages.
        sha256: of the file.
    """

    drafts: tuple[W, ...]
    unlabeled: int
    retrieved: int
    sha256: str


def read_drafts(path: Path, walk: Callable[[LabeledDraft], W]) -> ReadDrafts[W]:
    """Every labeled answer of the file, as `walk` reads it.

    Raises:
        BadInput: the file cannot be read, a line is no evidence, a labeled answer came without its
            tokens, or none is labeled.
    """
    drafts, unlabeled, retrieved = [], 0, 0
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
            drafts.append(walk(LabeledDraft(tokens, record.correct)))
            retrieved += bool(record.evidence.passages)
    if not drafts:
        raise BadInput(
            "no answer is labeled: give each line a `correct` of 0 or 1",
            file=str(path),
            field="correct",
        )
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return ReadDrafts(tuple(drafts), unlabeled, retrieved, sha256)
