"""Vectors on disk: embedded once, kept when interrupted, rebuilt when damaged, exact to half
precision."""

import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from surefoot.adapters.passage_vectors import PassageVectors, embedded_passages, text_key
from surefoot.adapters.vector_files import Rows, VectorFiles
from surefoot.router.errors import StoreCorrupt, StoreError, UpstreamMalformed, UpstreamUnavailable

from ..word_embedder import WordEmbedder

TEXTS = ["bees and owls", "owls", "ants at a file", "a line"]


def many(count: int) -> list[str]:
    return [f"{'bees ' * (n % 7)}{'owls ' * (n % 5)}number {n}" for n in range(count)]


def vectors_of(found: PassageVectors) -> dict[bytes, list[float]]:
    rows = found.rows
    return {key: [float(x) for x in row] for key, row in zip(rows.keys, rows.vectors, strict=True)}


def expected(texts: list[str]) -> dict[bytes, list[float]]:
    rows = WordEmbedder().embed(texts).astype(np.float16)
    return {text_key(t): [float(x) for x in row] for t, row in zip(texts, rows, strict=True)}


def test_every_text_has_its_vector_and_is_embedded_once(tmp_path: Path) -> None:
    embedder = WordEmbedder()
    for _ in range(2):
        found, notes = embedded_passages(tmp_path, embedder, TEXTS)
        assert vectors_of(found) == expected(TEXTS)
        assert notes == ()
    assert sorted(embedder.texts) == sorted(TEXTS)


def test_only_what_is_new_is_embedded_and_what_is_gone_is_forgotten(tmp_path: Path) -> None:
    embedded_passages(tmp_path, WordEmbedder(), TEXTS)
    embedder, now = WordEmbedder(), [*TEXTS[1:], "birds"]
    found, _ = embedded_passages(tmp_path, embedder, now)
    assert embedder.texts == ["birds"]
    assert vectors_of(found) == expected(now)
    assert len(list(tmp_path.glob("rows-*.bin"))) == 1


def test_fewer_texts_need_no_encoder(tmp_path: Path) -> None:
    embedded_passages(tmp_path, WordEmbedder(), TEXTS)
    embedder = WordEmbedder(fail=lambda: True)
    found, _ = embedded_passages(tmp_path, embedder, TEXTS[:2])
    assert vectors_of(found) == expected(TEXTS[:2])
    assert embedder.calls == 0


def test_the_same_texts_in_another_order_are_left_alone(tmp_path: Path) -> None:
    embedded_passages(tmp_path, WordEmbedder(), TEXTS)
    [before] = tmp_path.glob("rows-*.bin")
    found, _ = embedded_passages(tmp_path, WordEmbedder(fail=lambda: True), TEXTS[::-1])
    assert vectors_of(found) == expected(TEXTS)
    assert list(tmp_path.glob("rows-*.bin")) == [before]


def test_no_texts_are_no_vectors(tmp_path: Path) -> None:
    for texts in ([], TEXTS, []):
        found, notes = embedded_passages(tmp_path, WordEmbedder(), texts)
        assert len(found.rows.keys) == len(texts)
        assert notes == ()
    assert found.nearest(np.ones(6, np.float32), 3) == []


def test_an_interrupted_update_goes_on_where_it_stopped(tmp_path: Path) -> None:
    texts = many(1000)
    dying = WordEmbedder()
    dying.fail = lambda: dying.calls > 2
    with pytest.raises(UpstreamUnavailable):
        embedded_passages(tmp_path, dying, texts)
    assert len(dying.texts) == 512
    told: list[tuple[int, int]] = []
    embedder = WordEmbedder()
    found, _ = embedded_passages(tmp_path, embedder, texts, lambda *step: told.append(step))
    assert len(embedder.texts) == 488
    assert not set(embedder.texts) & set(dying.texts)
    assert vectors_of(found) == expected(texts)
    assert told == [(0, 488), (256, 488), (488, 488)]
    assert not (tmp_path / "unfinished.bin").exists()


