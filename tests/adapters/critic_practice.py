"""Made-up practice: states whose labels can be read off their text, and tiny critics for them."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from surefoot.adapters.critic_torch_net import StateFeatures
from surefoot.adapters.critic_torch_settings import TrainingSettings
from surefoot.router.critic.states import CriticState, Labels, StateRecord
from surefoot.router.evidence import Passage

from ..tiny_encoders import POSITIONS, WORDS, tiny_sentence

__all__ = [
    "PASSAGE_COUNT",
    "practice",
    "settings",
    "tiny_base",
    "tiny_modernbert",
    "tiny_t5",
]

PASSAGE_COUNT = StateFeatures(
    ("names_paris",), "1", lambda state: [sum("paris" in one.text for one in state.passages)]
)
"""A feature that knows the label."""


def practice(questions: int, *, answers: bool = True, seed: int = 5) -> list[StateRecord]:
    """Three rounds a question: passages suffice where they name Paris, answers are right where they
    do. One round more makes both likelier."""
    draw = random.Random(seed)
    records = []
    for question in range(questions):
        for round_ in range(1, 4):
            sufficient = draw.random() < 0.2 + 0.1 * round_
            right = draw.random() < 0.4
            place = "paris" if sufficient else draw.choice(["rome", "oslo", "berlin"])
            answer = "paris" if right else draw.choice(["rome", "oslo", "berlin"])
            state = CriticState(
                f"capital {question} ?",
                answer if answers else "",
                passages=(Passage(f"{question}-{round_}", "", f"it is {place}", 1.0),),
                round=round_,
            )
            labels = Labels(em=right if answers else None, sufficient=sufficient)
            records.append(StateRecord(str(question), state, labels=labels))
    return records


def tiny_base(folder: Path) -> str:
    """A BERT of a few thousand random numbers, as `TrainingSettings.base` takes it."""
    return f"transformers:{tiny_sentence(folder)}"


def settings(base: str, **changes: Any) -> TrainingSettings:
    """Such as learn the made-up practice in a second."""
    chosen = TrainingSettings(
        base,
        freeze=False,
        limit=POSITIONS,
        width=16,
        epochs=15,
        batch=32,
        encoder_rate=3e-3,
        head_rate=3e-3,
        false_accept_cost=1.0,
        dev_share=0.25,
        looks=1,
    )
    return replace(chosen, **changes)


def tiny_t5(folder: Path) -> str:
    """An encoder-decoder."""
    transformers = pytest.importorskip("transformers")
    config = transformers.T5Config(
        vocab_size=len(WORDS),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        pad_token_id=0,
        decoder_start_token_id=0,
    )
    return _saved(transformers.T5Model, config, folder)


def tiny_modernbert(folder: Path) -> str:
    """An encoder of the newer kind."""
    transformers = pytest.importorskip("transformers")
    config = transformers.ModernBertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        cls_token_id=2,
        sep_token_id=3,
    )
    return _saved(transformers.ModernBertModel, config, folder)


def _saved(kind: Any, config: Any, folder: Path) -> str:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = {word: place for place, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A [SEP]", pair="$A [SEP] $B [SEP]", special_tokens=[("[SEP]", words["[SEP]"])]
    )
    make: Any = PreTrainedTokenizerFast  # it ships without annotations
    fast = make(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", eos_token="[SEP]")
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = kind(config)
    folder.mkdir(parents=True, exist_ok=True)
    fast.save_pretrained(folder)
    model.save_pretrained(folder)
    return f"transformers:{folder}"
