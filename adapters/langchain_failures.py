"""What an exception out of LangChain, or of a client beneath it, means to us."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from ..router.errors import (
    RunError,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamUnavailable,
)
from .upstream_patience import retry_after_s

__all__ = ["typed_failure"]

_LONGEST = 300
_DEEPEST = 8


def typed_failure(name: str, error: Exception) -> RunError:
    """The typed error for whatever `name` raised; never raises itself.

    Told by what the exceptions of all clients have in common, since their classes have nothing in
    common: an HTTP status, then LangChain's word on whether repeating helps, then a network's error
    among its causes. Anything left is taken for a store that is broken at the moment.
    """
    if isinstance(error, RunError):
        return error
    text = str(error)
    shown = f"{type(error).__name__}: {text[:_LONGEST]}" if text else type(error).__name__
    said = f"{name} failed: {shown}"
    chain = list(_causes(error))
    statuses = [status for cause in chain if (status := _status(cause)) is not None]
    if statuses:
        return _of_status(said, statuses[0], chain)
    if any(getattr(cause, "is_retryable", None) is False for cause in chain):
        return UpstreamRefused(said)
    if any(isinstance(cause, OSError | TimeoutError) for cause in chain):
        return UpstreamUnavailable(said)
    if isinstance(error, ValueError | TypeError | LookupError | AttributeError):
        return UpstreamMalformed(said)
    return UpstreamUnavailable(said)


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    for _ in range(_DEEPEST):
        if found is None:
            return
        yield found
        found = found.__cause__ or found.__context__


def _status(error: BaseException) -> int | None:
    for holder in (error, getattr(error, "response", None)):
        status = getattr(holder, "status_code", None)
        if isinstance(status, int) and 300 <= status < 600:
            return status
    return None


def _of_status(said: str, status: int, chain: list[BaseException]) -> UpstreamError:
    if status == 429:
        return UpstreamRateLimited(said, retry_after_s=_patience(chain))
    if status >= 500 or status == 408:
        return UpstreamUnavailable(said)
    return UpstreamRefused(said)


def _patience(chain: list[BaseException]) -> float | None:
    for error in chain:
        headers = getattr(getattr(error, "response", None), "headers", None)
        if isinstance(headers, Mapping):
            given = headers.get("retry-after") or headers.get("Retry-After")
            found = retry_after_s(given if isinstance(given, str) else None, time.time())
            if found is not None:
                return found
    return None