@pytest.mark.parametrize("cut", [1, 5, 30, 4000, 1 << 20])
def test_a_torn_or_rotten_journal_is_used_as_far_as_it_is_whole(tmp_path: Path, cut: int) -> None:
    texts = many(1000)
    dying = WordEmbedder()
    dying.fail = lambda: dying.calls > 2
    with pytest.raises(UpstreamUnavailable):
        embedded_passages(tmp_path, dying, texts)
    journal = tmp_path / "unfinished.bin"
    data = journal.read_bytes()
    journal.write_bytes(data[: max(0, len(data) - cut)])
    embedder = WordEmbedder()
    found, _ = embedded_passages(tmp_path, embedder, texts)
    assert vectors_of(found) == expected(texts)
    record = 16 + 2 * 6 + 4
    whole = max(0, len(data) - cut - 8) // record
    assert len(embedder.texts) == 1000 - whole
    # Interrupted again after a torn one: what is appended must not follow the torn record.
    assert embedded_passages(tmp_path, WordEmbedder(fail=lambda: True), texts)[1] == ()


def test_what_follows_a_torn_record_is_whole_again(tmp_path: Path) -> None:
    texts = many(1000)
    for calls in (2, 1):
        dying = WordEmbedder()
        dying.fail = lambda dying=dying, calls=calls: dying.calls > calls  # type: ignore[misc]  # bound now
        with pytest.raises(UpstreamUnavailable):
            embedded_passages(tmp_path, dying, texts)
        with open(tmp_path / "unfinished.bin", "ab") as journal:
            journal.write(b"torn")
    embedder = WordEmbedder()
    found, _ = embedded_passages(tmp_path, embedder, texts)
    assert len(embedder.texts) == 1000 - 512 - 256
    assert vectors_of(found) == expected(texts)


def damage(folder: Path, kind: str) -> None:
    [rows] = folder.glob("rows-*.bin")
    manifest = folder / "manifest.json"
    if kind == "rows gone":
        rows.unlink()
    elif kind == "rows cut":
        rows.write_bytes(rows.read_bytes()[:-1])
    elif kind == "rows changed":
        data = bytearray(rows.read_bytes())
        data[-3] ^= 0x40
        rows.write_bytes(data)
    elif kind == "no JSON":
        manifest.write_text("{")
    elif kind == "field gone":
        content = json.loads(manifest.read_text())
        del content["rows"]
        manifest.write_text(json.dumps(content))
    elif kind == "not UTF-8":
        manifest.write_bytes(b"\xff\xfe")
    elif kind == "other format":
        content = json.loads(manifest.read_text())
        manifest.write_text(json.dumps({**content, "format": 99}))
    elif kind == "sizes swapped":
        content = json.loads(manifest.read_text())
        content["rows"], content["dimensions"] = content["dimensions"], content["rows"]
        manifest.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "kind",
    [
        "rows gone",
        "rows cut",
        "rows changed",
        "no JSON",
        "field gone",
        "not UTF-8",
        "other format",
        "sizes swapped",
    ],
)
def test_damaged_vectors_are_made_anew_with_a_note(tmp_path: Path, kind: str) -> None:
    embedded_passages(tmp_path, WordEmbedder(), TEXTS)
    damage(tmp_path, kind)
    with pytest.raises(StoreCorrupt):
        VectorFiles(tmp_path, "words@1").load()
    embedder = WordEmbedder()
    found, notes = embedded_passages(tmp_path, embedder, TEXTS)
    assert vectors_of(found) == expected(TEXTS)
    assert len(embedder.texts) == len(TEXTS)
    [note] = notes
    assert note.startswith("the vectors of the passages were made anew: ")
    assert embedded_passages(tmp_path, WordEmbedder(fail=lambda: True), TEXTS)[1] == ()


