"""Encoders of a few thousand random numbers, made on the spot: real files and code, no meaning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

NLI_LABELS = ("contradiction", "neutral", "entailment")
WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] what is the capital of france ? it paris rome oslo berlin not "
    "a city . , large small lies on seine ##s ##ly"
).split()
POSITIONS = 24
"""Tokens that these models can take."""


def _transformers() -> Any:
    pytest.importorskip("torch")
    return pytest.importorskip("transformers")


def _config(labels: Sequence[str]) -> Any:
    return _transformers().BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=POSITIONS,
        # Far from the usual 0.02: random answers are to differ from text to text.
        initializer_range=0.5,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )


def _save(model: Any, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _transformers().BertTokenizerFast(vocab={word: i for i, word in enumerate(WORDS)})
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def tiny_nli(folder: Path, labels: Sequence[str] = NLI_LABELS, *, seed: int = 3) -> Path:
    """A cross-encoder whose labels stand in this order; the same seed gives the same weights."""
    config = _config(labels)
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = _transformers().BertForSequenceClassification(config)
    return _save(model, folder)


def tiny_sentence(folder: Path, *, seed: int = 3) -> Path:
    """A sentence encoder."""
    config = _config(NLI_LABELS)
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = _transformers().BertModel(config)
    return _save(model, folder)
