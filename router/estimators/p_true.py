"""What a model says when it is asked whether the answer is true."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..batch import Batch, BatchEstimator
from ..content import is_content, special_flags
from ..evidence import Evidence, Generation, Token
from ..hygiene import FEW_CANDIDATES, POSITIVE_LOGPROB, Checked, answer_problem, check
from ..making import maker
from ..protocols import Needs
from ..signals import Detail, Reading, Signal, Unavailable

__all__ = ["PTrue", "PTrueLmp", "PTrueSampled", "candidates_at", "verdict_masses"]

_make_signal = maker(Signal)

Verdict = Literal["true", "false"]
_VERDICTS: dict[str, Verdict] = {"true": "true", "false": "false"}
_NEITHER = Unavailable("neither true nor false is among the alternatives")

_SENTINEL, _ROUNDING = -9999.0, 1e-6
_LARGEST_EXPONENT = 700.0


def _verdict(piece: str) -> Verdict | None:
    return _VERDICTS.get(piece.strip().strip(".,:;!\"'*`").casefold())


def candidates_at(token: Token) -> dict[str, float] | Unavailable:
    """The usable candidates at a position with their logprobs, the token itself among them.

    A candidate that is listed twice counts once, with its higher probability. Unavailable where a
    logprob is positive by more than rounding.
    """
    found: dict[str, float] = {}
    listed = [(other.token, other.logprob) for other in token.top_logprobs]
    if token.logprob is not None:
        listed.append((token.token, token.logprob))
    for piece, logprob in listed:
        if not logprob > _SENTINEL:  # a NaN fails the comparison
            continue
        if logprob > _ROUNDING:
            return POSITIVE_LOGPROB
        clean = min(logprob, 0.0)
        found[piece] = max(clean, found.get(piece, clean))
    return found


def verdict_masses(token: Token) -> tuple[float, float] | Unavailable:
    """p(true) and p(false) at a token, each summed over its spellings ("True", " true", "TRUE").

    Unavailable where neither is among the candidates, and with fewer than two of them: the other
    word's probability would be unknown, not 0.
    """
    candidates = candidates_at(token)
    if isinstance(candidates, Unavailable):
        return candidates
    if len(candidates) < 2:
        return FEW_CANDIDATES
    masses: dict[Verdict, list[float]] = {"true": [], "false": []}
    for piece, logprob in candidates.items():
        verdict = _verdict(piece)
        if verdict is not None:
            masses[verdict].append(math.exp(logprob))
    true, false = math.fsum(masses["true"]), math.fsum(masses["false"])
    return (true, false) if true + false > 0.0 else _NEITHER


def _asked(record: Evidence, kind: str) -> Sequence[Generation] | Unavailable:
    problem = answer_problem(record.greedy)
    if problem is not None:
        return problem
    return record.asked.get(kind) or Unavailable(f"{kind} was not asked")


def _checked_verdict(record: Evidence) -> Checked | Unavailable:
    asked = _asked(record, "p_true")
    if isinstance(asked, Unavailable):
        return asked
    checked = check(asked[0])
    return (
        Unavailable(f"verdict: {checked.reason}") if isinstance(checked, Unavailable) else checked
    )


def _first_content(checked: Checked) -> Token:
    for token, special in zip(checked.tokens, special_flags(checked.tokens), strict=True):
        if not special and is_content(token.token):
            return token
    return checked.tokens[0]


@dataclass(frozen=True, slots=True)
class PTrue(BatchEstimator):
    """p(true) / (p(true) + p(false)) at the first content token of the model's verdict.

    `raw` and `value` are that share, in [0, 1], higher is surer, each of the two summed over its
    spellings; the mass that they cover together and the verdict drawn are in the details. Read
    from the candidates and not from what happened to be drawn: "Maybe" with true and false among
    its alternatives has a number. No later token is looked at: "not true" is no "true".
    Unavailable where the answer is empty, the question was not asked, hygiene finds fault with the
    verdict's tokens, there are fewer than two candidates, or neither word is among them.

    Source: Kadavath et al. 2022, "Language Models (Mostly) Know What They Know", arXiv 2207.05221.
    """

    name: ClassVar[str] = "p_true"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(asked="p_true")

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [self._read(record) for record in batch.records]

    def _read(self, record: Evidence) -> Reading:
        checked = _checked_verdict(record)
        if isinstance(checked, Unavailable):
            return checked
        token = _first_content(checked)
        masses = verdict_masses(token)
        if isinstance(masses, Unavailable):
            return masses
        true, false = masses
        share = true / (true + false)
        details: dict[str, Detail] = {
            "captured_mass": true + false,
            "said": _verdict(token.token) or "neither",
            "k": len(token.top_logprobs),
        }
        return _make_signal(self.name, share, share, "confidence", details)


@dataclass(frozen=True, slots=True)
class PTrueLmp(BatchEstimator):
    """-log p("True") at the very first token of the verdict, as LM-Polygraph 0.7.0 has it.

    `raw` is in nats, in [0, inf), high is unsure; `value` is exp(-raw). Only the exact spelling
    "True" counts, and p(false) plays no part. Unavailable where the answer is empty, the question
    was not asked, hygiene finds fault, or "True" is not among the candidates.

    Source: Kadavath et al. 2022, arXiv 2207.05221; LM-Polygraph 0.7.0.
    """

    name: ClassVar[str] = "p_true_lmp"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(asked="p_true")

    def estimate_batch(self, batch: Batch) -> list[Reading]:
        """One reading a record."""
        return [self._read(record) for record in batch.records]

    def _read(self, record: Evidence) -> Reading:
        checked = _checked_verdict(record)
        if isinstance(checked, Unavailable):
            return checked
        candidates = candidates_at(checked.tokens[0])
        if isinstance(candidates, Unavailable):
            return candidates
        logprob = candidates.get("True")
        if logprob is None:
            return Unavailable("True is not among the alternatives")
        value = math.exp(max(logprob, -_LARGEST_EXPONENT))
        details: dict[str, Detail] = {"k": len(checked.tokens[0].top_logprobs)}
        return _make_signal(self.name, value, abs(logprob), "uncertainty", details)


@dataclass(frozen=True, slots=True)
class PTrueSampled(BatchEstimator):
    """Share of "true" among sampled verdicts on the answer: for models without logprobs.

    `raw` and `value` are that share, in [0, 1], higher is surer; ten samples give eleven values. A
    verdict that begins with neither word does not count, and is counted as `unread` in the
    details. Unavailable where the answer is empty, nothing was asked, or no verdict can be read.

    Source: Kadavath et al. 2022, arXiv 2207.05221; LM-Polygraph's sampled variant, which takes
    what it cannot read for "false".
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
        details: dict[str, Detail] = {"m": len(judged), "unread": len(asked) - len(judged)}
        return _make_signal(self.name, share, share, "confidence", details)
