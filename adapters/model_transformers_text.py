"""From token ids to text, token by token: characters split over tokens, and stop strings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..router.evidence import Alternative, Token

__all__ = ["AnswerText", "TokenTexts"]

_BROKEN = "\N{REPLACEMENT CHARACTER}"
_WINDOW = 8  # tokens before the new ones that decoding looks at; a character has four at most


class TokenTexts:
    """The text of single tokens, as it stands in the middle of a line.

    Some tokenizers drop the space before the first token of a text, so a token is decoded behind
    another one, whose text is then taken off.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._special = frozenset(tokenizer.all_special_ids)
        self._anchor = self._find_anchor()
        self._front = self.decode(self._anchor)
        self._known: dict[int, str] = {}

    def decode(self, ids: Sequence[int]) -> str:
        """The text of these tokens, control tokens left out."""
        text: str = self._tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def is_special(self, token: int) -> bool:
        """Whether it is a control token."""
        return token in self._special

    def text(self, token: int) -> str:
        """The token's own text: of a control token its name, of half a character its sign."""
        found = self._known.get(token)
        if found is None:
            if token in self._special:
                found = str(self._tokenizer.convert_ids_to_tokens(token))
            else:
                found = self.decode([*self._anchor, token])[len(self._front) :]
            self._known[token] = found
        return found

    def _find_anchor(self) -> list[int]:
        ids: list[int] = self._tokenizer.encode("a", add_special_tokens=False)
        return ids[-1:]


class AnswerText:
    """One answer as it grows.

    A token that ends inside a character has no text; the one that completes it has all of it. The
    text ends before the stop string that is complete first, be it inside a token or across several.

    Attributes:
        ids: the tokens so far.
        is_stopped: whether a stop string has come.
    """

    def __init__(self, texts: TokenTexts, before: Sequence[int], stops: Sequence[str]) -> None:
        self._texts = texts
        self._window = list(before[-_WINDOW:])
        self._decoded = texts.decode(self._window)
        self._stops = tuple(stops)
        self._tokens: list[Token] = []
        self._text = ""
        self._ends: list[int] = []  # of each token in the text
        self._cut: int | None = None
        self.ids: list[int] = []

    @property
    def is_stopped(self) -> bool:
        """Whether a stop string has come."""
        return self._cut is not None

    def add(self, token: int, logprob: float | None, others: Sequence[tuple[int, float]]) -> None:
        """Take in the next token."""
        piece, special = self._piece(token), self._texts.is_special(token)
        top = tuple([Alternative(self._texts.text(other), value) for other, value in others])
        self.ids.append(token)
        self._tokens.append(Token(piece, logprob, top, special))
        start = len(self._text)
        self._text += piece
        self._ends.append(len(self._text))
        longest = max((len(stop) for stop in self._stops), default=0)
        begin = max(0, start - longest + 1)
        found = [at for stop in self._stops if (at := self._text.find(stop, begin)) >= 0]
        self._cut = min(found, default=None)

    def end(self, token: int, logprob: float | None, others: Sequence[tuple[int, float]]) -> None:
        """Take in the token that says that the answer is over."""
        top = tuple([Alternative(self._texts.text(other), value) for other, value in others])
        self._tokens.append(Token("", logprob, top, special=True))
        self._ends.append(len(self._text))

    def certain(self) -> tuple[Token, ...]:
        """The tokens that stay whatever comes: none that may be the beginning of a stop string."""
        if self._cut is not None:
            return self.tokens()
        safe = len(self._text) - self._open()
        count = 0
        while count < len(self._tokens) and self._ends[count] <= safe:
            count += 1
        while count and not self._tokens[count - 1].token:
            count -= 1  # of a character that is not whole yet
        return tuple(self._tokens[:count])

    def tokens(self) -> tuple[Token, ...]:
        """All tokens; what belongs to the stop string has no text and is marked `special`."""
        if self._cut is None:
            return tuple(self._tokens)
        cut, start, found = self._cut, 0, []
        for token, end in zip(self._tokens, self._ends, strict=True):
            text = token.token[: max(0, cut - start)]
            over = end > cut and not text
            found.append(
                Token(text, token.logprob, token.top_logprobs, True if over else token.special)
            )
            start = end
        return tuple(found)

    def text(self) -> str:
        """The text, outer white space removed."""
        return (self._text if self._cut is None else self._text[: self._cut]).strip()

    def content(self) -> list[int]:
        """The places of the tokens that bring text."""
        return [place for place, token in enumerate(self.tokens()) if token.token]

    def _piece(self, token: int) -> str:
        window = [*self._window, token]
        text = self._texts.decode(window)
        new = text[len(self._decoded) :]
        if new.endswith(_BROKEN) and len(window) < 2 * _WINDOW:
            self._window = window  # look again with the next token
            return ""
        self._window = window[-_WINDOW:]
        self._decoded = self._texts.decode(self._window)
        return new

    def _open(self) -> int:
        """How many characters at the end may be the beginning of a stop string."""
        longest = 0
        for stop in self._stops:
            for size in range(min(len(stop) - 1, len(self._text)), longest, -1):
                if self._text.endswith(stop[:size]):
                    longest = size
                    break
        return longest
