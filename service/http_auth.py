"""Who asks: bearer keys, known by their hashes alone, each with a tenant and its limits."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..graphs.settings import KeySettings, ServeSettings, SpendPeriod
from ..router.errors import ConfigurationError
from .http_errors import HttpError
from .http_limits import RateLimit

__all__ = ["Caller", "KeyRing", "check_exposure", "rate_used_up", "with_hashed_keys"]

_SHORTEST = 16
"""Characters of a key in the environment, below which it may be guessed."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose request it is.

    Attributes:
        name: of the key; "" where the service has none.
        max_cost: of each request, in the deployment's currency; None without a limit.
        max_spend: of all requests together in each `spend_per`; None without a limit.
        max_risk: P(wrong) that an answer may have; None leaves it to the policy.
        requests_per_minute: None without a limit.
        models: names that may be asked for; None for all.
    """

    name: str = ""
    tenant: str = "default"
    max_cost: float | None = None
    max_risk: float | None = None
    models: tuple[str, ...] | None = None
    max_spend: float | None = None
    spend_per: SpendPeriod = "day"
    requests_per_minute: float | None = None


class KeyRing:
    """The keys of a service; without any, everybody is one anonymous caller.

    Args:
        keys: all with their hashes, see `with_hashed_keys`.
        clock: monotonic seconds.
        before: the keys until now; a key whose rate stays has not got it back by a reload.
    """

    def __init__(
        self,
        keys: Sequence[KeySettings],
        clock: Callable[[], float] = time.monotonic,
        *,
        before: KeyRing | None = None,
    ) -> None:
        self._keys = [(bytes.fromhex(key.sha256 or ""), _caller(key)) for key in keys]
        known = {} if before is None else before._limits
        self._limits: dict[str, RateLimit] = {}
        for key in keys:
            rate, used = key.requests_per_minute, known.get(key.name)
            if rate is not None:
                same = used is not None and used.per_minute == rate
                self._limits[key.name] = used if same and used else RateLimit(rate, clock)

    def authenticate(self, authorization: str | None) -> Caller:
        """The caller that an `Authorization` header names.

        Every key is compared in constant time, and all of them always are, so that the time tells
        nothing of any.

        Raises:
            HttpError: 401 where the key is absent or unknown.
        """
        if not self._keys:
            return Caller()
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise HttpError(
                401, "invalid_api_key", "no API key came along; send Authorization: Bearer KEY"
            )
        digest = _digest(key.strip())
        found: Caller | None = None
        for known, caller in self._keys:
            if hmac.compare_digest(known, digest):
                found = caller
        if found is None:
            raise HttpError(401, "invalid_api_key", "this API key is not known here")
        return found

    def admit(self, caller: Caller) -> None:
        """Count one request of the caller.

        Raises:
            HttpError: 429 where the key has used up its rate.
        """
        limit = self._limits.get(caller.name)
        wait_s = 0.0 if limit is None else limit.take()
        if wait_s > 0.0:
            raise rate_used_up(caller, wait_s)

    def rate_of(self, caller: Caller) -> float | None:
        """Requests a minute that the caller's key may make; None without a limit."""
        limit = self._limits.get(caller.name)
        return None if limit is None else limit.per_minute


def rate_used_up(caller: Caller, wait_s: float) -> HttpError:
    """What a key is told that has used up its rate."""
    return HttpError(
        429,
        "rate_limit_exceeded",
        f"the key '{caller.name}' has used up its requests for now",
        retry_after_s=wait_s,
    )


def _caller(key: KeySettings) -> Caller:
    return Caller(
        key.name,
        key.tenant,
        key.max_cost,
        key.max_risk,
        key.models,
        key.max_spend,
        key.spend_per,
        key.requests_per_minute,
    )


def with_hashed_keys(settings: ServeSettings, environment: Mapping[str, str]) -> ServeSettings:
    """The settings with the hash of every key that the environment holds.

    Raises:
        ConfigurationError: a variable is not set, or its key is too short; names it.
    """
    keys = tuple(_hashed(key, environment) for key in settings.keys)
    return settings.model_copy(update={"keys": keys})


def _hashed(key: KeySettings, environment: Mapping[str, str]) -> KeySettings:
    if key.key_env is None:
        return key
    secret = environment.get(key.key_env, "").strip()
    if len(secret) < _SHORTEST:
        raise ConfigurationError(
            f"serve.keys: the key '{key.name}' is in {key.key_env}, which is "
            + (f"shorter than {_SHORTEST} characters" if secret else "not set")
            + f"; for a good one: {key.key_env}=$(openssl rand -hex 24)",
            field="serve.keys",
        )
    return key.model_copy(update={"sha256": _digest(secret).hex()})


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("latin-1", "replace")).digest()


def check_exposure(settings: ServeSettings) -> None:
    """Refuse to listen beyond this machine where everybody would be let in.

    Raises:
        ConfigurationError: there are no keys and the host is not loopback.
    """
    if settings.keys or _is_loopback(settings.host):
        return
    raise ConfigurationError(
        f"serve.keys: without keys the service listens on loopback alone, not on {settings.host}; "
        'add [[serve.keys]] with name, sha256 and tenant, or set host = "127.0.0.1"',
        field="serve.keys",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
