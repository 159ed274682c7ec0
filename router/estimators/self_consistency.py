"""Confidence as the share of samples that agree on the most frequent answer."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..evidence import Evidence
from ..hygiene import answer_problem
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable
from ..text import normalize_answer

__all__ = ["SelfConsistency", "answer_class"]


_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_MINUS = re.compile(r"(?<![\w)])[-\u2212](?=\d)")
_INSIDE_WORDS = re.compile(r"(?<!\d)[^\w\s]|[^\w\s](?!\d)|_")


def answer_class(text: str) -> str:
    """Texts with the same class are the same answer; the empty answer is a class of its own.

    On top of `normalize_answer`, punctuation inside words is removed rather than taken for a
    space ("Bull-fighter" is "bullfighter", "J.K." is "JK", "24,000" is "24000") except between
    digits ("3.5" is not "35"), and a minus sign counts. An answer that normalization would erase
    (the letter "A", taken for an article) is compared by its letters and digits, or as written.
    """
    plain = _MINUS.sub("minus", _THOUSANDS.sub("", unicodedata.normalize("NFKC", text)))
    found = normalize_answer(_INSIDE_WORDS.sub("", plain))
    if found:
        return found
    bare = text.strip().casefold()
    return "".join(filter(str.isalnum, bare)) or bare


@dataclass(frozen=True, slots=True)
class SelfConsistency:
    """The share of the most frequent answer among M samples, max over classes of n_c / M.

    `raw` and `value` are that share, in [1/M, 1], higher is surer, and biased upwards until it is
    calibrated. It speaks of the *majority* answer, which the details name (`majority`, as most
    samples write it) together with whether the greedy answer is of that class (`greedy_agrees`).
    The greedy answer has no vote, but breaks a tie in favor of its own class; other ties go to the
    first class in alphabetical order, and the details list all of them. An empty sample counts as
    a class of its own. Unavailable where the greedy answer is empty, without samples, and with one
    sample, whose share is 1 whatever it says.

    Source: Wang et al. 2023, "Self-Consistency Improves Chain of Thought Reasoning in Language
    Models". Also known as `label_prob`.

    Attributes:
        samples: how many to buy; what is there is used, and reported as `m`.
    """

    samples: int = 5

    name: ClassVar[str] = "self_consistency"
    version: ClassVar[int] = 1

    @property
    def needs(self) -> Needs:
        """Samples of the same prompt."""
        return Needs(samples=self.samples)

    def estimate(self, evidence: Evidence) -> Reading:
        """The signal, or why there is none."""
        problem = answer_problem(evidence.greedy)
        if problem is not None:
            return problem
        texts = [sample.text for sample in evidence.samples]
        if len(texts) < 2:
            return Unavailable("needs 2 samples" if texts else "no samples")
        class_of = {text: answer_class(text) for text in set(texts)}
        classes = [class_of[text] for text in texts]
        votes = Counter(classes)
        most = max(votes.values())
        tied = sorted(name for name, count in votes.items() if count == most)
        greedy = answer_class(evidence.greedy.text)
        winner = greedy if greedy in tied else tied[0]
        members = [text for text, name in zip(texts, classes, strict=True) if name == winner]
        details: dict[str, Detail] = {
            "majority": _usual_form(members),
            "greedy_agrees": greedy == winner,
            "m": len(texts),
            "classes": len(votes),
        }
        if len(tied) > 1:
            details["tied"] = " | ".join(tied)
        share = most / len(texts)
        return Signal(self.name, share, share, "confidence", details)


def _usual_form(texts: Sequence[str]) -> str:
    """The most frequent way of writing an answer; the first in alphabetical order among equals."""
    forms = Counter(text.strip() for text in texts)
    return min(forms, key=lambda form: (-forms[form], form))
