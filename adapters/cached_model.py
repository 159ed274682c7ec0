"""A model whose answers are kept: an equal call is served again, and costs nothing."""

from __future__ import annotations

from dataclasses import replace

from ..router.errors import UsageError
from ..router.protocols import Completion, Model, ModelCall, OnTokens
from ..router.requests import Stop
from ..router.tenancy import current_tenant
from ..router.wire import decode_json, encode_json
from .cache_keys import completion_key
from .exact_cache import Codec, ExactCache

__all__ = ["CachedModel"]

_WHOLE = frozenset({"stop", "length", "tool_calls"})


class CachedModel:
    """A `Model` around another.

    The key covers the tenant, the model, every parameter with the seed, the prompt, and the
    deployment's fingerprint. What is kept is what the model ended by itself or at the token limit:
    never an answer that was stopped, filtered or cut off. An equal call under way is waited for.

    What is kept is shown to `on_tokens` whole, whose `Stop` then marks the answer as stopped.

    Args:
        name: names the model and where it runs.
        context: fingerprint of prompts, signal settings and profile.
    """

    def __init__(self, inner: Model, cache: ExactCache, name: str, context: str) -> None:
        self._inner = inner
        self._cache = cache
        self._name = name
        self._context = context

    def __repr__(self) -> str:
        return f"CachedModel({self._inner!r})"

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        """The kept answers, used tokens and calls 0, else those of the model. Raises as it does."""
        try:
            key = completion_key(current_tenant(), self._name, call, self._context)
        except ValueError:  # a lone surrogate in the prompt: nothing that could be kept
            return await self._inner.generate(call, on_tokens)
        was_stopped: Completion | None = None

        async def make() -> Completion:
            nonlocal was_stopped
            made = await self._inner.generate(call, on_tokens)
            if any(each.finish_reason == "stopped" for each in made.generations):
                was_stopped = made
            return made

        found = await self._cache.through(key, make, _CODEC)
        if was_stopped is not None or not found.is_shared:
            return found.value
        if any(each.finish_reason == "stopped" for each in found.value.generations):
            # Stopped by the gate of whoever computed it, which is no business of ours.
            return await self._inner.generate(call, on_tokens)
        free = replace(found.value, tokens_in=0, tokens_out=0, calls=0)
        return free if on_tokens is None else _judged(free, on_tokens)

    async def aclose(self) -> None:
        """Close the model; the cache may serve others and is closed by whoever made it."""
        await self._inner.aclose()


def _judged(completion: Completion, on_tokens: OnTokens) -> Completion:
    judged = tuple(
        replace(each, finish_reason="stopped")
        if each.tokens and isinstance(on_tokens(each.tokens), Stop)
        else each
        for each in completion.generations
    )
    return replace(completion, generations=judged)


def _pack(completion: Completion) -> bytes | None:
    answers = completion.generations
    if not answers or any(each.finish_reason not in _WHOLE for each in answers):
        return None
    try:
        # How hard it was to come by is no affair of those who find it kept.
        return encode_json(replace(completion, degraded=())).encode()
    except ValueError:  # a lone surrogate has no JSON form
        return None


def _unpack(packed: bytes) -> Completion:
    try:
        found = decode_json(Completion, packed)
    except UsageError as error:
        raise ValueError(str(error)) from error
    if not found.generations or any(each.finish_reason not in _WHOLE for each in found.generations):
        raise ValueError("an answer that is not whole")
    return found


_CODEC = Codec(_pack, _unpack)
