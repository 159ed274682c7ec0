"""An encoder that can be worked out by hand: one dimension a topic, a word or two for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from surefoot.router.errors import UpstreamUnavailable

TOPICS = (
    ("bee", "bees", "honey", "insects"),
    ("owl", "owls", "birds", "bird"),
    ("ant", "ants", "colony"),
    ("file", "document", "read"),
    ("line", "row"),
)


class WordEmbedder:
    """Embeds by counting words of a topic; remembers every text that it was given.

    Args:
        fail: raises UpstreamUnavailable whenever this says so.
    """

    def __init__(
        self,
        name: str = "words@1",
        *,
        width: int = 6,
        fail: Callable[[], bool] = lambda: False,
    ) -> None:
        self.name = name
        self.texts: list[str] = []
        self.calls = 0
        self.fail = fail
        self._width = width

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.calls += 1
        if self.fail():
            raise UpstreamUnavailable("the encoder has no memory")
        self.texts += texts
        rows = np.zeros((len(texts), self._width), np.float32)
        for row, text in zip(rows, texts, strict=True):
            words = [word.strip(".,?!").lower() for word in text.split()]
            for place, topic in enumerate(TOPICS):
                row[place] = sum(word in topic for word in words)
            row[-1] = 0.5
            row /= np.linalg.norm(row)
        return rows
