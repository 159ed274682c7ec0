"""Whose request is under way: read by caches, which must never cross tenants.

A context variable and no argument, since between a run and a cache stand protocols (models,
critics, comparers) whose work does not depend on the tenant. Threads started by `asyncio.to_thread`
see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["acting_for", "current_tenant"]

_TENANT: ContextVar[str] = ContextVar("surefoot_tenant", default="default")


def current_tenant() -> str:
    """The tenant of the request under way; `default` outside any."""
    return _TENANT.get()


@contextmanager
def acting_for(tenant: str) -> Iterator[None]:
    """Make the tenant known to everything below."""
    token = _TENANT.set(tenant)
    try:
        yield
    finally:
        _TENANT.reset(token)
