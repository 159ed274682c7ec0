"""A training in the making on disk: gone on with after any interruption, to the same weights.

One file holds weights, moments and where the training stood. It is replaced in one step, so an
interruption leaves the last one whole. Random numbers are drawn anew from seed and step, so none
have to be kept. Nothing is pickled: a checkpoint that comes from elsewhere runs no code.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..router.errors import ConfigurationError, StoreCorrupt, StoreError

__all__ = ["CHECKPOINT_FILE", "Checkpoint", "read_tensors", "write_tensors"]

CHECKPOINT_FILE = "checkpoint.safetensors"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a training stands.

    Attributes:
        work: a digest of data, settings and base: only equal work is gone on with.
        plain: steps, the best measure, the history; JSON-plain.
        tensors: by name.
    """

    work: str
    plain: Mapping[str, Any]
    tensors: Mapping[str, Any]

    def write(self, folder: Path) -> None:
        """Put it into the folder. Raises StoreError where that cannot be written."""
        notes = {"work": self.work, "plain": json.dumps(self.plain)}
        write_tensors(folder / CHECKPOINT_FILE, self.tensors, notes)

    @classmethod
    def read(cls, folder: Path, work: str) -> Checkpoint | None:
        """The checkpoint in the folder; None where there is none.

        Raises:
            ConfigurationError: it is one of other data or settings.
            StoreCorrupt: it is damaged.
        """
        file = folder / CHECKPOINT_FILE
        if not file.exists():
            return None
        tensors, notes = read_tensors(file, "delete it, and the training begins anew")
        try:
            plain = json.loads(notes["plain"])
            found = cls(notes["work"], plain, tensors)
        except (KeyError, ValueError) as error:
            raise StoreCorrupt(
                f"{file} is no checkpoint of a critic: {error!r}; delete it, and the training "
                "begins anew"
            ) from error
        if found.work != work:
            raise ConfigurationError(
                f"{file} is a training on other data, another base or with other settings; delete "
                "it, or name another folder"
            )
        return found


def write_tensors(file: Path, tensors: Mapping[str, Any], notes: Mapping[str, str]) -> None:
    """A safetensors file, all or nothing. Raises StoreError where it cannot be written."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    temporary = file.parent / f".{uuid.uuid4().hex}.tmp"  # beside it: a rename needs one disk
    whole = {name: one.detach().cpu().clone().contiguous() for name, one in tensors.items()}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file(whole, temporary, metadata=dict(notes))
        os.replace(temporary, file)
    except (OSError, SafetensorError) as error:
        raise StoreError(f"{file} was not written: {error}; nothing was changed") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def read_tensors(file: Path, advice: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Tensors by name, and the notes beside them.

    Raises:
        StoreCorrupt: the file is missing or damaged; says what to do, which is `advice`.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(file), framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}
            return tensors, dict(opened.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise StoreCorrupt(f"{file} cannot be read: {error}; {advice}") from error
