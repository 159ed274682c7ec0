"""One reader for the logprobs of every provider, in whatever shape they arrive.

Shapes are those of the OpenAI-compatible wire, of LangChain's `response_metadata["logprobs"]`, and
what a checkpoint or JSON made of them: chat completions put `{"content": [entry, ...]}`, the
Responses API a list into each block of text, some integrations a bare list of dicts or of objects,
the older text completions four parallel lists. All become `Token` records; checking the numbers'
plausibility is left to the estimators' own hygiene, so that one rule holds for recorded evidence as
well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..router.content import special_flags
from ..router.evidence import Alternative, Token
from ..router.making import maker
from .logprob_shapes import PieceDecoder, encodable, escaped_bytes, field_of, found_in, is_list

__all__ = ["TokenReader", "TokenReading", "read_logprobs", "spell"]

_SENTINEL = -9999.0
_INFINITY = math.inf
_make_token = maker(Token)


@dataclass(frozen=True, slots=True)
class TokenReading:
    """The tokens that were found; where there are none, `reason` says why."""

    tokens: tuple[Token, ...] = ()
    reason: str | None = None


def read_logprobs(raw: object) -> TokenReading:
    """Turn a provider's logprobs into tokens, natural logarithms as they came.

    A logprob that is absent, not a number, not finite or at most -9999 (a sentinel) becomes None:
    missing, never 0. An alternative with such a logprob is left out. Where `bytes` are given they
    are decoded across token borders, so that a character split over tokens joins correctly: its
    first tokens then have no text of their own. Never raises: what cannot be read as logprobs
    gives no tokens and a reason.
    """
    reader = TokenReader()
    reader.add(raw)
    return reader.reading()


class TokenReader:
    """Reads logprobs piece by piece, as a stream brings them; `read_logprobs` is one piece.

    Attributes:
        tokens: those so far. A character that is not whole yet comes with its last token.
    """

    def __init__(self) -> None:
        self.tokens: list[Token] = []
        self._reason: str | None = None
        self._nothing = "the provider sent no logprobs"
        self._decoder = PieceDecoder()

    @property
    def is_readable(self) -> bool:
        """Whether everything so far was read."""
        return self._reason is None

    def add(self, raw: object) -> None:
        """Take in the next piece, in any shape; None adds nothing."""
        if self._reason is not None:
            return
        if raw is None:
            return
        found = found_in(raw)
        if found is None:
            return
        if isinstance(found, Mapping) and "tokens" in found:
            self._reason = self._add_lists(found)
        elif not is_list(found):
            self._reason = f"logprobs of an unknown shape ({type(raw).__name__})"
        elif not found:
            self._nothing = "the provider sent an empty list of logprobs"
        else:
            self._reason = self._add_entries(found)

    def reading(self) -> TokenReading:
        """The tokens of all pieces, or why there are none."""
        if self._reason is not None:
            return TokenReading(reason=self._reason)
        if not self.tokens:
            return TokenReading(reason=self._nothing)
        rest = self._decoder.rest()
        if rest:
            last = self.tokens[-1]
            self.tokens[-1] = Token(last.token + rest, last.logprob, last.top_logprobs)
        return TokenReading(_without_extra(tuple(self.tokens)))

    def _add_entries(self, entries: Sequence[Any]) -> str | None:
        decoded, tokens = self._decoder.text, self.tokens
        for entry in entries:
            if type(entry) is dict:
                get = entry.get
                name, raw_bytes = get("token"), get("bytes")
                value, tops = get("logprob"), get("top_logprobs")
            else:
                name, raw_bytes = field_of(entry, "token"), field_of(entry, "bytes")
                value, tops = field_of(entry, "logprob"), field_of(entry, "top_logprobs")
            if not isinstance(name, str):
                return f"logprob entry {len(tokens)} has no token text"
            text = decoded(name, raw_bytes)
            if type(entry) is dict and "id" in entry and _is_cut(entry, text, tokens):
                return f"logprob entry {len(tokens)} is not of the text beside it"
            tokens.append(_make_token(text, _logprob(value), _alternatives(tops)))
        return None

    def _add_lists(self, raw: Mapping[Any, Any]) -> str | None:
        names, logprobs, tops = (
            raw.get(key) for key in ("tokens", "token_logprobs", "top_logprobs")
        )
        if not is_list(names) or not all(isinstance(name, str) for name in names):
            return "'tokens' is not a list of strings"
        if not names:
            self._nothing = "the provider sent an empty list of logprobs"
        for key, values in (("token_logprobs", logprobs), ("top_logprobs", tops)):
            if values is not None and (not is_list(values) or len(values) != len(names)):
                return f"'{key}' has not one entry for each of 'tokens'"
        for place, name in enumerate(names):
            self.tokens.append(
                Token(
                    self._decoder.text(name, escaped_bytes(name)),
                    _logprob(logprobs[place]) if logprobs is not None else None,
                    _alternatives(tops[place]) if tops is not None else (),
                )
            )
        return None


def spell(tokens: Sequence[Token], text: str) -> bool:
    """Whether the tokens join to the text, outer white space and control tokens aside."""
    wanted = text.strip()
    if "".join([token.token for token in tokens]).strip() == wanted:
        return True
    flags = special_flags(tokens)
    plain = [token.token for token, special in zip(tokens, flags, strict=True) if not special]
    return "".join(plain).strip() == wanted


def _is_cut(entry: dict[Any, Any], text: str, before: Sequence[Token]) -> bool:
    """Whether llama.cpp shows the number of one token beside the text of more, or of less.

    It holds text back that may begin a stop sequence. In streams of chat the tokens of that text
    are then lost, and it comes with the next token's number; a stop inside a token cuts its text.
    Its entries have ids, by which the token's own text is found among the alternatives.
    """
    tops = entry.get("top_logprobs")
    if not text or not isinstance(tops, list):
        return False
    wanted = entry["id"]
    own = next(
        (top.get("token") for top in tops if type(top) is dict and top.get("id") == wanted), None
    )
    if not isinstance(own, str) or not own or own == text:
        return False
    if own.startswith(text):
        return True
    # Tokens held back but not lost stand before this one, without a text.
    return text.endswith(own) and not (before and not before[-1].token)


def _without_extra(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """The tokens with k alternatives each, where some have one more: the token that was drawn.

    vLLM lists the k most probable ones, and the drawn one beside where it is none of them: numbers
    over k and over k + 1 alternatives do not compare. Untouched where that does not explain every
    difference in number.
    """
    widths = {len(token.top_logprobs) for token in tokens}
    if len(widths) != 2 or max(widths) != min(widths) + 1 or min(widths) < 2:
        return tokens
    cut = []
    for token in tokens:
        listed = sorted(token.top_logprobs, key=lambda other: -other.logprob)
        if len(listed) == max(widths):
            if listed[-1].token != token.token:
                return tokens
            kept = tuple([other for other in token.top_logprobs if other is not listed[-1]])
            token = Token(token.token, token.logprob, kept, token.special)
        cut.append(token)
    return tuple(cut)


def _logprob(value: object) -> float | None:
    # The comparison is false for NaN.
    if type(value) is float:
        return value if _SENTINEL < value < _INFINITY else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if _SENTINEL < number < _INFINITY else None


def _alternatives(raw: object) -> tuple[Alternative, ...]:
    if type(raw) is list:
        usual = _usual_alternatives(raw)
        if usual is not None:
            return usual
    pairs: Iterable[tuple[object, object]]
    if isinstance(raw, Mapping):
        pairs = raw.items()
    elif is_list(raw):
        pairs = [(field_of(entry, "token"), field_of(entry, "logprob")) for entry in raw]
    else:
        return ()
    found = []
    for name, value in pairs:
        logprob = _logprob(value)
        if logprob is not None and isinstance(name, str):
            found.append(Alternative(encodable(name), logprob))
    return tuple(found)


class _Unfrozen:
    """An alternative in the making, see `router.making`: here a call each would be too slow."""

    __slots__ = ("logprob", "token")


def _usual_alternatives(raw: list[Any]) -> tuple[Alternative, ...] | None:
    """The alternatives, if they are what nearly always comes: dicts with a text and a float."""
    found: list[Any] = []
    keep = found.append
    try:
        for entry in raw:
            name, value = entry["token"], entry["logprob"]
            if type(value) is not float or type(name) is not str:
                return None
            if not _SENTINEL < value < _INFINITY:
                return None
            made: Any = _Unfrozen()
            made.token = name if name.isascii() else encodable(name)
            made.logprob = value
            made.__class__ = Alternative
            keep(made)
    except (KeyError, TypeError, IndexError):
        return None
    return tuple(found)
