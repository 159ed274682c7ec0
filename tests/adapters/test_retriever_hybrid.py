"""Words and meaning merged by rank, and words alone where the encoder fails."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from surefoot.adapters.retriever_hybrid import HybridRetriever, open_hybrid
from surefoot.adapters.retriever_tantivy import TantivyRetriever, open_documents
from surefoot.router.evidence import Passage

from ..word_embedder import WordEmbedder

NOTES = {
    "Clover": "Bees dance to tell where the clover is.",
    "Night": "Owls turn their heads, since their eyes cannot turn.",
    "Trail": "Ants leave a trail of scent from the sugar to the nest.",
    "Wings": "Birds have two of them, and insects with wings have four.",
}


class Clock:
    """Seconds that pass only when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def put(folder: Path, notes: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for title, text in notes.items():
        (folder / f"{title}.md").write_text(f"# {title}\n\n{text}\n")
    return folder


@pytest.fixture
def words(tmp_path: Path) -> TantivyRetriever:
    return open_documents(put(tmp_path / "docs", NOTES), tmp_path / "index")


def titles(found: Sequence[Passage]) -> list[str]:
    return [passage.title for passage in found]


async def test_what_has_none_of_the_words_is_found_by_its_meaning(words: TantivyRetriever) -> None:
    assert titles(await words.search("honey", 3)) == []
    found = await open_hybrid(words, WordEmbedder()).search("honey", 2)
    assert set(titles(found)) == {"Clover", "Wings"}


async def test_scores_are_those_of_the_merged_ranks(words: TantivyRetriever) -> None:
    """By words "owls clover" finds Night and Clover and no other. By meaning owls alone count,
    since clover is no topic: Night has one owl in it and no other topic; Wings birds and insects,
    of which the birds count; Clover and Trail have no owl, and the least cosines."""
    query = "owls clover"
    by_words = titles(await words.search(query, 10))
    assert set(by_words) == {"Night", "Clover"}
    rank = {title: place for place, title in enumerate(by_words, start=1)}
    found = await open_hybrid(words, WordEmbedder()).search(query, 10)
    scores = {passage.title: passage.score for passage in found}
    assert scores["Night"] == pytest.approx(1 / (60 + rank["Night"]) + 1 / 61)
    assert scores["Wings"] == pytest.approx(1 / 62)
    assert scores["Clover"] - 1 / (60 + rank["Clover"]) in (
        pytest.approx(1 / 63),
        pytest.approx(1 / 64),
    )
    assert titles(found)[:2] == ["Night", "Clover"]


async def test_texts_that_are_the_same_are_found_once(tmp_path: Path) -> None:
    put(tmp_path / "docs", {"One": NOTES["Clover"], "Two": NOTES["Clover"], **NOTES})
    words = open_documents(tmp_path / "docs", tmp_path / "index")
    found = await open_hybrid(words, WordEmbedder()).search("bees", 10)
    assert sum(passage.text == NOTES["Clover"] for passage in found) == 1


async def test_only_new_passages_are_embedded_after_a_change(tmp_path: Path) -> None:
    docs = put(tmp_path / "docs", NOTES)
    first = WordEmbedder()
    open_hybrid(open_documents(docs, tmp_path / "index"), first)
    assert len(first.texts) == 4
    put(docs, {"Hive": "Honey is kept in the hive."})
    (docs / "Night.md").unlink()
    second = WordEmbedder()
    words = open_documents(docs, tmp_path / "index")
    retriever = open_hybrid(words, second)
    assert second.texts == ["Hive\nHoney is kept in the hive."]
    found = titles(await retriever.search("insects", 5))
    assert set(found) == {"Hive", "Clover", "Wings", "Trail"}
    assert set(found[:3]) == {"Hive", "Clover", "Wings"}


def test_progress_is_told(words: TantivyRetriever) -> None:
    told: list[tuple[int, int]] = []
    open_hybrid(words, WordEmbedder(), progress=lambda *step: told.append(step))
    assert told == [(0, 4), (4, 4)]


def test_the_fingerprint_tells_encoder_and_documents(
    words: TantivyRetriever, tmp_path: Path
) -> None:
    print_ = open_hybrid(words, WordEmbedder()).fingerprint
    assert open_hybrid(words, WordEmbedder()).fingerprint == print_ != words.fingerprint
    assert open_hybrid(words, WordEmbedder("other")).fingerprint != print_
    put(tmp_path / "docs", {"Hive": "Honey."})
    changed = open_documents(tmp_path / "docs", tmp_path / "index")
    assert open_hybrid(changed, WordEmbedder()).fingerprint != print_


# --- failures -----------------------------------------------------------------------------------


async def test_a_failing_encoder_leaves_the_search_by_words(words: TantivyRetriever) -> None:
    clock, embedder = Clock(), WordEmbedder()
    retriever = open_hybrid(words, embedder, clock=clock)
    both = await retriever.search("owls", 4)
    assert not retriever.degraded
    assert not retriever.notes

    embedder.fail = lambda: True
    alone = await retriever.search("owls", 4)
    assert titles(alone) == titles(await words.search("owls", 4)) == ["Night"]
    assert [passage.score for passage in alone] == [1 / 61]
    reason = "passages are searched by words alone: the encoder has no memory"
    assert retriever.degraded == retriever.notes == (reason,)

    calls = embedder.calls
    embedder.fail = lambda: False
    clock.now = 59.0
    assert titles(await retriever.search("owls", 4)) == ["Night"]
    assert embedder.calls == calls  # not asked again for a minute
    clock.now = 61.0
    assert list(await retriever.search("owls", 4)) == list(both)
    assert not retriever.degraded


async def test_an_encoder_that_fails_from_the_beginning(words: TantivyRetriever) -> None:
    retriever = open_hybrid(words, WordEmbedder(fail=lambda: True))
    assert titles(await retriever.search("owls", 4)) == ["Night"]
    reason = "passages are searched by words alone: the encoder has no memory"
    assert retriever.degraded == retriever.notes == (reason,)


async def test_vectors_that_cannot_be_written_leave_the_search_by_words(
    words: TantivyRetriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: object, text: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("surefoot.adapters.vector_files._replace", full)
    retriever = open_hybrid(words, WordEmbedder())
    assert titles(await retriever.search("owls", 4)) == ["Night"]
    [note] = retriever.notes
    assert "No space left" in note


async def test_damaged_vectors_are_made_anew_with_a_note(words: TantivyRetriever) -> None:
    wanted = await open_hybrid(words, WordEmbedder()).search("honey", 3)
    [rows] = words.home.glob("vectors-*/rows-*.bin")
    rows.write_bytes(b"rubbish")
    retriever = open_hybrid(words, WordEmbedder())
    assert list(await retriever.search("honey", 3)) == list(wanted)
    [note] = retriever.notes
    assert "were made anew" in note
    assert retriever.degraded == ()


class OddLater(WordEmbedder):
    """Embeds passages well and queries badly."""

    def __init__(self, answer: NDArray[np.float32]) -> None:
        super().__init__()
        self._answer = answer

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return super().embed(texts) if len(texts) > 1 else self._answer


@pytest.mark.parametrize("answer", [np.zeros((1, 3)), np.zeros(6), np.full((1, 6), np.nan)])
async def test_an_odd_vector_of_a_query_is_a_failure(
    words: TantivyRetriever, answer: NDArray[np.float32]
) -> None:
    retriever = open_hybrid(words, OddLater(answer))
    assert titles(await retriever.search("owls", 4)) == ["Night"]
    assert "returned an array of shape" in retriever.degraded[0]


# --- off the event loop -------------------------------------------------------------------------


class Waiting(WordEmbedder):
    """Waits with every query until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.threads: set[int] = set()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if len(texts) == 1:
            self.threads.add(threading.get_ident())
            assert self.go.wait(10)
        return super().embed(texts)


async def test_a_slow_encoder_holds_neither_the_loop_nor_who_gives_up(
    words: TantivyRetriever,
) -> None:
    embedder = Waiting()
    retriever: HybridRetriever = open_hybrid(words, embedder)
    search = asyncio.ensure_future(retriever.search("owls", 4))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):  # the loop is free to notice
            await retriever.search("owls", 4)
    assert not search.done()
    embedder.go.set()
    assert titles(await search)[0] == "Night"
    assert threading.get_ident() not in embedder.threads
    assert retriever.degraded == ()
