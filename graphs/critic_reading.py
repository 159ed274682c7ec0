"""From the state of somebody else's graph to what the critic judges."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..router.critic.states import CriticState
from ..router.errors import UsageError
from ..router.evidence import Passage
from ..router.text import clean_question, clean_text
from .critic_documents import passages_of

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

__all__ = ["Key", "Read", "StateReader", "read_messages", "text_of", "value_at"]

Key = str | tuple[str, ...] | Callable[[Any], object]
"""Where a value is: a key of the state, the first of several keys, or a function of the state."""

Read = Callable[[Any], CriticState | Awaitable[CriticState]]
"""From a state to what the critic judges. Runs on an event loop: quick, or else async."""


@dataclass(frozen=True, slots=True)
class StateReader:
    """Reads a state that is a dict, a dataclass, a pydantic model, messages or a question alone.

    Question and answer may be texts or messages. What a state does not hold, or holds None for, is
    not there yet: no answer, no documents. A state without the question, but with `messages`, is
    read as `read_messages` does; so are messages by themselves.

    Attributes:
        documents: in any shape that `passages_of` reads, in the order in which they were found.
        previous_answers: of earlier rounds, without the one to be judged, oldest first.
        queries: what was searched for, oldest first.
        round: searches made so far. Where the state does not say, as many as there are queries,
            else 1 with documents and 0 without: calibration is by round, so it is better said.
    """

    question: Key = "question"
    answer: Key = ("answer", "generation")
    documents: Key = ("documents", "passages", "context")
    rationale: Key = "rationale"
    previous_answers: Key = "previous_answers"
    queries: Key = "queries"
    round: Key = "round"

    def __call__(self, state: Any) -> CriticState:
        """What the critic judges.

        Raises:
            UsageError: the state holds no question, or something of another type; names the field.
        """
        from langchain_core.messages import BaseMessage

        if isinstance(state, str):
            return CriticState(_asked(state))
        if isinstance(state, BaseMessage):
            return read_messages([state])
        if isinstance(state, Sequence) and not isinstance(state, bytes):
            return read_messages(state)
        question = value_at(state, self.question)
        messages = value_at(state, "messages")
        if question is None and messages is not None:
            return read_messages(messages)
        passages = passages_of(value_at(state, self.documents))
        queries = _texts("queries", value_at(state, self.queries))
        return CriticState(
            _asked(text_of("question", question)),
            text_of("answer", value_at(state, self.answer)),
            text_of("rationale", value_at(state, self.rationale)),
            passages,
            _round(value_at(state, self.round), queries, passages),
            _texts("previous_answers", value_at(state, self.previous_answers)),
            queries,
        )


def read_messages(messages: Sequence[Any]) -> CriticState:
    """The latest question of a conversation, what tools found since, and the answer to it, if any.

    The answer is the last message, where that is a model's and asks for no tool. Documents are the
    artifacts of tool messages where these are lists of documents, else the tools' texts; each tool
    message that succeeded is one round.

    Raises:
        UsageError: no message is a human's, or something else is among the messages.
    """
    from langchain_core.messages import AIMessage, HumanMessage, ToolMessage, convert_to_messages

    try:
        read: list[BaseMessage] = convert_to_messages(messages)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise UsageError(f"messages: these are no messages: {error}") from error
    starts = [n for n, one in enumerate(read) if isinstance(one, HumanMessage)]
    if not starts:
        raise UsageError("messages: expected a human message with the question, got none")
    question, *since = read[starts[-1] :]
    tools = [one for one in since if isinstance(one, ToolMessage) and one.status != "error"]
    found: list[object] = [document for one in tools for document in _documents(one)]
    last = since[-1] if since else None
    is_answer = isinstance(last, AIMessage) and not (last.tool_calls or last.invalid_tool_calls)
    answer = text_of("messages", last) if is_answer else ""
    return CriticState(
        _asked(text_of("messages", question)),
        answer,
        passages=passages_of(found),
        round=len(tools),
    )


def _documents(message: Any) -> Sequence[object]:
    """What a tool found: documents where it kept them, else its text."""
    artifact = message.artifact
    is_list = isinstance(artifact, Sequence) and not isinstance(artifact, str | bytes)
    if is_list and all(hasattr(one, "page_content") for one in artifact):
        return list(artifact)
    return [{"text": text_of("messages", message), "title": message.name or "", "id": message.id}]


def value_at(state: object, key: Key) -> Any:
    """What a state has there; None where it has nothing."""
    if callable(key):
        return key(state)
    names = (key,) if isinstance(key, str) else key
    if isinstance(state, Mapping):
        values = (state.get(name) for name in names)
    else:
        values = (getattr(state, name, None) for name in names)
    return next((value for value in values if value is not None), None)


def text_of(field: str, value: object) -> str:
    """The words of a text or a message; "" for None. Raises UsageError, which names the field."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else getattr(value, "text", None)
    if not isinstance(text, str):
        raise UsageError(f"{field}: expected a text or a message, got {type(value).__name__}")
    return clean_text(str(text))


def _texts(field: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise UsageError(f"{field}: expected a list of texts, got {type(value).__name__}")
    return tuple(text_of(field, one) for one in value)


def _asked(text: str) -> str:
    question = clean_question(text)
    if not question:
        raise UsageError(
            "question: the state holds none; say where it is, as in "
            "read=StateReader(question='input')"
        )
    return question


def _round(value: object, queries: Sequence[str], passages: Sequence[Passage]) -> int:
    if value is None:
        return len(queries) or int(bool(passages))
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError(f"round: expected a count of searches from 0, got {value!r}")
    return value
