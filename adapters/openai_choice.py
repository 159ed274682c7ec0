"""One answer of a stream, put together delta by delta."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..router.errors import UpstreamMalformed
from ..router.evidence import Generation, Token, ToolCall
from ..router.protocols import OnTokens
from ..router.requests import Stop
from .logprob_shapes import encodable
from .logprobs import TokenReader
from .openai_wire import Written, content_text, generation_of, tool_call
from .upstream_status import short

__all__ = ["StreamedChoice"]


class StreamedChoice:
    """What has come of one answer so far.

    The gate is shown the tokens of the text; where the endpoint sends no logprobs, each piece of
    text stands for one token without a logprob.

    Attributes:
        is_stopped: the gate has ended it.
    """

    def __init__(self, model: str, on_tokens: OnTokens | None) -> None:
        self._model = model
        self._on_tokens = on_tokens
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._calls = _Calls()
        self._reader = TokenReader()
        self._pieces: list[Token] | None = None  # what is shown in place of tokens
        self._hidden = 0  # tokens before the text: thoughts, and the marks around them
        self._shown = 0
        self._is_reasoned = False
        self._finish: object = None
        self.is_stopped = False

    @property
    def is_over(self) -> bool:
        """Whether it says why it ended, or the gate has ended it."""
        return self.is_stopped or self._finish is not None

    @property
    def has_text(self) -> bool:
        """Whether anything of an answer has come."""
        return bool(self._texts or self._refusals or self._calls or self._reader.tokens)

    def take(self, choice: Mapping[str, Any], *, is_chat: bool) -> None:
        """Take in a chunk's part of this answer; raises UpstreamMalformed where it is none."""
        if self.is_stopped:
            return
        text = self._delta(choice) if is_chat else self._text(choice.get("text"))
        if text:
            self._texts.append(text)
            self._finish = None  # what goes on had not ended
        self._reader.add(choice.get("logprobs"))
        self._finish = self._finish or choice.get("finish_reason") or None
        if not self._texts:
            self._hidden = len(self._reader.tokens)
        elif self._on_tokens is not None:
            self._show(text)

    def generation(self) -> Generation:
        """The whole answer. Raises as `generation_of`."""
        if self.is_stopped:
            return self._so_far()
        written = Written(
            "".join(self._texts),
            self._reader.reading().tokens,
            self._finish,
            self._calls.made(),
            "".join(self._refusals) or None,
            self._is_reasoned,
        )
        return generation_of(self._model, written)

    def _delta(self, choice: Mapping[str, Any]) -> str:
        # Some send the last chunk as a whole message; beside a delta it only repeats.
        delta = choice.get("delta")
        if delta is None and not self.has_text:
            delta = choice.get("message")
        if delta is None:
            return ""
        if not isinstance(delta, Mapping):
            raise UpstreamMalformed(f"{self._model} sent a delta that is {short(delta)}")
        if delta.get("reasoning_content") or delta.get("reasoning"):
            self._is_reasoned = True
        refusal = delta.get("refusal")
        if isinstance(refusal, str) and refusal:
            self._refusals.append(refusal)
        self._calls.take(delta)
        return content_text(self._model, delta.get("content")) or ""

    def _text(self, text: object) -> str:
        if text is not None and not isinstance(text, str):
            raise UpstreamMalformed(f"{self._model} sent a choice whose text is {short(text)}")
        return text or ""

    def _show(self, text: str) -> None:
        tokens = self._reader.tokens[self._hidden :]
        if self._pieces is None and not self._shown and not tokens:
            self._pieces = []
        if self._pieces is not None:
            tokens = self._pieces
            if text:
                tokens.append(Token(encodable(text)))
        if not self._reader.is_readable or not any(one.token for one in tokens[self._shown :]):
            return
        self._shown = len(tokens)
        if self._on_tokens is not None and isinstance(self._on_tokens(tuple(tokens)), Stop):
            self.is_stopped = True

    def _so_far(self) -> Generation:
        text = encodable("".join(self._texts)).strip()
        tokens = () if self._pieces is not None else tuple(self._reader.tokens[self._hidden :])
        # An endpoint may hold text back whose tokens it has sent.
        joined = "".join([token.token for token in tokens]).strip()
        if joined.startswith(text):
            return Generation(joined, tokens, "stopped")
        return Generation(text, (), "stopped")


class _Calls:
    """The tool calls of an answer, whose names and arguments come in fragments."""

    def __init__(self) -> None:
        self._open: list[_Call] = []

    def __bool__(self) -> bool:
        return bool(self._open)

    def take(self, delta: Mapping[str, Any]) -> None:
        """Take in the fragments of a delta, told apart by index, and by id where one is reused."""
        given = delta.get("tool_calls")
        for fragment in given if isinstance(given, list) else ():
            if isinstance(fragment, Mapping):
                self._find(fragment).take(fragment.get("function"))
        older = delta.get("function_call")
        if isinstance(older, Mapping):
            self._find({"index": -1}).take(older)

    def made(self) -> tuple[ToolCall, ...]:
        """The calls, in the order in which they began."""
        found = [tool_call({"name": one.name, "arguments": one.arguments}) for one in self._open]
        return tuple(each for each in found if each is not None)

    def _find(self, fragment: Mapping[str, Any]) -> _Call:
        index, name = fragment.get("index"), fragment.get("id")
        id_ = name if isinstance(name, str) and name else None
        same = [one for one in self._open if one.index == index]
        if index is None:  # not said: a further id begins a call, all else goes on with the last
            same = [one for one in self._open if id_ in (None, one.id)]
        if same and (id_ is None or same[-1].id in (None, id_)):
            same[-1].id = same[-1].id or id_
            return same[-1]
        self._open.append(_Call(index, id_))
        return self._open[-1]


class _Call:
    """One call as far as it has come."""

    def __init__(self, index: object, id_: str | None) -> None:
        self.index = index
        self.id = id_
        self.name = ""
        self._arguments: list[Any] = []

    def take(self, function: object) -> None:
        if not isinstance(function, Mapping):
            return
        name, arguments = function.get("name"), function.get("arguments")
        if isinstance(name, str) and name != self.name:  # some repeat it with every fragment
            self.name += name
        if arguments is not None and arguments != "":
            self._arguments.append(arguments)

    @property
    def arguments(self) -> Any:
        """Fragments of a text joined; an object that came in one piece as it is."""
        if self._arguments and all(isinstance(each, str) for each in self._arguments):
            return "".join(self._arguments)
        return self._arguments[-1] if self._arguments else None
