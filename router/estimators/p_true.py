"""What a model says when it is asked whether the answer is true."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..batch import Batch, BatchEstimator
from ..content import is_content, special_flags
from ..evidence import Evidence, Generation, Token
from ..hygiene import answer_problem
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable

__all__ = ["PTrue", "PTrueLmp", "PTrueSampled", "judged_token", "verdict_masses"]

_make_signal = maker(Signal)

Verdict = Literal["true", "false"]
_VERDICTS: dict[str, Verdict] = {"true": "true", "false": "false"}

_SENTINEL, _ROUNDING = -9999.0, 1e-6
_LARGEST_EXPONENT = 700.0
_MASS_ROUNDING = 1e-3


def _verdict(piece: str) -> Verdict | None:
    return _VERDICTS.get(piece.strip().strip(".,:;!\"'*`").casefold())


def judged_token(generation: Generation) -> Token | None:
    """The first token that says anything: the verdict, or what stands in its place."""
    flags = special_flags(generation.tokens)
    for token, special in zip(generation.tokens, flags, strict=True):
        if not special and is_content(token.token):
            return token
    return None


def verdict_masses(token: Token) -> tuple[float, float] | Unavailable:
    """p(true) and p(false) at a token, each summed over its spellings ("True", " true", "TRUE").

    The token itself counts beside its alternatives. Unavailable where neither is among them.
    """
    found: dict[str, float] = {}
    if token.logprob is not None:
        found[token.token] = token.logprob
    for other in token.top_logprobs:
        found[other.token] = max(other.logprob, found.get(other.token, -math.inf))
    masses: dict[Verdict, float] = {"true": 0.0, "false": 0.0}
    for piece, logprob in found.items():
        verdict = _verdict(piece)
        if verdict is None or not logprob > _SENTINEL:
            continue
        if logprob > _ROUNDING:
            return Unavailable("positive logprob")
        masses[verdict] += math.exp(min(logprob, 0.0))
    if masses["true"] + masses["false"] <= 0.0:
        return Unavailable("neither true nor false is among the alternatives")
    if masses["true"] + masses["false"] > 1.0 + _MASS_ROUNDING:
        return Unavailable("alternatives that sum to more than 1")
    return masses["true"], masses["false"]


def _asked(record: Evidence, kind: str) -> Sequence[Generation] | Unavailable:
    problem = answer_problem(record.greedy)
    if problem is not None:
        return problem
    return record.asked.get(kind) or Unavailable(f"{kind} was not asked")


@dataclass(frozen=True, slots=True)
class PTrue(BatchEstimator):
    """p(true) / (p(true) + p(false)) at the first token of the model's verdict on the answer.

    `raw` and `value` are that share, in [0, 1], higher is surer; the mass that the two cover is in
    the details. Read from the alternatives, not from what happened to be drawn: "Maybe" with true
    and false among its alternatives has a number. Unavailable where the answer is empty, the
    question was not asked, or neither word is among the alternatives.

    Source: Kadavath et al. 2022, "Language Models (Mostly) Know What They Know", arXiv 2207.05221.
    """

    name: ClassVar[str] = "p_true"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(asked="p_true")

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [self._read(record) for record in batch.records]

    def _read(self, record: Evidence) -> Reading:
        asked = _asked(record, "p_true")
        if isinstance(asked, Unavailable):
            return asked
        token = judged_token(asked[0])
        if token is None:
            return Unavailable("the verdict has no token with a logprob")
        masses = verdict_masses(token)
        if isinstance(masses, Unavailable):
            return masses
        true, false = masses
        share = true / (true + false)
        details: dict[str, Detail] = {"captured_mass": true + false, "said": token.token}
        return _make_signal(self.name, share, share, "confidence", details)


@dataclass(frozen=True, slots=True)
class PTrueLmp(BatchEstimator):
    """-log p("True") at the first token of the verdict, as LM-Polygraph 0.7.0 has it.

    `raw` is in nats, in [0, inf), high is unsure; `value` is exp(-raw). Only the exact spelling
    "True" counts, and p(false) plays no part. Unavailable where it is not among the alternatives.

    Source: Kadavath et al. 2022, arXiv 2207.05221; LM-Polygraph 0.7.0.
    """

    name: ClassVar[str] = "p_true_lmp"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(asked="p_true")

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [self._read(record) for record in batch.records]

    def _read(self, record: Evidence) -> Reading:
        asked = _asked(record, "p_true")
        if isinstance(asked, Unavailable):
            return asked
        tokens = asked[0].tokens
        found = [
            other.logprob
            for other in (tokens[0].top_logprobs if tokens else ())
            if other.token == "True" and _SENTINEL < other.logprob <= 0.0
        ]
        if not found:
            return Unavailable("True is not among the alternatives")
        raw = abs(max(found))
        value = math.exp(-min(raw, _LARGEST_EXPONENT))
        return _make_signal(self.name, value, raw, "uncertainty", {})


@dataclass(frozen=True, slots=True)
class PTrueSampled(BatchEstimator):
    """Share of "true" among sampled verdicts on the answer: for models without logprobs.

    `raw` and `value` are that share, in [0, 1], higher is surer; ten samples give eleven values. A
    verdict that begins with neither word does not count, and is counted in the details.
    Unavailable where the answer is empty, nothing was asked, or no verdict can be read.

    Source: Kadavath et al. 2022, arXiv 2207.05221; LM-Polygraph's sampled variant.
    """

    name: ClassVar[str] = "p_true_sampled"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(asked="p_true_sampled")

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [self._read(record) for record in batch.records]

    def _read(self, record: Evidence) -> Reading:
        asked = _asked(record, "p_true_sampled")
        if isinstance(asked, Unavailable):
            return asked
        verdicts = [_verdict(words[0]) for one in asked if (words := one.text.split())]
        judged = [verdict for verdict in verdicts if verdict is not None]
        if not judged:
            return Unavailable("no verdict begins with true or false")
        share = judged.count("true") / len(judged)
        details = {"m": len(judged), "unread": len(asked) - len(judged)}
        return _make_signal(self.name, share, share, "confidence", details)
