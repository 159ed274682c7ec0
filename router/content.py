"""Which tokens of an answer carry content, and which are only control, white space or markup."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from .evidence import Token

__all__ = ["ContentFilter", "content_positions", "is_content", "special_flags"]

ContentFilter = Literal["content", "arguments", "fallback", "off"]
"""What a reading was made from: content tokens, the values of a tool call's arguments, all tokens
because none was content, or all tokens because the filter is off."""

_CONTROL = frozenset(
    "<s> </s> <bos> <eos> <pad> <unk> <end_of_turn> <start_of_turn> [PAD] [CLS] [SEP]".split()
)
# <|endoftext|>, <|im_end|>, <|eot_id|>; U+FF5C is the full-width bar of DeepSeek's tokenizer.
_CONTROL_FORM = re.compile(r"<[|\uff5c][^<>]+[|\uff5c]>")
_TAG = re.compile(r"</?[A-Za-z][\w:.-]*(?:\s[^<>]*)?/?>")
_ASCII_PUNCTUATION = frozenset(string.punctuation)
_NO_CONTENT = frozenset({"Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Zs", "Zl", "Zp", "Cc", "Cf"})


@lru_cache(maxsize=4096)
def _is_control(piece: str) -> bool:
    bare = piece.strip()
    return bare in _CONTROL or _CONTROL_FORM.fullmatch(bare) is not None


@lru_cache(maxsize=4096)
def is_content(piece: str) -> bool:
    """Whether a piece of text says something: not only white space, punctuation or one tag.

    Punctuation is every ASCII sign and Unicode's categories P; other symbols (currency, degree,
    emoji) and half characters of a byte-level tokenizer count as content.
    """
    bare = piece.strip()
    if bare.isalnum():
        return True
    if _TAG.fullmatch(bare):
        return False
    return any(
        sign not in _ASCII_PUNCTUATION and unicodedata.category(sign) not in _NO_CONTENT
        for sign in bare
    )


def special_flags(tokens: Sequence[Token]) -> list[bool]:
    """Which tokens are control tokens.

    The provider's marks are believed where there is at least one; without any, the well-known
    names (`</s>`, `<|im_end|>`, ...) are recognized.
    """
    if any(token.special is not None for token in tokens):
        return [token.special is True for token in tokens]
    return [_is_control(token.token) for token in tokens]


def content_positions(
    tokens: Sequence[Token], *, enabled: bool = True
) -> tuple[Sequence[int], ContentFilter]:
    """The positions that an estimator of the mean, minimum or entropy kind looks at.

    Dropped are control tokens, white space, punctuation and markup. Where nothing would be left,
    all positions are returned and the filter calls itself `fallback`; with `enabled` false every
    token counts, the end-of-sequence token included.
    """
    everything = range(len(tokens))
    if not enabled:
        return everything, "off"
    special = special_flags(tokens)
    kept = [i for i in everything if not special[i] and is_content(tokens[i].token)]
    return (kept, "content") if kept else (everything, "fallback")
