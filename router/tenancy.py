"""Whose request is under way: read by caches, which must never cross tenants.

A context variable and no argument, since between a run and a cache stand protocols (models,
critics, comparers) whose work does not depend on the tenant. Threads started by `asyncio.to_thread`
see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["acting_for", "current_run", "current_tenant"]

_TENANT: ContextVar[str] = ContextVar("surefoot_tenant", default="default")
_RUN: ContextVar[str] = ContextVar("surefoot_run", default="")


def current_tenant() -> str:
    """The tenant of the request under way; `default` outside any."""
    return _TENANT.get()


def current_run() -> str:
    """The id of the run under way, for logs and for what a run may wait; "" outside any."""
    return _RUN.get()


@contextmanager
def acting_for(tenant: str, run_id: str = "") -> Iterator[None]:
    """Make the tenant, and the run, known to everything below."""
    token, run_token = _TENANT.set(tenant), _RUN.set(run_id)
    try:
        yield
    finally:
        _RUN.reset(run_token)
        _TENANT.reset(token)
