"""Which names clients may ask for, and who answers under each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .http_auth import Caller
from .http_errors import HttpError

if TYPE_CHECKING:
    from ..graphs.config import Built
    from ..router.drive import Router

__all__ = ["model_names", "router_of"]


def model_names(built: Built, caller: Caller) -> tuple[str, ...]:
    """What the caller's key may ask for: the main policy's names first."""
    names = (*built.settings.serve.models, *built.named)
    return tuple(name for name in names if caller.models is None or name in caller.models)


def router_of(built: Built, caller: Caller, name: str) -> Router:
    """Who answers under a name.

    Raises:
        HttpError: 404 where there is none, or the key may not ask for it.
    """
    known = model_names(built, caller)
    if name not in known:
        message = f"there is no model {name[:80]!r} here; there is {', '.join(known)}"
        raise HttpError(404, "model_not_found", message, param="model")
    return built.named.get(name) or built.router
