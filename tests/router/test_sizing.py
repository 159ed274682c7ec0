"""Prompts are never taken for shorter than they are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.evidence import Passage, Turn
from surefoot.router.protocols import Message, Prompt
from surefoot.router.sizing import PromptSizer, estimate_tokens
from surefoot.router.testing import PlainPrompter


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abc", 1), ("abcd", 2), ("日本", 2), ("\ud800", 1)]
)
def test_three_bytes_a_token_rounded_up(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


class Chat:
    """Two messages and no text."""

    def prompt(
        self, tier: int, question: str, passages: Sequence[Passage], turns: Sequence[Turn]
    ) -> Prompt:
        """A system message of 6 bytes, and the question."""
        return Prompt(messages=(Message("system", "Answer"), Message("user", question)))


def test_every_message_costs_something_of_its_own() -> None:
    assert PromptSizer(Chat()).prompt_tokens(0, "Why?", (), ()) == (8 + 2) + (8 + 2) + 8
    assert PromptSizer(PlainPrompter()).prompt_tokens(0, "Why?", (), ()) == 2 + 8


@given(st.text(), st.lists(st.text(), max_size=4))
def test_more_passages_never_make_a_prompt_shorter(question: str, texts: list[str]) -> None:
    passages = [Passage(str(i), "", text, 1.0) for i, text in enumerate(texts)]
    sizer = PromptSizer(PlainPrompter())
    sizes = [sizer.prompt_tokens(0, question, passages[:n], ()) for n in range(len(passages) + 1)]
    assert sizes == sorted(sizes)
