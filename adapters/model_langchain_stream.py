"""One streamed answer of a LangChain model, put together chunk by chunk."""

from __future__ import annotations

from typing import Any

from ..router.evidence import FinishReason, Generation, Token
from .logprobs import read_logprobs
from .model_langchain_reading import Answer, finish_of, logprob_entries, read_answer

__all__ = ["StreamedAnswer"]

_BROKEN = "\N{REPLACEMENT CHARACTER}"


class StreamedAnswer:
    """What has come of an answer so far.

    Attributes:
        tokens: those that have come, with logprobs, none of which ends inside a character.
        shown: how many of them there were when `add` last said that there are more.
    """

    def __init__(self, name: str, prompt_size: int, unmarked: FinishReason | None) -> None:
        self._name = name
        self._prompt_size = prompt_size
        self._unmarked = unmarked
        self._chunks: list[Any] = []
        self._entries: list[Any] = []
        self._waiting: list[Any] = []  # entries of a character that is not whole yet
        self._finish: dict[str, Any] = {}
        self._tokens: list[Token] = []
        self.shown = 0

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The tokens so far."""
        return tuple(self._tokens)

    def add(self, chunk: Any) -> bool:
        """Take in a chunk; returns whether it completed tokens that bring text."""
        self._chunks.append(chunk)
        metadata = chunk.response_metadata
        if finish_of(metadata)[1] is not None:
            # Kept aside: merging chunks would join two reasons into a word of their own.
            self._finish = {key: metadata[key] for key in metadata if key != "logprobs"}
        new = logprob_entries(chunk)
        self._entries += new
        self._waiting += new
        found = read_logprobs(self._waiting).tokens if new else ()
        if not found or found[-1].token.endswith(_BROKEN):
            return False
        self._waiting = []
        self._tokens += found
        if not any(token.token for token in found):
            return False
        self.shown = len(self._tokens)
        return True

    def finished(self) -> Answer:
        """The whole answer. Raises as `read_answer`."""
        return read_answer(self._name, self._whole(), self._prompt_size, self._unmarked)

    def stopped(self) -> Answer:
        """What there is of an answer that a gate has stopped."""
        tokens = self.tokens
        text = "".join(token.token for token in tokens).strip()
        found = read_answer(self._name, self._whole(), self._prompt_size, "stop")
        return Answer(
            Generation(text, tokens, "stopped"),
            found.tokens_in,
            max(found.tokens_out, len(tokens)),
        )

    def _whole(self) -> Any:
        from langchain_core.messages import AIMessageChunk
        from langchain_core.messages.ai import add_ai_message_chunks

        if not self._chunks:
            return AIMessageChunk(content="")
        whole = add_ai_message_chunks(self._chunks[0], *self._chunks[1:])
        kept = {
            key: value
            for key, value in whole.response_metadata.items()
            if finish_of({key: value}) == (None, None) and key != "logprobs"
        }
        metadata = {**kept, **self._finish, "logprobs": self._entries}
        return whole.model_copy(update={"response_metadata": metadata})
