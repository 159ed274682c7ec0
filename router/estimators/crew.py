"""Confidence as the probability of the tokens that state the final answer."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import ClassVar

from ..batch import Batch, BatchEstimator
from ..content import content_positions
from ..evidence import Token
from ..hygiene import MISSING_TOKEN, Checked, Selection
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable
from .views import chosen_tokens

__all__ = ["Crew", "answer_span"]

_make_signal = maker(Signal)

_MARK = re.compile(r"(?:final\s+answer|answer)\b(?:\s+is)?\s*[:=]?\s*|####\s*", re.IGNORECASE)
_MAYBE_MARKED = re.compile(r"answer|####|\\boxed", re.IGNORECASE)
_BOX = "\\boxed{"


def answer_span(text: str) -> tuple[int, int] | None:
    r"""Where the final answer stands in a text: its first place and the one after its last.

    In this order: what the last `\boxed{...}` holds; what follows the last "answer is", "answer:"
    or "####", to the end of its line; the whole of a text of one line. None where a longer text
    marks no answer.
    """
    begin, end = len(text) - len(text.lstrip()), len(text.rstrip())
    if _MAYBE_MARKED.search(text) is None:  # most short answers: there is nothing to look for
        return (begin, end) if end > begin and "\n" not in text[begin:end] else None
    found = _boxed(text)
    if found is not None:
        return found
    marks = [mark for mark in _MARK.finditer(text) if text[mark.end() : mark.end() + 1].strip()]
    if marks:
        start = marks[-1].end()
        line = text[start:].split("\n", 1)[0].rstrip().rstrip(".")
        return (start, start + len(line)) if line else None
    return (begin, end) if end > begin and "\n" not in text[begin:end] else None


def _boxed(text: str) -> tuple[int, int] | None:
    start = text.rfind(_BOX)
    if start < 0:
        return None
    start += len(_BOX)
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return (start, place) if place > start else None
    return None


@dataclass(frozen=True, slots=True)
class Crew(BatchEstimator):
    """Mean probability of the content tokens of the *final answer* within the greedy answer.

    For close-ended tasks, where a text reasons first and states its answer last: how sure the
    reasoning was worded says little. `raw` and `value` are that mean, in [0, 1], higher is surer;
    the details hold the answer and its number of tokens. `answer_span` says where it is found.
    Unavailable where the answer is empty, hygiene finds fault, a longer text marks no final
    answer, or any of its tokens lacks its logprob.

    Source: Du et al. 2025, "Confidence as a Reward: Transforming LLMs into Reward Models" (CRew),
    arXiv 2510.13501. How the answer is found, and that the tokens' probabilities are averaged
    arithmetically, is our reading.

    Attributes:
        content_filter: look at content tokens only; without it every token of the answer counts.
    """

    content_filter: bool = True

    name: ClassVar[str] = "crew"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(logprobs=True)

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [
            found if isinstance(found, Unavailable) else self._read(*found)
            for found in batch.shared(chosen_tokens, self.content_filter)
        ]

    def _read(self, checked: Checked, chosen: Selection) -> Reading:
        tokens = checked.tokens
        if checked.arguments is None:
            text = "".join([token.token for token in tokens])
            span = answer_span(text)
            if span is None:
                return Unavailable("no final answer is marked")
            shown, inside = text[slice(*span)], _touching(tokens, *span)
        else:
            shown, inside = "tool call", list(checked.arguments)
        if len(inside) == len(tokens) or checked.arguments is not None:
            present, filtered = chosen.logprobs, chosen.filter
            whole = chosen.coverage == 1.0
        else:
            kept, filtered = content_positions(
                [tokens[i] for i in inside], enabled=self.content_filter
            )
            logprobs = [checked.logprobs[inside[i]] for i in kept]
            present = tuple([logprob for logprob in logprobs if logprob is not None])
            whole = len(present) == len(logprobs)
        if not whole:
            return MISSING_TOKEN
        raw = math.fsum(map(math.exp, present)) / len(present)
        details: dict[str, Detail] = {"answer": shown, "tokens": len(present), "filter": filtered}
        return _make_signal(self.name, raw, raw, "confidence", details | checked.counts())


def _touching(tokens: tuple[Token, ...], begin: int, end: int) -> list[int]:
    """The tokens with at least one character between two places of the joined text."""
    found = []
    place = 0
    for position, token in enumerate(tokens):
        after = place + len(token.token)
        if place < end and after > begin:
            found.append(position)
        place = after
    return found
