"""Prompts from the text files in `prompts/`: what each tier is shown."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from string import Template
from typing import Literal

from ..router.evidence import Passage, Turn
from ..router.protocols import Message, Prompt

__all__ = ["PromptStyle", "TemplatePrompter", "prompts_fingerprint"]

PromptStyle = Literal["few_shot", "chat"]
"""`few_shot` is plain text to complete, for small and base models; `chat` goes through the model's
own chat template."""

_NAMES = ("few_shot", "few_shot_passages", "chat", "chat_passages")


@lru_cache(maxsize=8)
def _template(name: str) -> Template:
    text = files(__package__).joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8")
    return Template(text.rstrip("\n"))


def prompts_fingerprint() -> str:
    """SHA-256 of all prompt files: a profile fitted on other prompts does not hold for these."""
    digest = hashlib.sha256()
    for name in _NAMES:
        digest.update(_template(name).template.encode())
    return digest.hexdigest()


def _line(text: str) -> str:
    """The text on one line: a line break is what ends a question and an answer in few-shot."""
    return " ".join(text.split())


def _notes(passages: Sequence[Passage]) -> str:
    return "\n".join(_line(passage.text) for passage in passages)


class TemplatePrompter:
    """Fills the prompt files.

    Args:
        styles: one a tier.
    """

    def __init__(self, styles: tuple[PromptStyle, ...]) -> None:
        self._styles = styles

    def prompt(
        self, tier: int, question: str, passages: Sequence[Passage], turns: Sequence[Turn]
    ) -> Prompt:
        """What tier `tier` is shown for this question."""
        style = self._styles[tier]
        template = _template(f"{style}_passages" if passages else style)
        question = _line(question)
        notes = _notes(passages)
        if style == "chat":
            return self._chat(template.substitute(passages=notes), question, turns)
        earlier = "".join(
            f"Question: {_line(turn.question)}\nAnswer: {_line(turn.answer)}\n\n" for turn in turns
        )
        text = template.substitute(passages=notes, question=question, turns=earlier)
        return Prompt(text, stop=("\n",))

    def _chat(self, system: str, question: str, turns: Sequence[Turn]) -> Prompt:
        messages = [Message("system", system)]
        for turn in turns:
            messages += [Message("user", turn.question), Message("assistant", turn.answer)]
        return Prompt(messages=(*messages, Message("user", question)))
