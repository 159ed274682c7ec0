"""Where the steps of an answer end: the places at which a draft is judged while it is written.

A place depends on what stands before it and on the token that follows, and on nothing after that.
So a draft is parted in the same way whether its tokens come one by one or all at once.

Source of the places: Han et al. 2025, "Mind the Generation Process: Fine-Grained Confidence
Estimation During LLM Generation" (FineCE), arXiv 2508.12040.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from ..errors import ConfigurationError
from ..evidence import Token

__all__ = [
    "EntropyTrigger",
    "EveryTokens",
    "Lines",
    "Paragraphs",
    "Positions",
    "Sentences",
    "parse_positions",
]

# A full stop ends a sentence before white space, unless a lower case letter follows ("e.g. this").
# Quotes and brackets behind the stop. Possessive: a place must not move back to before one of them
# as long as what follows is not there yet.
_CLOSING = "[\"'\u201d\u2019)\\]*]*+"
_WIDE_STOPS = "\u3002\uff01\uff1f"  # of Chinese and Japanese, with no space behind them
_SENTENCE_END = re.compile(
    rf"[.!?\u2026]{_CLOSING}\s++(?=\S)|[{_WIDE_STOPS}]{_CLOSING}\s*+(?=\S)|\n\s*+(?=\S)"
)
_STOP = re.compile(rf"[.!?\u2026{_WIDE_STOPS}\n]")
_LINE_END = re.compile(r"\n\s*(?=\S)")
_PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n\s*(?=\S)")
_SHORTENED = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|vs|No|Nos|Fig|Eq|Sec|Ch|cf|ca|etc|approx)\.$"
)
# "1.", "(a)", "-", "**": what only marks the text behind it is no step.
_MARK = re.compile(r"\s*[-*#(\[\u2022]*\s*(?:(?:\d{1,3}|[A-Za-z])[.)\]:]+)?[\s*_]*")


class Positions(Protocol):
    """Parts an answer into steps. Pure."""

    @property
    def name(self) -> str:
        """As it is configured, `parse_positions` reads it."""
        ...

    def ends(self, tokens: Sequence[Token], seen: int = 0) -> tuple[int, ...]:
        """Numbers of the tokens with which a further step begins, rising, each in [1, T).

        Those of the first n tokens are those of all tokens that lie below n.

        Args:
            seen: only those from this token on are wanted.
        """
        ...


@dataclass(frozen=True, slots=True)
class Sentences:
    """After each sentence, and at each line break. Marks before a text ("1.") are no steps."""

    @property
    def name(self) -> str:
        """`sentence`."""
        return "sentence"

    def ends(self, tokens: Sequence[Token], seen: int = 0) -> tuple[int, ...]:
        """See `Positions`."""
        return _ends(tokens, _sentence_ends, seen)


@dataclass(frozen=True, slots=True)
class Lines:
    """At each line break between texts."""

    @property
    def name(self) -> str:
        """`line`."""
        return "line"

    def ends(self, tokens: Sequence[Token], seen: int = 0) -> tuple[int, ...]:
        """See `Positions`."""
        return _ends(tokens, lambda text: _found(_LINE_END, text), seen)


@dataclass(frozen=True, slots=True)
class Paragraphs:
    """At each blank line between texts."""

    @property
    def name(self) -> str:
        """`paragraph`."""
        return "paragraph"

    def ends(self, tokens: Sequence[Token], seen: int = 0) -> tuple[int, ...]:
        """See `Positions`."""
        return _ends(tokens, lambda text: _found(_PARAGRAPH_END, text), seen)


@dataclass(frozen=True, slots=True)
class EveryTokens:
    """After every `n` tokens.

    Raises:
        ConfigurationError: `n` is below 1.
    """

    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigurationError(f"expected at least 1 token a step, got {self.n}")

    @property
    def name(self) -> str:
        """`tokens:N`."""
        return f"tokens:{self.n}"

    def ends(self, tokens: Sequence[Token], seen: int = 0) -> tuple[int, ...]:
        """See `Positions`."""
        first = max(1, -(-seen // self.n)) * self.n
        return tuple(range(first, len(tokens), self.n))


@dataclass(frozen=True, slots=True)
class EntropyTrigger:
    """Before each token that the model is suddenly unsure of.

    Token t begins a step where its entropy H_t > max(least, mu + k * max(s, least_spread)), with mu
    and s the mean and the standard deviation of the entropies of the `window` tokens before it (of
    those that there are). Entropies are in nats, of the reported candidates renormalized to 1; a
    token with fewer than two candidates has none, begins nothing and is left out of mu and s.

    Source: Mu et al. 2025, "Self-Reflective Generation at Test Time" (SRGen), arXiv 2510.02919:
    its trigger alone, with its constants.
    """

    window: int = 20
    k: float = 2.0
    least: float = 1.8
    least_spread: float = 0.5

    @property
    def name(self) -> str:
        """`entropy`."""
        return "entropy"

    def ends(self, tokens: Sequence[Token], seen: int = 0) -> tuple[int, ...]:
        """See `Positions`."""
        first = max(1, seen)
        start = max(0, first - self.window)
        entropies = [_entropy(token) for token in tokens[start:]]
        found = []
        for t in range(first, len(tokens)):
            own = entropies[t - start]
            if own is None or own <= self.least:
                continue
            span = entropies[max(0, t - self.window - start) : t - start]
            before = [h for h in span if h is not None]
            if not before:
                continue
            mean = math.fsum(before) / len(before)
            spread = math.sqrt(math.fsum((h - mean) ** 2 for h in before) / len(before))
            if own > mean + self.k * max(spread, self.least_spread):
                found.append(t)
        return tuple(found)


_NAMED: tuple[Positions, ...] = (Sentences(), Lines(), Paragraphs(), EntropyTrigger())


def parse_positions(name: str) -> Positions:
    """What `sentence`, `line`, `paragraph`, `entropy` or `tokens:N` stands for.

    Raises:
        ConfigurationError: it is none of these.
    """
    for one in _NAMED:
        if one.name == name:
            return one
    kind, _, number = name.partition(":")
    if kind == "tokens" and number.isdecimal():
        return EveryTokens(int(number))
    known = ", ".join(one.name for one in _NAMED)
    raise ConfigurationError(f"expected {known} or tokens:N, got {name!r}", field="positions")


def _found(pattern: re.Pattern[str], text: str) -> Iterator[int]:
    return (match.end() for match in pattern.finditer(text) if text[: match.start()].strip())


def _sentence_ends(text: str) -> Iterator[int]:
    start = 0
    for match in _SENTENCE_END.finditer(text):
        end = match.end()
        step = text[start : match.start() + 1].rstrip()
        if _MARK.fullmatch(step):
            continue
        if "\n" not in match.group():
            is_shortened = _SHORTENED.search(step) is not None
            if is_shortened or (match.group()[0] == "." and text[end].islower()):
                continue
        yield end
        start = end


def _ends(
    tokens: Sequence[Token], of_text: Callable[[str], Iterator[int]], seen: int
) -> tuple[int, ...]:
    if seen and not _may_end(tokens, seen):
        return ()
    starts = [0, *accumulate([len(token.token) for token in tokens])][:-1]
    text = "".join([token.token for token in tokens])
    found = []
    last = 0
    for place in of_text(text):
        token = bisect_right(starts, place) - 1  # white space before a word belongs to its token
        if token > last:
            found.append(token)
            last = token
    return tuple([end for end in found if end >= seen]) if seen else tuple(found)


def _may_end(tokens: Sequence[Token], seen: int) -> bool:
    """Whether a step can end at or after a token: something that ends one stands there, or before
    it with nothing but white space and closing signs between."""
    first = min(seen, len(tokens)) - 1
    while first > 0 and not any(sign.isalnum() for sign in tokens[first].token):
        first -= 1
    return any([_STOP.search(token.token) for token in tokens[max(0, first) :]])


def _entropy(token: Token) -> float | None:
    weights = [math.exp(min(one.logprob, 0.0)) for one in token.top_logprobs]
    weights = [weight for weight in weights if weight > 0.0]  # NaN and sentinels are not
    if len(weights) < 2:
        return None
    total = math.fsum(weights)
    return -math.fsum(w / total * math.log(w / total) for w in weights)
