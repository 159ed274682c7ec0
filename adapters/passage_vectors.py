"""The vectors of all passages of an index: kept up to date on disk, searched by cosine."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..router.errors import StoreCorrupt, UpstreamMalformed
from .encoder_sentence import Embedder
from .index_update import Progress
from .vector_files import KEY_BYTES, Rows, VectorFiles

if TYPE_CHECKING:
    from numpy import float16, float32
    from numpy.typing import NDArray

__all__ = ["PassageVectors", "embedded_passages", "text_key"]

# Texts that are embedded and written at a time: what an interruption costs is seconds.
_CHUNK = 256
# In half precision the order of near-equal rows is not sure: so many more are looked at again.
_SPARE = 64
_EXACT = 4096


def text_key(text: str) -> bytes:
    """What a text's vector is found by."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


@dataclass(frozen=True, slots=True)
class PassageVectors:
    """Vectors of length 1, (n, d) in half precision: 77 MB for 100,000 of 384 dimensions.

    Mapped from disk, so that several processes share them.
    """

    rows: Rows

    def nearest(self, query: NDArray[float32], most: int) -> list[tuple[int, float]]:
        """At most `most` rows with their cosines, in [-1, 1], nearest first; ties by row."""
        import numpy as np

        vectors = self.rows.vectors
        count = min(most, len(vectors))
        if count <= 0:
            return []
        candidates = np.arange(len(vectors))
        if len(vectors) > max(_EXACT, count + _SPARE):
            rough = _cosines(vectors, query)
            candidates = np.argpartition(-rough, count + _SPARE)[: count + _SPARE]
            candidates.sort()
        cosines = vectors[candidates].astype(np.float32) @ query
        order = np.argsort(-cosines, kind="stable")[:count]
        return [(int(candidates[i]), float(cosines[i])) for i in order]


def _cosines(vectors: NDArray[float16], query: NDArray[float32]) -> NDArray[float32]:
    """The cosines with all rows, roughly."""
    import numpy as np

    # numpy converts before it multiplies: 80 ms for 100,000 rows, torch 6 ms. Not worth loading it
    # for, but where the encoder is one of torch's it is there.
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        halves = torch.from_numpy(vectors) @ torch.from_numpy(query).half()
        rough: NDArray[float32] = halves.float().numpy()
        return rough
    found = np.empty(len(vectors), np.float32)
    for at in range(0, len(vectors), _EXACT):
        found[at : at + _EXACT] = vectors[at : at + _EXACT].astype(np.float32) @ query
    return found


def embedded_passages(
    directory: Path,
    embedder: Embedder,
    texts: Sequence[str],
    progress: Progress | None = None,
) -> tuple[PassageVectors, tuple[str, ...]]:
    """The vectors of these texts, by `text_key`, and notes on what had to be mended.

    Only texts without a vector are embedded, in chunks that are kept when the update is
    interrupted. A damaged file is embedded anew. Threads and processes wait in turn.

    Args:
        texts: each at most once.
        progress: told how many texts are done, of how many that have to be embedded.

    Raises:
        RunError: the encoder failed; what it has done so far is kept.
        StoreError: the vectors cannot be written.
    """
    files = VectorFiles(directory, embedder.name)
    wanted = {text_key(text): text for text in texts}
    with files.locked():
        rows, notes = _previous(files)
        if rows is None or set(rows.keys) != set(wanted):
            rows = _updated(files, embedder, wanted, rows, progress)
    return PassageVectors(rows), notes


def _previous(files: VectorFiles) -> tuple[Rows | None, tuple[str, ...]]:
    try:
        return files.load(), ()
    except StoreCorrupt as error:
        return None, (f"the vectors of the passages were made anew: {error}",)


def _updated(
    files: VectorFiles,
    embedder: Embedder,
    wanted: Mapping[bytes, str],
    old: Rows | None,
    progress: Progress | None,
) -> Rows:
    known = {key: row for key, row in _known(files, old).items() if key in wanted}
    missing = sorted((key for key in wanted if key not in known), key=lambda k: len(wanted[k]))
    width = len(next(iter(known.values()))) if known else None
    for done in range(0, len(missing), _CHUNK):
        _tell(progress, done, len(missing))
        chunk = missing[done : done + _CHUNK]
        vectors = _embedded(embedder, [wanted[key] for key in chunk], width if done else None)
        if not done:
            is_same = width in (None, vectors.shape[1])
            width = vectors.shape[1]
            files.restart(_apart_from(known, old) if is_same else {}, width)
            if not is_same:  # other vectors under the same name: of no use
                return _updated(files, embedder, wanted, None, progress)
        files.append(chunk, vectors)
        known.update(zip(chunk, vectors, strict=True))
    _tell(progress, len(missing), len(missing))
    return files.write(list(wanted), width or 0, known.__getitem__)


def _known(files: VectorFiles, old: Rows | None) -> dict[bytes, NDArray[float16]]:
    found = dict(files.unfinished())
    if old is not None:
        found.update(zip(old.keys, old.vectors, strict=True))
    return found


def _apart_from(
    known: Mapping[bytes, NDArray[float16]], old: Rows | None
) -> Mapping[bytes, NDArray[float16]]:
    kept = set(() if old is None else old.keys)
    return {key: row for key, row in known.items() if key not in kept}


def _embedded(embedder: Embedder, texts: Sequence[str], width: int | None) -> NDArray[float16]:
    """Their vectors, all of one width: of this one, where it is known."""
    import numpy as np

    vectors = np.asarray(embedder.embed(texts), dtype=np.float32)
    is_shaped = vectors.ndim == 2 and len(vectors) == len(texts) and vectors.shape[1] > 0
    if not is_shaped or width not in (None, vectors.shape[1]) or not np.isfinite(vectors).all():
        raise UpstreamMalformed(
            f"{embedder.name} returned an array of shape {vectors.shape} for {len(texts)} texts, "
            f"or numbers that are not finite; expected {width or 'd'} numbers a text"
        )
    return vectors.astype(np.float16)


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None and total:
        progress(done, total)
