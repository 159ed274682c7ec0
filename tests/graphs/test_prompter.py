"""What each tier is shown, to the letter."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import pytest

from surefoot.graphs.prompter import PromptStyle, TemplatePrompter, prompts_fingerprint
from surefoot.router.evidence import Passage, Turn
from surefoot.router.protocols import Message

QUESTION = "Who built\n  the Fisk bridge?"
PASSAGES = (
    Passage("1", "Bridges", "The Fisk bridge:\n\nAda   Merrow.", 2.0),
    Passage("2", "Prices", "It cost $5 and ${question}.", 1.0),
)
TURNS = (Turn("Where is\nthe bridge?", "In\nTarrant"), Turn("Is it old?", "Yes"))
PROMPTER = TemplatePrompter(("few_shot", "chat"))


def test_few_shot_ends_where_the_answer_begins() -> None:
    prompt = PROMPTER.prompt(0, QUESTION, (), ())
    assert prompt.text.endswith("\n\nQuestion: Who built the Fisk bridge?\nAnswer:")
    assert prompt.text.startswith("Short answers to questions")
    assert prompt.stop == ("\n",)
    assert prompt.messages == ()
    assert "${" not in prompt.text


def test_few_shot_with_passages_and_turns_keeps_each_on_its_line() -> None:
    text = PROMPTER.prompt(0, QUESTION, PASSAGES, TURNS).text
    assert text.endswith(
        "Notes:\n"
        "The Fisk bridge: Ada Merrow.\n"
        "It cost $5 and ${question}.\n"
        "\n"
        "Question: Where is the bridge?\nAnswer: In Tarrant\n\n"
        "Question: Is it old?\nAnswer: Yes\n\n"
        "Question: Who built the Fisk bridge?\nAnswer:"
    )


def test_a_chat_has_a_message_for_every_turn() -> None:
    prompt = PROMPTER.prompt(1, QUESTION, PASSAGES, TURNS)
    system, *others = prompt.messages
    assert prompt.text == "" and prompt.stop == ()
    assert system.role == "system"
    assert system.content.endswith(
        "Notes:\nThe Fisk bridge: Ada Merrow.\nIt cost $5 and ${question}."
    )
    assert others == [
        Message("user", "Where is\nthe bridge?"),
        Message("assistant", "In\nTarrant"),
        Message("user", "Is it old?"),
        Message("assistant", "Yes"),
        Message("user", "Who built the Fisk bridge?"),
    ]
    assert "Notes" not in PROMPTER.prompt(1, QUESTION, (), ()).messages[0].content


@pytest.mark.parametrize("style", ["few_shot", "chat"])
def test_the_prompt_is_a_pure_function(style: PromptStyle) -> None:
    first, again = TemplatePrompter((style,)), TemplatePrompter((style,))
    given = (0, QUESTION, PASSAGES, TURNS)
    assert first.prompt(*given) == first.prompt(*given) == again.prompt(*given)


def test_the_fingerprint_is_of_the_files_as_they_are() -> None:
    # A profile that was fitted on these prompts carries it: it may not change but with them.
    folder = files("surefoot.graphs").joinpath("prompts")
    names = ("few_shot", "few_shot_passages", "chat", "chat_passages")
    texts = [folder.joinpath(f"{name}.txt").read_text(encoding="utf-8") for name in names]
    joined = "".join(text.rstrip("\n") for text in texts)
    assert prompts_fingerprint() == hashlib.sha256(joined.encode()).hexdigest()
