"""Likelihood of what an answer commits to: its numbers and proper nouns, step by step."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..hygiene import MISSING_TOKEN, Checked
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable
from .views import checked_answers

__all__ = ["Cer", "critical_spans"]

_make_signal = maker(Signal)

_LARGEST_EXPONENT = 700.0
_STEP_END = re.compile(r"[.!?](?:\s+|$)|\n+")
_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")


@lru_cache(maxsize=1024)
def critical_spans(text: str) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Per step (sentence or line) that has any, where its numbers and proper nouns stand.

    A number is a run of digits with its separators. A proper noun is a capitalized word that does
    not merely open its step, or a word of two capitals or more; a step of one word is its noun.
    """
    steps = []
    start = 0
    for end in [*(mark.end() for mark in _STEP_END.finditer(text)), len(text)]:
        words = list(_WORD.finditer(text, start, end))
        spans = tuple(
            word.span()
            for place, word in enumerate(words)
            if _is_critical(word.group(), opens=place == 0 and len(words) > 1)
        )
        if spans:
            steps.append(spans)
        start = end
    return tuple(steps)


def _is_critical(word: str, *, opens: bool) -> bool:
    if word[0].isdecimal():
        return True
    capitals = sum(map(str.isupper, word))
    return capitals > 1 or (word[0].isupper() and not opens)


@dataclass(frozen=True, slots=True)
class Cer(BatchEstimator):
    """U = -sum of j m_j / sum of j over steps j = 1, 2, ..., m_j = sum of log p of a step's
    critical tokens.

    Critical are the tokens of numbers and proper nouns; later steps, which rest on the earlier,
    weigh more. `raw` is U in nats, in [0, inf), high is unsure; `value` is exp(-U). Unavailable
    where the answer is empty or a tool call, hygiene finds fault, there is no number and no proper
    noun, or a critical token lacks its logprob.

    Source: Razghandi, Hosseini and Baghshah 2025, "CER: Confidence Enhanced Reasoning in LLMs",
    arXiv 2502.14634. Departure: proper nouns are found by their capitals and not by a tagger
    (which has to be downloaded), so that languages without capitals have numbers only.
    """

    name: ClassVar[str] = "cer"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            checked if isinstance(checked, Unavailable) else self._read(checked)
            for checked in batch.shared(checked_answers)
        ]

    def _read(self, checked: Checked) -> Reading:
        if checked.arguments is not None:
            return Unavailable("tool call")
        steps = critical_spans("".join([token.token for token in checked.tokens]))
        if not steps:
            return Unavailable("no number and no proper noun")
        sums, used = [], 0
        for spans in steps:
            positions = _touched(checked, spans)
            logprobs = [checked.logprobs[i] for i in positions]
            present = [logprob for logprob in logprobs if logprob is not None]
            if len(present) < len(logprobs):
                return MISSING_TOKEN
            sums.append(math.fsum(present))
            used += len(present)
        weighted = [place * total for place, total in enumerate(sums, start=1)]
        raw = abs(math.fsum(weighted)) / (len(sums) * (len(sums) + 1) / 2)
        details: dict[str, Detail] = {"tokens": used, "steps": len(sums), **checked.counts()}
        value = math.exp(-min(raw, _LARGEST_EXPONENT))
        return _make_signal(self.name, value, raw, "uncertainty", details)


def _touched(checked: Checked, spans: tuple[tuple[int, int], ...]) -> list[int]:
    """The tokens that share a character with one of the spans."""
    found = []
    place = 0
    for position, token in enumerate(checked.tokens):
        after = place + len(token.token)
        if any(place < end and after > begin for begin, end in spans):
            found.append(position)
        place = after
    return found
