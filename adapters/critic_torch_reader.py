"""From states to what an encoder takes: the text form, tokenized, with its two parts marked."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..router.critic.states import CriticState
from ..router.critic.text_form import TextForm, text_form
from ..router.errors import ConfigurationError

__all__ = ["HEAD", "PASSAGES", "StateReader", "TokenBatch"]

HEAD, PASSAGES = 1, 2
"""The parts of a text, as numbers: question and answer, and passages; 0 is neither."""

# Below this there is no room for a question, its answer and a passage.
_LEAST_LIMIT = 16
_COUNTED = 8192  # passages whose tokens are remembered: they return from round to round


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Texts as tensors.

    Attributes:
        inputs: what the encoder is called with, each (rows, tokens).
        parts: (rows, tokens) of HEAD, PASSAGES or 0 for padding and control tokens.
    """

    inputs: Mapping[str, Any]
    parts: Any

    def to(self, device: str) -> TokenBatch:
        """On another device."""
        inputs = {name: one.to(device) for name, one in self.inputs.items()}
        return TokenBatch(inputs, self.parts.to(device))


class StateReader:
    """Reads states with a tokenizer; several threads may.

    Args:
        limit: tokens of a text, control tokens included; training and serving use the same one.

    Raises:
        ConfigurationError: the limit leaves no room for a text.
    """

    def __init__(self, tokenizer: Any, limit: int) -> None:
        control = int(tokenizer.num_special_tokens_to_add(pair=True))
        if limit < _LEAST_LIMIT:
            raise ConfigurationError(
                f"expected a limit of at least {_LEAST_LIMIT} tokens, got {limit}", field="limit"
            )
        self.limit = limit
        self._budget = limit - control
        self._tokenizer = tokenizer
        # A fast tokenizer keeps padding and truncation inside, and says "already borrowed" to a
        # second thread.
        self._lock = threading.Lock()
        self._count = lru_cache(_COUNTED)(self._counted)

    def form(self, state: CriticState) -> TextForm:
        """The state as text within the limit."""
        return text_form(state, self._budget, self._count)

    def batch(self, forms: Sequence[TextForm]) -> TokenBatch:
        """Texts side by side, padded to the longest; at least one is needed."""
        import torch

        with self._lock:
            found = self._tokenizer(
                [form.head for form in forms],
                [form.passages for form in forms],
                padding=True,
                truncation="longest_first",  # nothing to do, unless tokens across lines merge
                max_length=self.limit,
                split_special_tokens=True,
                return_tensors="pt",
            )
        parts = [
            [0 if part is None else part + HEAD for part in found.sequence_ids(row)]
            for row in range(len(forms))
        ]
        return TokenBatch(dict(found), torch.tensor(parts))

    def _counted(self, text: str) -> int:
        if not text:
            return 0
        with self._lock:
            # A control token's name inside a passage is text like any other.
            found = self._tokenizer(
                text,
                add_special_tokens=False,
                split_special_tokens=True,
                truncation=False,
                verbose=False,
            )
        return len(found["input_ids"])
