"""An agent's messages and the loop's words: question and turns out, passages and refusals in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..router.callers import CallerRequest
from ..router.evidence import Passage, Refusal, Turn
from ..router.protocols import Message, Prompt
from ..router.text import clean_question
from .prompter import TemplatePrompter

__all__ = ["MessageSizer", "asked_in", "prompt_messages", "size_of", "with_note"]

_PER_TOKEN = 3  # characters; rather too many tokens than too few
_PER_MESSAGE = 4
_ROLES = {"human": "user", "ai": "assistant"}


def asked_in(messages: Sequence[Any]) -> tuple[str, tuple[Turn, ...]]:
    """The question (the last text of a person, else of anybody) and the earlier exchanges."""
    told = tuple([Message(_ROLES.get(one.type, one.type), one.text) for one in messages])
    request = CallerRequest(told)
    question = clean_question(request.question)
    if not question:
        texts = [text for one in told if (text := clean_question(one.content))]
        return texts[-1] if texts else "(no text)", ()
    return question, request.turns


def size_of(messages: Sequence[Any], system: Any, tools: Sequence[Any]) -> int:
    """Tokens of a prompt, estimated rather too high."""
    total = sum([len(one.text) for one in messages]) + (0 if system is None else len(system.text))
    written = sum([len(str(getattr(tool, "description", tool))) + 200 for tool in tools])
    return (total + written) // _PER_TOKEN + _PER_MESSAGE * (len(messages) + 1)


class MessageSizer:
    """Sizes of prompts that are the agent's own messages, with passages before the question."""

    def __init__(self, base: int) -> None:
        self._base = base

    def prompt_tokens(
        self, tier: int, question: str, passages: Sequence[Passage], turns: Sequence[Turn]
    ) -> int:
        """Tokens of the prompt; the same for every tier."""
        if not passages:
            return self._base
        written = sum(len(one.title) + len(one.text) for one in passages)
        return self._base + written // _PER_TOKEN + 100


def note_for(
    prompter: TemplatePrompter,
    tier: int,
    question: str,
    passages: Sequence[Passage],
    turns: Sequence[Turn],
    refused: Refusal | None,
) -> str:
    """What a further draft is told beside the agent's messages; "" where that is nothing."""
    if refused is not None:
        own = prompter.retry(tier, refused, question, passages, turns)
    elif passages:
        own = prompter.prompt(tier, question, passages, turns)
    else:
        return ""
    return own.messages[0].content if own.messages else ""


def with_note(messages: Sequence[Any], note: str) -> list[Any]:
    """The messages with a note before the last thing that a person said.

    It stands in that person's message: a system message in the middle is refused by some providers,
    and two messages of a person in a row by others.
    """
    if not note:
        return list(messages)
    places = [place for place, one in enumerate(messages) if one.type == "human"]
    if not places:
        from langchain_core.messages import HumanMessage

        return [*messages, HumanMessage(note)]
    at, told = places[-1], messages[places[-1]]
    if isinstance(told.content, str):
        content: Any = f"{note}\n\n{told.content}"
    else:
        content = [{"type": "text", "text": note}, *told.content]
    return [*messages[:at], told.model_copy(update={"content": content}), *messages[at + 1 :]]


def prompt_messages(prompt: Prompt) -> list[Any]:
    """A prompt of ours as LangChain's messages."""
    from langchain_core.messages import HumanMessage, convert_to_messages

    if not prompt.messages:
        return [HumanMessage(prompt.text)]
    given: list[Any] = [
        (one.role, one.content) if one.raw is None else json.loads(one.raw)
        for one in prompt.messages
    ]
    return convert_to_messages(given)
