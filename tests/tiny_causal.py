"""A causal language model of some thousand random numbers: real files and code, no meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message.role }}\n{{ message.content }}<|end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('no system messages') }}{% endif %}"
    + TEMPLATE
)
POSITIONS = 128
"""Tokens that the model can take."""

_CORPUS = [
    "the cat sat on the mat and the dog sat on the log",
    "once upon a time there was a king who had three sons",
    "what is the capital of france? it is paris, of course.",
    "1, 2, 3, 4, 5, 6, 7, 8, 9, 10. \N{SNOWMAN} \N{GRINNING FACE} na\u00efve",
] * 4


def tiny_tokenizer(template: str | None = TEMPLATE) -> Any:
    """Byte-level pairs, learned on the spot: characters beyond ASCII are split over tokens."""
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.train_from_iterator(
        _CORPUS,
        trainers.BpeTrainer(
            vocab_size=320,
            special_tokens=["<|end|>", "<|start|>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|end|>",
        additional_special_tokens=["<|start|>"],
    )
    tokenizer.chat_template = template
    return tokenizer


def tiny_causal(folder: Path, *, seed: int = 3, template: str | None = TEMPLATE) -> Path:
    """A Llama of two layers in `folder`; the same seed gives the same weights."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizer = tiny_tokenizer(template)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=POSITIONS,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        # Far from the usual 0.02: random answers are to differ from prompt to prompt.
        initializer_range=0.5,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = transformers.LlamaForCausalLM(config)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder
