"""A transformer encoder in this process: loaded at its first use, batched, one forward at a time.

Everything here blocks and is meant to be called from a worker thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..router.errors import UpstreamMalformed, UpstreamUnavailable
from ..router.text import clean_text
from .encoder_files import EncoderFiles
from .openmp import short_spins
from .transformers_loading import transformers_loading

__all__ = ["Head", "TorchEncoder", "token_limit"]

Head = Literal["AutoModel", "AutoModelForSequenceClassification"]
"""The class of transformers by which a model is loaded."""

Texts = tuple[str, ...]
"""What one row of a batch holds: a text, or a premise and a hypothesis."""

# One forward at a time in the whole process: torch gives every calling thread a team of as many
# threads as there are cores, and two teams on the same cores are slower than one after the other.
_ONE_AT_A_TIME = threading.Lock()

# Rows a batch. On two busy cores short texts one by one took two to five times as long as in
# batches of 16, larger ones gained nothing; a GPU needs more to be busy.
_ROWS_CPU, _ROWS_GPU = 32, 128

# Tokenizers that know no limit say so by a number like 1e30.
_NO_LIMIT = 1 << 20
_DEFAULT_LIMIT = 512
# Position 0 of these families belongs to the padding token, and position 1 to no token at all.
_OFFSET_FAMILIES = frozenset({"roberta", "xlm-roberta", "camembert", "longformer", "mpnet"})


@dataclass(frozen=True, slots=True)
class _Loaded:
    model: Any
    tokenizer: Any
    device: str


class TorchEncoder:
    """Runs texts through an encoder and hands on what it says, row by row.

    Args:
        head: how the model is loaded.
        max_length: tokens of a row; longer ones are cut. None for what the model can take.
        device: `cpu`, `cuda`, `cuda:1`, `mps`; None for a GPU where torch sees one.
    """

    def __init__(
        self,
        files: EncoderFiles,
        head: Head,
        *,
        max_length: int | None = None,
        device: str | None = None,
    ) -> None:
        self.files = files
        self._head = head
        self._max_length = max_length or token_limit(files)
        self._device = device
        self._loaded: _Loaded | None = None

    def run(self, rows: Sequence[Texts], read: Callable[[Any, Any], Any]) -> Any:
        """What `read` makes of the model's output and of the batch, one row a text; on the CPU.

        Args:
            rows: any number of them; sorted by length inside, so that little is padded.
            read: from output and tokenized batch to a tensor (rows of the batch, d).

        Returns:
            A float tensor (rows, d), in the order of `rows`; at least one row is needed.

        Raises:
            UpstreamUnavailable: the model cannot be loaded or run (no memory, say).
            UpstreamMalformed: it returned something that is no number.
        """
        with _ONE_AT_A_TIME:
            loaded = self._load()
            try:
                return self._run(loaded, rows, read)
            except (RuntimeError, IndexError) as error:  # torch's own, no memory included
                raise self._broken("cannot be run", error) from error

    def _run(self, loaded: _Loaded, rows: Sequence[Texts], read: Callable[[Any, Any], Any]) -> Any:
        import torch

        clean = [tuple(clean_text(text) for text in row) for row in rows]
        order = sorted(range(len(rows)), key=lambda i: sum(map(len, clean[i])))
        found = []
        with torch.inference_mode():
            for places in _cut(order, _ROWS_CPU if loaded.device == "cpu" else _ROWS_GPU):
                batch = self._tokens([clean[i] for i in places], loaded)
                found.append(read(loaded.model(**batch), batch).float().cpu())
            whole = torch.cat(found)
            if not bool(torch.isfinite(whole).all()):
                raise UpstreamMalformed(f"{self.files.name} returned numbers that are not finite")
            back = torch.empty_like(whole)
            back[torch.tensor(order)] = whole
        return back

    def _tokens(self, rows: Sequence[Texts], loaded: _Loaded) -> Any:
        columns = [list(column) for column in zip(*rows, strict=True)]
        return loaded.tokenizer(
            *columns,
            padding=True,
            truncation=True,
            max_length=self._max_length,
            return_tensors="pt",
        ).to(loaded.device)

    def _load(self) -> _Loaded:
        if self._loaded is None:
            try:
                self._loaded = self._opened()
            except UpstreamUnavailable:
                raise
            except Exception as error:
                # A damaged or foreign file: every format and library has an error of its own.
                raise self._broken("cannot be loaded", error) from error
        return self._loaded

    def _opened(self) -> _Loaded:
        with short_spins():
            import torch
        import transformers

        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        # Only what lies in the folder, and none of the code that a repository may bring.
        how = {"local_files_only": True, "trust_remote_code": False}
        folder = str(self.files.folder)
        with transformers_loading():
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **how)
            model, info = getattr(transformers, self._head).from_pretrained(
                folder, output_loading_info=True, **how
            )
        self._check_whole(info["missing_keys"])
        # Single precision everywhere: half precision moves numbers that were calibrated.
        return _Loaded(model.float().to(device).eval(), tokenizer, device)

    def _check_whole(self, missing: Iterable[str]) -> None:
        """Weights that are not in the files would be random numbers."""
        unused = ("pooler.",) if self._head == "AutoModel" else ()
        lost = sorted(key for key in missing if not key.startswith(unused))
        if lost:
            raise UpstreamUnavailable(
                f"{self.files.name} cannot be loaded: its files lack {len(lost)} weights of a "
                f"{self._head}, {lost[0]} for one; name a model that was trained for this"
            )

    def _broken(self, what: str, error: Exception) -> UpstreamUnavailable:
        return UpstreamUnavailable(f"{self.files.name} {what}: {type(error).__name__}: {error}")


def _cut(order: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(order), size):
        yield order[start : start + size]


def token_limit(files: EncoderFiles) -> int:
    """Tokens that a row may have: the least of what tokenizer and positions allow."""
    config = files.json("config.json")
    positions = config.get("max_position_embeddings")
    limits = [files.json("tokenizer_config.json").get("model_max_length")]
    if isinstance(positions, int):
        limits.append(positions - 2 * (config.get("model_type") in _OFFSET_FAMILIES))
    known = [int(one) for one in limits if isinstance(one, int | float) and 2 < one < _NO_LIMIT]
    return min(known, default=_DEFAULT_LIMIT)
