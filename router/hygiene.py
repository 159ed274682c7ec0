"""Logprob hygiene: what a provider reported becomes checked numbers, or a reason why not.

Providers fill gaps with sentinels (-9999), zeros and fewer logprobs than tokens. Every estimator
that reads logprobs goes through `check` first, so that such a gap is never taken for certainty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .content import ContentFilter, content_positions, special_flags
from .evidence import Alternative, Generation, Token
from .making import maker
from .signals import Detail, Unavailable
from .tool_calls import TRUNCATED, argument_positions, is_tool_call, truncation

__all__ = [
    "COVERAGE",
    "EMPTY_ANSWER",
    "FEW_CANDIDATES",
    "LENGTH_MISMATCH",
    "MISSING_TOKEN",
    "NO_LOGPROBS",
    "PLACEHOLDERS",
    "POSITIVE_LOGPROB",
    "TOOL_CALL",
    "Candidates",
    "Checked",
    "Selection",
    "answer_problem",
    "check",
    "narrowed",
    "select",
    "with_candidates",
]

COVERAGE = 0.9
"""The least share of content tokens that an estimator of the mean kind must have seen."""

EMPTY_ANSWER = Unavailable("empty answer")
TOOL_CALL = Unavailable("tool call")
NO_LOGPROBS = Unavailable("no logprobs")
PLACEHOLDERS = Unavailable("placeholder logprobs")
POSITIVE_LOGPROB = Unavailable("positive logprob")
LENGTH_MISMATCH = Unavailable("length mismatch")
MISSING_TOKEN = Unavailable("missing token")
FEW_CANDIDATES = Unavailable("top-k < 2")

_SENTINEL = -9999.0
_ROUNDING = 1e-6

Candidates = tuple[float, ...]
"""Logprobs of one position's alternatives, highest first."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A generation's tokens after hygiene.

    Attributes:
        tokens: as generated.
        logprobs: one a token, finite and at most 0; None where the token is missing.
        candidates: per token the usable logprobs of its alternatives, highest first; empty where
            they were not asked for.
        missing: tokens without a usable logprob.
        clamped: logprobs that were above 0 by rounding and became 0.
        dropped: alternatives without a usable logprob, left out.
        duplicates: alternatives that repeat a token of the same position, left out.
        arguments: of a tool call without text, the positions that carry its arguments' values;
            None for a text.
    """

    tokens: tuple[Token, ...]
    logprobs: tuple[float | None, ...]
    candidates: tuple[Candidates, ...] = ()
    missing: int = 0
    clamped: int = 0
    dropped: int = 0
    duplicates: int = 0
    arguments: tuple[int, ...] | None = None

    def counts(self) -> dict[str, Detail]:
        """What hygiene changed, for a signal's details; names without an occurrence left out."""
        if not (self.missing or self.clamped or self.dropped or self.duplicates):
            return {}
        found = {
            "missing_tokens": self.missing,
            "clamped": self.clamped,
            "dropped_alternatives": self.dropped,
            "duplicate_alternatives": self.duplicates,
        }
        return {name: count for name, count in found.items() if count}


_make_checked = maker(Checked)


@dataclass(frozen=True, slots=True)
class Selection:
    """The positions that an estimator may use, and what was left out.

    Attributes:
        positions: those of the content tokens whose numbers are there, in order.
        logprobs: of the tokens at these positions.
        filter: which tokens counted as content.
        coverage: share of the content tokens that `positions` makes up, in (0, 1].
    """

    positions: Sequence[int]
    logprobs: tuple[float, ...]
    filter: ContentFilter
    coverage: float


_make_selection = maker(Selection)


def answer_problem(generation: Generation) -> Unavailable | None:
    """Why there is no answer text to judge, None where there is one."""
    if generation.text.strip():
        return None
    called = generation.tool_calls or generation.finish_reason == "tool_calls"
    return TOOL_CALL if called else EMPTY_ANSWER


def check(generation: Generation, *, candidates: bool = False) -> Checked | Unavailable:
    """A generation's checked tokens, or why they cannot be used.

    A logprob that is absent, not finite or at most -9999 makes its token *missing*; up to 1e-6
    above 0 is rounding and becomes 0; more is refused. Tokens must spell the text exactly (outer
    white space and control tokens aside): they are never cut to fit. Zeros without any
    alternative that differs are a provider's placeholders. A tool call without text is judged by
    its arguments' values, where the tokens spell them.

    Args:
        candidates: check the alternatives too, see `with_candidates`.
    """
    tokens = generation.tokens
    arguments = None
    calls = is_tool_call(generation)
    if calls and truncation(generation) is not None:
        return TRUNCATED
    if calls and tokens:
        found = argument_positions(tokens, generation.tool_calls)
        if isinstance(found, Unavailable):
            return found
        arguments = tuple(found)
    else:
        problem = answer_problem(generation)
        if problem is not None:
            return problem
        if not tokens:
            return NO_LOGPROBS
        if not _spell(tokens, generation.text):
            return LENGTH_MISMATCH
    clean = _logprobs(tokens)
    if isinstance(clean, Unavailable):
        return clean
    logprobs, missing, clamped = clean
    checked = _make_checked(tokens, logprobs, (), missing, clamped, arguments=arguments)
    return with_candidates(checked) if candidates else checked


