"""Keys of cached results: a hash of everything that the result depends on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Literal

from ..router.critic.states import CriticState
from ..router.protocols import ModelCall
from ..router.wire import encode

__all__ = ["CacheKey", "CacheKind", "completion_key", "pair_key", "verdict_key"]

CacheKind = Literal["completion", "verdict", "comparison"]

_FORM = 1  # raised whenever the same digest would come to stand for something else


@dataclass(frozen=True, slots=True)
class CacheKey:
    """Where a result is kept.

    Attributes:
        tenant: whose it is; part of the key, so that nothing crosses tenants.
        digest: SHA-256 in hexadecimal.
    """

    kind: CacheKind
    tenant: str
    digest: str


def completion_key(tenant: str, model: str, call: ModelCall, context: str) -> CacheKey:
    """The key of what a model wrote.

    Args:
        model: names the model and where it runs.
        context: fingerprint of the deployment: prompts, signal settings, profile.
    """
    asked = encode(replace(call, timeout_s=None))  # how long may be waited changes no answer
    return CacheKey("completion", tenant, _digest(model, asked, context))


def verdict_key(tenant: str, version: str, state: CriticState, context: str) -> CacheKey:
    """The key of a critic's verdict; `version` is the critic's own, with its fingerprint."""
    return CacheKey("verdict", tenant, _digest(version, encode(state), context))


def pair_key(tenant: str, comparer: str, kind: str, pair: tuple[str, str]) -> CacheKey:
    """The key of one comparison of two texts."""
    return CacheKey("comparison", tenant, _digest(comparer, kind, list(pair)))


def _digest(*parts: object) -> str:
    # Escaped to ASCII: lone surrogates have no UTF-8 form, and no two values share one JSON text.
    text = json.dumps([_FORM, *parts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
