"""One streamed answer in many scripts, and what a reader must make of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from surefoot.adapters.logprobs import spell
from surefoot.router.protocols import Completion, Message, ModelCall, Prompt

from ..adapters.raw_upstream import DONE, spoken

__all__ = ["CALL", "EVENTS", "PIECES", "TEXT", "is_exact"]

# Each with its tokens; the train and a part of the Japanese are split inside a character.
PIECES: Sequence[tuple[str, Sequence[bytes]]] = (
    ("Zürich", (b"Z", "ür".encode(), b"ich")),
    (" — ", (" — ".encode(),)),
    ("東京", ("東".encode()[:2], "東".encode()[2:] + "京".encode())),
    (" 🚆", (b" ", "🚆".encode()[:1], "🚆".encode()[1:3], "🚆".encode()[3:])),
    ('\n"q\\u0041"', (b"\n", b'"q\\u', b'0041"')),
    (" data: [DONE]", (b" data:", b" [DONE]")),
    (" fin", (b" fin",)),
)
TEXT = "".join(text for text, _ in PIECES)
EVENTS = [*spoken(PIECES, prompt_tokens=11, completion_tokens=17), DONE]
CALL = ModelCall(Prompt(messages=(Message("user", "Which city?"),)), top_logprobs=1)


def is_exact(completion: Completion) -> bool:
    """Whether it is the whole answer, with all of its tokens and its usage where it came."""
    (answer,) = completion.generations
    return (
        answer.text == TEXT
        and answer.finish_reason == "stop"
        and len(answer.tokens) == sum(len(tokens) for _, tokens in PIECES)
        and spell(answer.tokens, TEXT)
        and all(math.isclose(token.logprob or 0.0, -0.25) for token in answer.tokens)
    )