def with_candidates(checked: Checked) -> Checked | Unavailable:
    """The same with its alternatives checked, which takes five times as long as the rest.

    Apart from `check`, so that estimators that do not read alternatives are not affected by what
    is wrong with them. Refused is a positive logprob; a token listed twice is kept once.
    """
    found: list[Candidates] = []
    clamped, dropped, duplicates = checked.clamped, 0, 0
    for token in checked.tokens:
        given = token.top_logprobs
        usable = [other.logprob for other in given if _SENTINEL < other.logprob <= 0.0]
        if len(usable) == len(given) == len({other.token for other in given}):
            usable.sort(reverse=True)
            found.append(tuple(usable))
            continue
        repaired = _repair(given)
        if repaired is None:
            return POSITIVE_LOGPROB
        clean, dropped_here, clamped_here = repaired
        found.append(clean)
        dropped += dropped_here
        clamped += clamped_here
        duplicates += len(given) - dropped_here - len(clean)
    return _make_checked(
        checked.tokens,
        checked.logprobs,
        tuple(found),
        checked.missing,
        clamped,
        dropped,
        duplicates,
        checked.arguments,
    )


def select(
    checked: Checked, *, content_filter: bool, coverage: float = 1.0, least_candidates: int = 0
) -> Selection | Unavailable:
    """The content positions whose numbers are there, where they are enough.

    Args:
        coverage: the least share of content tokens: 1 for sums and minima, `COVERAGE` for means.
        least_candidates: usable alternatives that a position needs to count as there.
    """
    wanted, name = _wanted(checked, content_filter)
    logprobs = checked.logprobs
    present = [i for i in wanted if logprobs[i] is not None] if checked.missing else wanted
    if not present or len(present) < coverage * len(wanted):
        return MISSING_TOKEN
    numbers = tuple([value for i in present if (value := logprobs[i]) is not None])
    chosen = _make_selection(present, numbers, name, len(present) / len(wanted))
    return narrowed(checked, chosen, coverage, least_candidates) if least_candidates else chosen


def narrowed(
    checked: Checked, chosen: Selection, coverage: float, least_candidates: int
) -> Selection | Unavailable:
    """The positions of a selection that have enough usable alternatives, where they are enough."""
    found = checked.candidates
    present = [i for i in chosen.positions if len(found[i]) >= least_candidates]
    if len(present) == len(chosen.positions):
        return chosen
    wanted = round(len(chosen.positions) / chosen.coverage)
    if not present or len(present) < coverage * wanted:
        return FEW_CANDIDATES
    numbers = tuple([value for i in present if (value := checked.logprobs[i]) is not None])
    return _make_selection(present, numbers, chosen.filter, len(present) / wanted)


def _wanted(checked: Checked, content_filter: bool) -> tuple[Sequence[int], ContentFilter]:
    if content_filter and checked.arguments:
        return checked.arguments, "arguments"
    return content_positions(checked.tokens, enabled=content_filter)


def _spell(tokens: Sequence[Token], text: str) -> bool:
    wanted = text.strip()
    if "".join([token.token for token in tokens]).strip() == wanted:
        return True
    special = special_flags(tokens)
    plain = [token.token for token, control in zip(tokens, special, strict=True) if not control]
    return "".join(plain).strip() == wanted


def _logprobs(
    tokens: Sequence[Token],
) -> tuple[tuple[float | None, ...], int, int] | Unavailable:
    """Per token its logprob or None, and how many are missing and clamped."""
    found: list[float | None] = []
    missing = clamped = 0
    for token in tokens:
        logprob = token.logprob
        # A NaN fails every comparison, so this one catches it together with the sentinels.
        if logprob is None or not logprob > _SENTINEL:
            missing += 1
            found.append(None)
        elif logprob <= 0.0:
            found.append(logprob)
        elif logprob <= _ROUNDING:
            clamped += 1
            found.append(0.0)
        else:
            return POSITIVE_LOGPROB
    if missing == len(found):
        return NO_LOGPROBS
    if not any(found) and not clamped and not _has_real_alternative(tokens):
        return PLACEHOLDERS
    return tuple(found), missing, clamped


def _has_real_alternative(tokens: Sequence[Token]) -> bool:
    return any(_SENTINEL < other.logprob < 0.0 for token in tokens for other in token.top_logprobs)


def _repair(given: Sequence[Alternative]) -> tuple[Candidates, int, int] | None:
    """Usable logprobs, highest first, with counts of dropped and clamped; None if one is > 0.

    Of a token that is listed twice the more probable entry is kept, whatever their order.
    """
    best: dict[str, float] = {}
    dropped = clamped = 0
    for other in given:
        logprob = other.logprob
        if not logprob > _SENTINEL:
            dropped += 1
            continue
        if logprob > _ROUNDING:
            return None
        if logprob > 0.0:
            clamped += 1
            logprob = 0.0
        best[other.token] = max(logprob, best.get(other.token, logprob))
    return tuple(sorted(best.values(), reverse=True)), dropped, clamped
