"""One reader for the token logprobs of every provider.

Shapes differ by provider and by what a checkpoint or JSON made of them: chat completions put
`{"content": [entry, ...]}`, some integrations a bare list of dicts or of objects, the older text
completions four parallel lists. All become `Token` records; checking the numbers' plausibility
is left to the estimators' own hygiene, so that one rule holds for recorded evidence as well.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from ..router.content import special_flags
from ..router.evidence import Alternative, Token

__all__ = ["TokenReading", "read_logprobs", "spell"]

_SENTINEL = -9999.0
_ESCAPED = re.compile(r"\\x([0-9a-fA-F]{2})")


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
    if raw is None:
        return TokenReading(reason="the provider sent no logprobs")
    if isinstance(raw, Mapping) and "content" not in raw and "tokens" in raw:
        return _legacy(raw)
    entries = _field(raw, "content", raw)
    if entries is None:
        return TokenReading(reason="the provider sent no logprobs")
    if not _is_list(entries):
        return TokenReading(reason=f"logprobs of an unknown shape ({type(raw).__name__})")
    if not entries:
        return TokenReading(reason="the provider sent an empty list of logprobs")
    return _entries(entries)


def spell(tokens: Sequence[Token], text: str) -> bool:
    """Whether the tokens join to the text, outer white space and control tokens aside."""
    wanted = text.strip()
    if "".join([token.token for token in tokens]).strip() == wanted:
        return True
    flags = special_flags(tokens)
    plain = [token.token for token, special in zip(tokens, flags, strict=True) if not special]
    return "".join(plain).strip() == wanted


def _entries(entries: Sequence[Any]) -> TokenReading:
    decoder = _PieceDecoder()
    tokens = []
    for place, entry in enumerate(entries):
        name = _field(entry, "token", None)
        if not isinstance(name, str):
            return TokenReading(reason=f"logprob entry {place} has no token text")
        tokens.append(
            Token(
                decoder.text(name, _field(entry, "bytes", None)),
                _logprob(_field(entry, "logprob", None)),
                _alternatives(_field(entry, "top_logprobs", None)),
            )
        )
    return TokenReading(_without_extra(_with_rest(tokens, decoder.rest())))


def _legacy(raw: Mapping[Any, Any]) -> TokenReading:
    names, logprobs, tops = (raw.get(key) for key in ("tokens", "token_logprobs", "top_logprobs"))
    if not _is_list(names) or not all(isinstance(name, str) for name in names):
        return TokenReading(reason="'tokens' is not a list of strings")
    if not names:
        return TokenReading(reason="the provider sent an empty list of logprobs")
    for key, values in (("token_logprobs", logprobs), ("top_logprobs", tops)):
        if values is not None and (not _is_list(values) or len(values) != len(names)):
            return TokenReading(reason=f"'{key}' has not one entry for each of 'tokens'")
    decoder = _PieceDecoder()
    tokens = [
        Token(
            decoder.text(name, _escaped_bytes(name)),
            _logprob(logprobs[i]) if logprobs is not None else None,
            _alternatives(tops[i]) if tops is not None else (),
        )
        for i, name in enumerate(names)
    ]
    return TokenReading(_without_extra(_with_rest(tokens, decoder.rest())))


class _PieceDecoder:
    """Decodes the pieces of one text, of which each may end inside a character."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def text(self, name: str, raw_bytes: object) -> str:
        data = _as_bytes(raw_bytes)
        if data is None:
            return self.rest() + name
        return self._decoder.decode(data)

    def rest(self) -> str:
        """A replacement character where the pieces so far end inside a character."""
        return self._decoder.decode(b"", final=True)


def _with_rest(tokens: list[Token], rest: str) -> tuple[Token, ...]:
    if rest:
        last = tokens[-1]
        tokens[-1] = Token(last.token + rest, last.logprob, last.top_logprobs)
    return tuple(tokens)


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


def _as_bytes(value: object) -> bytes | None:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, list | tuple):
        return None
    if not all(type(byte) is int and 0 <= byte <= 255 for byte in value):
        return None
    return bytes(value)


def _escaped_bytes(name: str) -> bytes | None:
    """What the older completions write for half a character: `bytes:\\xe2\\x80`."""
    prefix, mark, body = name.partition("bytes:")
    if prefix or not mark or not body or _ESCAPED.sub("", body):
        return None
    return bytes(int(pair, 16) for pair in _ESCAPED.findall(body))


def _logprob(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number > _SENTINEL else None


def _alternatives(raw: object) -> tuple[Alternative, ...]:
    pairs: Iterable[tuple[object, object]]
    if isinstance(raw, Mapping):
        pairs = raw.items()
    elif _is_list(raw):
        pairs = [(_field(entry, "token", None), _field(entry, "logprob", None)) for entry in raw]
    else:
        return ()
    found = []
    for name, value in pairs:
        logprob = _logprob(value)
        if isinstance(name, str) and logprob is not None:
            found.append(Alternative(name, logprob))
    return tuple(found)


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple)


def _field(entry: Any, name: str, default: Any) -> Any:
    """A dict's entry or an object's attribute of that name."""
    if isinstance(entry, Mapping):
        return entry.get(name, default)
    # Lists and strings have no such attribute; a property that fails is as good as absent.
    try:
        return getattr(entry, name, default)
    except Exception:  # foreign objects: their attribute access may do anything
        return default
