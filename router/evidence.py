"""What an estimator may look at: tokens with logprobs, generations, passages, and their sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "Alternative",
    "CriticVerdict",
    "Evidence",
    "FinishReason",
    "Generation",
    "HiddenState",
    "Nli",
    "Passage",
    "Pooling",
    "Refusal",
    "Token",
    "ToolCall",
    "Turn",
    "is_whole",
]

FinishReason = Literal["stop", "length", "stopped", "tool_calls", "content_filter"]
"""Why a generation ended: `stop` is complete, `length` hit the token limit, `stopped` was ended
by a prefix gate. Absent (None) means unknown, which is never treated as complete."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """One candidate at a position. `logprob` is a natural logarithm."""

    token: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token.

    Attributes:
        token: its text, white space included.
        logprob: natural logarithm of its probability; None where the provider gave none.
        top_logprobs: the most probable candidates at this position, in the provider's order.
        special: whether it is a control token (end of sequence and the like); None = unknown.
    """

    token: str
    logprob: float | None = None
    top_logprobs: tuple[Alternative, ...] = ()
    special: bool | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model asks for: the tool's name, and its arguments as the JSON it wrote."""

    name: str
    arguments: str = "{}"


def is_whole(
    finish_reason: FinishReason | None, text: str, tool_calls: tuple[ToolCall, ...]
) -> bool:
    """Whether a model ended by itself, with a text or with calls of tools."""
    if finish_reason == "tool_calls":
        return bool(tool_calls)
    return finish_reason == "stop" and bool(text.strip() or tool_calls)


Pooling = Literal["last", "mean"]
"""Of which tokens of an answer a hidden state is: its last one with text, or the mean over all."""


@dataclass(frozen=True, slots=True)
class HiddenState:
    """What one layer of a model holds of the answer that it wrote.

    Attributes:
        layer: as it was asked for, see `HiddenWanted`.
        values: (width,) rounded to six significant digits.
    """

    layer: int
    pooling: Pooling
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Generation:
    """One text that a model wrote, with its tokens where the provider reports them.

    Attributes:
        tool_calls: in the order written; of a generation without text the tokens may spell them.
        hidden: those that were asked for, in that order; empty where the model shows none.
    """

    text: str
    tokens: tuple[Token, ...] = ()
    finish_reason: FinishReason | None = "stop"
    tool_calls: tuple[ToolCall, ...] = ()
    hidden: tuple[HiddenState, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether the model itself ended the text, and the text says something or calls tools."""
        return is_whole(self.finish_reason, self.text, self.tool_calls)


@dataclass(frozen=True, slots=True)
class Passage:
    """One retrieved piece of text. `score` is the retriever's own, comparable within a query."""

    id: str
    title: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier exchange of a conversation: what was asked and what was served."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that the critic did not accept, and what it missed in the passages, in words."""

    answer: str
    gap: str | None = None


@dataclass(frozen=True, slots=True)
class CriticVerdict:
    """What the local critic said of an answer.

    Attributes:
        p_accept: probability that the answer is right; None where there was no answer to judge.
        p_sufficient: probability that the passages suffice to answer the question.
        gap: what the passages lack, in words; None where the critic cannot say.
        truncated: whether passages were left out or cut, since the critic cannot read so much.
        version: of the critic, with its fingerprint.
    """

    p_accept: float | None
    p_sufficient: float
    gap: str | None = None
    truncated: bool = False
    version: str = ""


Nli = tuple[float, float, float]
"""Probabilities of contradiction, neutrality and entailment, premise first."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything known around one answer; the file form is a line of an evidence file.

    Attributes:
        greedy: the answer that is judged (index 0 of the matrices).
        samples: M further answers to the same prompt, drawn at a temperature (indices 1..M).
        nli: (M+1, M+1, 3) probabilities, premise first.
        greedy_similarity: (M,) similarity of each sample to the greedy answer.
        sample_similarity: (M, M) pairwise similarity of the samples.
        greedy_token_similarity: (T,) per token of the greedy answer, the similarity of question
            and answer to the same without that token; `sample_token_similarity` (M, T_i) likewise.
        alternatives_nli: (T, k, 2, 3) per token and alternative (in the order of `top_logprobs`):
            the answer with the alternative in the token's place as premise and the answer as it
            is as hypothesis, then the other way around.
        asked: generations per kind of question put to a model about the answer.
        without_context: the same question answered without passages.
        previous_answers: answers of earlier rounds, oldest first.
        peers: other models' answers by model name.
        critique: the local critic's judgement of the greedy answer.
        given_signals: confidences in [0, 1] that the application supplied, by its own names.
    """

    question: str
    greedy: Generation
    id: str = ""
    samples: tuple[Generation, ...] = ()
    passages: tuple[Passage, ...] = ()
    nli: tuple[tuple[Nli, ...], ...] | None = None
    greedy_similarity: tuple[float, ...] | None = None
    sample_similarity: tuple[tuple[float, ...], ...] | None = None
    greedy_token_similarity: tuple[float, ...] | None = None
    sample_token_similarity: tuple[tuple[float, ...], ...] | None = None
    asked: Mapping[str, tuple[Generation, ...]] = field(default_factory=dict)
    without_context: Generation | None = None
    previous_answers: tuple[str, ...] = ()
    peers: Mapping[str, Generation] = field(default_factory=dict)
    hidden_ref: str | None = None
    critique: CriticVerdict | None = None
    alternatives_nli: tuple[tuple[tuple[Nli, Nli], ...], ...] | None = None
    given_signals: Mapping[str, float] = field(default_factory=dict)