def test_vectors_of_another_encoder_are_not_used(tmp_path: Path) -> None:
    embedded_passages(tmp_path, WordEmbedder("one"), TEXTS)
    with pytest.raises(StoreCorrupt, match="is of one, and this is two"):
        VectorFiles(tmp_path, "two").load()


def test_another_width_under_the_same_name_starts_anew(tmp_path: Path) -> None:
    embedded_passages(tmp_path, WordEmbedder(), TEXTS)
    embedder = WordEmbedder(width=8)
    found, _ = embedded_passages(tmp_path, embedder, [*TEXTS, "birds"])
    assert found.rows.vectors.shape == (5, 8)
    assert set(embedder.texts) == {*TEXTS, "birds"}


class Strange(WordEmbedder):
    """Returns arrays that are no embeddings."""

    def __init__(self, rows: object) -> None:
        super().__init__()
        self._rows = rows

    def embed(self, texts: object) -> NDArray[np.float32]:
        return np.asarray(self._rows, np.float32)


@pytest.mark.parametrize(
    "rows",
    [[[1.0, 0.0]], [1.0] * 4, [[]] * 4, [[float("nan"), 1.0]] * 4, [[float("inf")]] * 4],
)
def test_what_is_no_embedding_is_refused(tmp_path: Path, rows: object) -> None:
    with pytest.raises(UpstreamMalformed, match=r"words@1 returned an array of shape"):
        embedded_passages(tmp_path, Strange(rows), TEXTS)


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreError, match="disk is not full"):
        embedded_passages(tmp_path / "taken", WordEmbedder(), TEXTS)


def test_a_failed_write_leaves_the_old_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded_passages(tmp_path, WordEmbedder(), TEXTS)

    def full(path: object, text: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("surefoot.adapters.vector_files._replace", full)
        with pytest.raises(StoreError, match="No space left"):
            embedded_passages(tmp_path, WordEmbedder(), TEXTS[:2])
    assert len(list(tmp_path.glob("rows-*.bin"))) == 1
    rows = VectorFiles(tmp_path, "words@1").load()
    assert rows is not None and set(rows.keys) == set(map(text_key, TEXTS))


def test_two_at_a_time_wait_in_turn(tmp_path: Path) -> None:
    texts, embedders = many(600), [WordEmbedder(), WordEmbedder()]
    threads = [
        threading.Thread(target=embedded_passages, args=(tmp_path, embedder, texts))
        for embedder in embedders
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(embedder.texts) for embedder in embedders) == [0, 600]


# --- nearest ------------------------------------------------------------------------------------


def test_nearest_by_hand() -> None:
    vectors = np.array([[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0], [1.0, 0.0]], np.float16)
    found = PassageVectors(Rows((b"a", b"b", b"c", b"d"), vectors))
    query = np.array([1.0, 0.0], np.float32)
    assert [row for row, _ in found.nearest(query, 4)] == [0, 3, 1, 2]
    assert [cosine for _, cosine in found.nearest(query, 9)] == pytest.approx(
        [1.0, 1.0, 0.6, -1.0], abs=1e-3
    )
    assert found.nearest(query, 0) == []


@pytest.mark.parametrize("with_torch", [True, False])
def test_over_many_the_nearest_are_those_of_the_exact_search(
    monkeypatch: pytest.MonkeyPatch, with_torch: bool
) -> None:
    if with_torch:
        pytest.importorskip("torch")
    else:
        monkeypatch.delitem(sys.modules, "torch", raising=False)
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(20_000, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    halves = vectors.astype(np.float16)
    found = PassageVectors(Rows(tuple(b"%d" % n for n in range(20_000)), halves))
    for query in vectors[:5]:
        exact = halves.astype(np.float64) @ query
        best = np.argsort(-exact, kind="stable")[:50]
        hits = found.nearest(query, 50)
        assert [row for row, _ in hits] == list(best)
        assert [cosine for _, cosine in hits] == pytest.approx(list(exact[best]), abs=1e-5)
