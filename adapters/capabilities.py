"""What is known of each endpoint in this process: what it refused, and what its answers brought."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..router.capabilities import NOTHING_KNOWN, Capabilities
from ..router.protocols import Completion, Model, ModelCall, Prompt

__all__ = ["LEDGER", "CapabilityLedger", "probe"]

_MOST = 20  # what OpenAI gives; servers of one's own rarely more
_PROBE_TOKENS = 8


@dataclass(frozen=True, slots=True)
class _Entry:
    """`limit` is what an endpoint was asked for last without complaint, after it had refused."""

    learned: Capabilities = NOTHING_KNOWN
    limit: int | None = None


class CapabilityLedger:
    """What was learned, by the name of model and endpoint."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def learned(self, key: str) -> Capabilities:
        """What answers and refusals have told so far."""
        return self._entries.get(key, _Entry()).learned

    def limit(self, key: str) -> int | None:
        """Candidates per token beyond which the endpoint refuses, 0 for all logprobs; or None."""
        return self._entries.get(key, _Entry()).limit

    def note(self, key: str, found: Capabilities) -> None:
        """Keep what was found out in another way."""
        entry = self._entries.get(key, _Entry())
        self._entries[key] = replace(entry, learned=entry.learned.updated(found))

    def refused(self, key: str, limit: int) -> None:
        """The endpoint refuses more than `limit` candidates; 0: it refuses logprobs."""
        found = Capabilities(logprobs=False) if limit == 0 else Capabilities(top_logprobs=limit)
        self.note(key, found)
        self._entries[key] = replace(self._entries[key], limit=limit)

    def learn(self, key: str, call: ModelCall, completion: Completion) -> None:
        """Keep what an answer tells. An answer without tokens, of tools alone, tells nothing."""
        found = _told(call, completion, self.learned(key))
        if found != NOTHING_KNOWN and self.learned(key).updated(found) != self.learned(key):
            self.note(key, found)


LEDGER = CapabilityLedger()
"""Of this process: endpoints do not change with the router that asks them."""


def _told(call: ModelCall, completion: Completion, known: Capabilities) -> Capabilities:
    n = None
    if call.n > 1 and len(completion.generations) == call.n:
        n = completion.calls == 1
    written = [each for each in completion.generations if each.text]
    if call.top_logprobs <= 0 or not written:
        return Capabilities(n=n)
    tokens = [token for each in written for token in each.tokens if token.logprob is not None]
    if not tokens:
        return Capabilities(logprobs=False, n=n)
    most = max(len(token.top_logprobs) for token in tokens)
    if known.logprobs and known.top_logprobs is not None and most >= call.top_logprobs:
        most = max(most, known.top_logprobs)  # no more than this call asked for
    return Capabilities(logprobs=True, top_logprobs=most, n=n)


async def probe(
    model: Model,
    prompt: Prompt,
    *,
    top_logprobs: int = 10,
    thorough: bool = False,
    timeout_s: float = 60.0,
) -> Completion:
    """One tiny real call, from which a `CapableModel` learns; the answer.

    Args:
        thorough: ask for as many candidates as anybody gives, and then for two samples as well:
            costs a further call or two.

    Raises:
        RunError: the model could not be asked.
    """
    top = max(_MOST, top_logprobs) if thorough else top_logprobs
    call = ModelCall(prompt, _PROBE_TOKENS, top_logprobs=top, timeout_s=timeout_s)
    completion = await model.generate(call)
    if thorough:
        await model.generate(replace(call, n=2, temperature=1.0, max_tokens=1, top_logprobs=0))
    return completion
