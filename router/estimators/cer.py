"""Likelihood of what an answer commits to: its numbers and proper nouns, step by step."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..content import special_flags
from ..hygiene import MISSING_TOKEN, TOOL_CALL, Checked
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable
from ..text import content_words
from .views import checked_answers

__all__ = ["Cer", "critical_spans"]

_make_signal = maker(Signal)

_LARGEST_EXPONENT = 700.0
_STOP = re.compile(r"[.!?]+(?:\s+|$)|\n+")
# A full stop after an initial or a form of address ends no step.
_ABBREVIATED = re.compile(r"\b(?:[A-Z]|Mr|Ms|Dr|St|Jr|Sr|Mt|Mrs|Prof)\Z")
_LIST_MARK = re.compile(r"^[ \t]*\d{1,2}[.)](?=[ \t]+\S)", re.MULTILINE)
_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_APOSTROPHE = re.compile("['\u2019]")

Spans = tuple[tuple[int, int], ...]


def critical_spans(text: str) -> tuple[Spans, ...]:
    """Per step (sentence or line) that has any, where its numbers and proper nouns stand.

    A number is a run of digits with its separators, marks of a numbered list aside. A proper noun
    is a word with a capital inside ("NASA", "iPhone"), or a capitalized one that is no function
    word ("I", "The") and does not merely open its step: it stands further in, is the step's only
    word, or the next word is capitalized too.
    """
    plain = _LIST_MARK.sub(lambda mark: " " * len(mark.group()), text)
    steps = []
    start = 0
    for end in _step_ends(plain):
        words = list(_WORD.finditer(plain, start, end))
        spans = tuple(
            [
                word.span()
                for i, word in enumerate(words)
                if not word[0].islower() and _is_critical(words, i)  # most words are all lower case
            ]
        )
        if spans:
            steps.append(spans)
        start = end
    return tuple(steps)


def _step_ends(text: str) -> list[int]:
    ends = [
        stop.end()
        for stop in _STOP.finditer(text)
        if stop.group()[0] == "\n" or not _ABBREVIATED.search(text, 0, stop.start())
    ]
    return [*ends, len(text)]


def _is_critical(words: list[re.Match[str]], place: int) -> bool:
    word = words[place][0]
    rest = word[1:]
    if word[0].isdecimal() or (rest and not rest.islower() and any(map(str.isupper, rest))):
        return True
    if not word[0].isupper() or not content_words(_APOSTROPHE.split(word)[0]):
        return False
    if place or len(words) == 1:
        return True
    after = words[1]
    return after.start() == words[0].end() + 1 and after.group()[0].isupper()


@dataclass(frozen=True, slots=True)
class Cer(BatchEstimator):
    """U = -sum of j m_j / sum of j, over the steps j = 1, 2, ... that have critical tokens.

    m_j is the sum of log p over a step's critical tokens, those of numbers and proper nouns; later
    steps, which rest on the earlier, weigh more. `raw` is U in nats, in [0, inf), high is unsure;
    `value` is exp(-U). Unavailable where the answer is empty or a tool call, hygiene finds fault,
    there is no number and no proper noun, or a critical token lacks its logprob.

    Source: Razghandi, Hosseini and Baghshah 2025, "CER: Confidence Enhanced Reasoning in LLMs",
    arXiv 2502.14634, with the product within a step and the weighted mean over steps. Departures:
    the mean is of logarithms, since that of probabilities hides a hopeless step; and proper nouns
    are found by their capitals instead of a tagger (which has to be downloaded), so that of
    languages without capitals only numbers count.
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
            return TOOL_CALL
        steps = _steps(checked)
        if not steps:
            return Unavailable("no number and no proper noun")
        sums = []
        for logprobs in steps:
            present = [logprob for logprob in logprobs if logprob is not None]
            if len(present) < len(logprobs):
                return MISSING_TOKEN
            sums.append(math.fsum(present))
        weighted = [place * total for place, total in enumerate(sums, start=1)]
        raw = abs(math.fsum(weighted)) / (len(sums) * (len(sums) + 1) / 2)
        details: dict[str, Detail] = {
            "tokens": sum(map(len, steps)),
            "steps": len(steps),
            **checked.counts(),
        }
        value = math.exp(-min(raw, _LARGEST_EXPONENT))
        return _make_signal(self.name, value, raw, "uncertainty", details)


def _steps(checked: Checked) -> list[list[float | None]]:
    """Per step that has any, the logprobs of the tokens that share a character with its spans.

    A token that reaches from one step into the next counts with the later one.
    """
    pieces = [token.token for token in checked.tokens]
    flags = special_flags(checked.tokens)
    if any(flags):
        pieces = [
            " " * len(piece) if control else piece
            for piece, control in zip(pieces, flags, strict=True)
        ]
    steps = critical_spans("".join(pieces))
    spans = [(*span, number) for number, step in enumerate(steps) for span in step]
    found: list[list[float | None]] = [[] for _ in steps]
    place = at = 0
    for piece, logprob in zip(pieces, checked.logprobs, strict=True):
        after = place + len(piece)
        while at < len(spans) and spans[at][1] <= place:
            at += 1
        touched = at
        while touched < len(spans) and spans[touched][0] < after:
            touched += 1
        if touched > at and piece:
            found[spans[touched - 1][2]].append(logprob)
        place = after
    return [logprobs for logprobs in found if logprobs]
