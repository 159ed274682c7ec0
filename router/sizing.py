"""How long a prompt is, estimated before any model sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .evidence import Passage, Turn
from .protocols import Prompter

__all__ = ["PromptSizer", "estimate_tokens"]

# English prose has 4 to 4.5 bytes a token in the vocabularies of small models, code about 3;
# 3 is the careful side. The adapter's own check is the backstop for scripts that need more.
_BYTES_PER_TOKEN = 3
_PER_MESSAGE = 8


def estimate_tokens(text: str) -> int:
    """About how many tokens a text has, rather too many than too few."""
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


@dataclass(frozen=True, slots=True)
class PromptSizer:
    """Builds the prompt that a tier would be shown and estimates its length."""

    prompter: Prompter

    def prompt_tokens(
        self, tier: int, question: str, passages: Sequence[Passage], turns: Sequence[Turn]
    ) -> int:
        """Estimated tokens of the prompt."""
        prompt = self.prompter.prompt(tier, question, passages, turns)
        messages = sum(_PER_MESSAGE + estimate_tokens(m.content) for m in prompt.messages)
        return messages + estimate_tokens(prompt.text) + _PER_MESSAGE
