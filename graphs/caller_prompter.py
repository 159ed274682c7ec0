"""Prompts made of a caller's own messages, with passages put before the question."""

from __future__ import annotations

from collections.abc import Sequence

from ..router.callers import CallerRequest, Conversing
from ..router.evidence import Passage, Refusal, Turn
from ..router.protocols import Message, Prompt
from ..router.requests import Ask

__all__ = ["CallerPrompter"]


class CallerPrompter:
    """A prompter for one request of a caller's.

    A tier that talks is shown the caller's messages as they came. Passages and a refusal stand in a
    message of their own, of the role system, before the last user message. A tier that completes
    text (`few_shot`) cannot be shown messages: it gets the deployment's own prompt.

    Args:
        talks: per tier, whether it is shown messages.
        notes: the deployment's prompter, for what is not the caller's to say.
    """

    def __init__(self, request: CallerRequest, talks: tuple[bool, ...], notes: Conversing) -> None:
        self._request = request
        self._talks = talks
        self._notes = notes

    def prompt(
        self, tier: int, question: str, passages: Sequence[Passage], turns: Sequence[Turn]
    ) -> Prompt:
        """The caller's messages, with the passages."""
        own = self._notes.prompt(tier, question, passages, turns)
        if not self._talks[tier]:
            return own
        return self._with(self._system(own) if passages else "")

    def retry(
        self,
        tier: int,
        refused: Refusal,
        question: str,
        passages: Sequence[Passage],
        turns: Sequence[Turn],
    ) -> Prompt:
        """The same, and that the answer before was refused, and why."""
        own = self._notes.retry(tier, refused, question, passages, turns)
        return self._with(self._system(own)) if self._talks[tier] else own

    def go_on(
        self,
        tier: int,
        begun: str,
        question: str,
        passages: Sequence[Passage],
        turns: Sequence[Turn],
    ) -> Prompt:
        """The same, and how the answer begins."""
        own = self._notes.go_on(tier, begun, question, passages, turns)
        return self._with(self._system(own)) if self._talks[tier] else own

    def ask(self, tier: int, request: Ask, question: str, turns: Sequence[Turn]) -> Prompt | None:
        """The deployment's own question: the caller is not shown it."""
        return self._notes.ask(tier, request, question, turns)

    def _system(self, own: Prompt) -> str:
        return own.messages[0].content if own.messages else ""

    def _with(self, note: str) -> Prompt:
        messages, stop = self._request.messages, self._request.stop
        if not note:
            return Prompt(messages=messages, stop=stop)
        at = max(i for i, one in enumerate(messages) if one.role == "user")
        told = Message("system", note)
        return Prompt(messages=(*messages[:at], told, *messages[at:]), stop=stop)
