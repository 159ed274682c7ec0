"""From the state of somebody else's graph to a draft that the router can judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..adapters.model_langchain_reading import read_answer
from ..router.errors import UpstreamError, UsageError
from ..router.evidence import Evidence, Generation
from ..router.offers import Offer
from .critic_reading import Key, StateReader, text_of, value_at

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

__all__ = ["DraftReader"]


@dataclass(frozen=True, slots=True)
class DraftReader:
    """Reads what `StateReader` reads; of an answer that is a model's message also its logprobs.

    Attributes:
        state: where question, answer, documents, round and previous answers are.
        tier: who drafted, by name or number; where the state does not say, the first tier.
        scores: confidences of the application's own, by name, in [0, 1].
        peers: answers of other agents to the same question, by their names; texts or messages.
    """

    state: StateReader = field(default_factory=StateReader)
    tier: Key = "tier"
    scores: Key = "scores"
    peers: Key = "peers"

    def __call__(self, state: Any, names: Sequence[str] = ()) -> Offer:
        """The draft with all that is known around it.

        Args:
            names: of the tiers.

        Raises:
            UsageError: the state holds no question, or something of another type; names the field.
        """
        read = self.state(state)
        message = self._message(state)
        draft = Generation(read.answer) if message is None else _generation(message)
        evidence = Evidence(
            read.question,
            draft,
            passages=read.passages,
            previous_answers=read.previous_answers,
            peers=_peers(_at(state, self.peers)),
            given_signals=_scores(_at(state, self.scores)),
        )
        # Calibration is by round, and closed book is round 0 whatever was searched in vain.
        round_ = max(1, read.round) if read.passages else 0
        return Offer(evidence, _tier(_at(state, self.tier), names), round_)

    def _message(self, state: Any) -> AIMessage | None:
        from langchain_core.messages import AIMessage

        found = _at(state, self.state.answer)
        if found is None:
            messages = state if isinstance(state, list | tuple) else _at(state, "messages")
            found = messages[-1] if messages else None
        return found if isinstance(found, AIMessage) else None


def _at(state: Any, key: Key) -> Any:
    return None if isinstance(state, str | list | tuple) else value_at(state, key)


def _generation(message: AIMessage) -> Generation:
    try:
        return read_answer("the graph's model", message, 0, unmarked="stop").generation
    except UpstreamError:  # how it ended has a name that nobody knows: not whole
        return Generation(message.text, finish_reason="length")


def _scores(given: object) -> Mapping[str, float]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise UsageError(f"scores: expected confidences by name, got {type(given).__name__}")
    return dict(given)


def _peers(given: object) -> Mapping[str, Generation]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise UsageError(f"peers: expected answers by name, got {type(given).__name__}")
    return {str(name): Generation(text_of(f"peers.{name}", one)) for name, one in given.items()}


def _tier(given: object, names: Sequence[str]) -> int:
    if given is None:
        return 0
    if isinstance(given, str) and given in names:
        return list(names).index(given)
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    raise UsageError(f"tier: expected one of {', '.join(names)} or its number, got {given!r}")
