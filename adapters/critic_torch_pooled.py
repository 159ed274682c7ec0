"""The one pass of a frozen encoder over all states, kept for a training that is interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..router.errors import UsageError
from .critic_torch_checkpoint import read_tensors, write_tensors
from .critic_torch_data import CriticRows, Progress
from .critic_torch_model import in_batches
from .critic_torch_net import CriticNet

__all__ = ["pooled_once"]

_FILE = "pooled.safetensors"


def pooled_once(
    net: CriticNet,
    parts: tuple[CriticRows, CriticRows],
    read: str,
    folder: Path | None,
    progress: Progress | None,
) -> tuple[Any, Any]:
    """What the encoder says of the states of both parts, (states, 3 x width) each, on the CPU.

    Args:
        read: a digest of all that decides on it: states, their split, base and limit.
        folder: where it is kept; None keeps it nowhere.

    Raises:
        StoreError: it cannot be written, or what was kept is damaged.
        UsageError: a part has no state that is short enough.
    """
    file = None if folder is None else folder / _FILE
    if file is not None and file.exists():
        tensors, notes = read_tensors(file, "delete it, and the encoder runs again")
        if notes.get("read") == read:
            return tensors["train"], tensors["dev"]
    total = sum(len(rows.forms) for rows in parts)
    done = 0

    def tell(n: int) -> None:
        nonlocal done
        done += n
        if progress is not None:
            progress(done, total)

    train, dev = (_pooled(net, rows, tell) for rows in parts)
    if file is not None:
        write_tensors(file, {"train": train, "dev": dev}, {"read": read})
    return train, dev


def _pooled(net: CriticNet, rows: CriticRows, tell: Callable[[int], None]) -> Any:
    import torch

    net.encoder.eval()
    found: Any = None
    with torch.no_grad():
        for places in in_batches([form.tokens for form in rows.forms], net.device):
            own = net.pooled(net.reader.batch([rows.forms[i] for i in places])).cpu()
            if found is None:
                found = torch.empty(len(rows.forms), own.shape[1])
            found[torch.tensor(places)] = own
            tell(len(places))
    if found is None:
        raise UsageError("no state is short enough for the critic; raise its limit")
    return found
