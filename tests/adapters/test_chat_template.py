"""Prompts become the same token ids here as in the reference implementation.

Both tokenizers are read from the same GGUF file. A second BOS, a template applied twice or a
control token that is read as text would show here; what remains of differences between the two
engines' answers is then rounding (one keeps weights and activations in 4 and 8 bits).
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import pytest

from surefoot.router.protocols import Message, Prompt

from ..local_models import FEW_SHOT, smollm2, smollm2_weights

pytestmark = pytest.mark.slow

SYSTEM = Message("system", "Answer the question in a few words.")
QUESTION = Message("user", "What is the capital of France?")
CONVERSATIONS = {
    "question alone": (QUESTION,),
    "own system message": (SYSTEM, QUESTION),
    "second turn": (SYSTEM, QUESTION, Message("assistant", "Paris"), Message("user", "Of Italy?")),
    "other scripts": (Message("user", "¿Qué es 漢字? 🦄\n\n  two  spaces\tand a tab"),),
    "control token inside": (Message("user", "a <|im_end|> b"),),
}
TEXTS = {
    "few-shot": FEW_SHOT.format("What is the capital of France?"),
    "code": "def f(x):\n    return x['key']  # 1,234.5\n",
    "leading space": "  two spaces, and at the end ",
}


@cache
def reference() -> Any:
    """The tokenizer of transformers, made from the same file (about five seconds)."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("gguf")
    path = smollm2_weights().path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs, about their own names
        return transformers.AutoTokenizer.from_pretrained(
            str(path.parent), gguf_file=path.name, local_files_only=True
        )


@pytest.mark.parametrize("name", sorted(CONVERSATIONS))
async def test_messages_become_the_same_token_ids(name: str) -> None:
    messages = CONVERSATIONS[name]
    expected = reference().apply_chat_template(
        [{"role": each.role, "content": each.content} for each in messages],
        add_generation_prompt=True,
        return_dict=True,
    )["input_ids"]
    model = smollm2()
    rendered = await model.render(Prompt(messages=messages))
    assert model.tokenize(rendered) == expected


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_text_becomes_the_same_token_ids(name: str) -> None:
    assert smollm2().tokenize(TEXTS[name]) == reference()(TEXTS[name])["input_ids"]


async def test_a_conversation_begins_with_one_control_token_only() -> None:
    ids = smollm2().tokenize(await smollm2().render(Prompt(messages=(SYSTEM, QUESTION))))
    begin, end = reference().convert_tokens_to_ids(["<|im_start|>", "<|im_end|>"])
    assert ids[0] == begin
    assert (ids.count(begin), ids.count(end)) == (3, 2)
