"""A tier whose answers the application generates itself: it can be judged, and never be asked."""

from __future__ import annotations

from ..router.errors import UpstreamRefused
from ..router.protocols import Completion, ModelCall, OnTokens

__all__ = ["CallerModel"]


class CallerModel:
    """Stands for a model of the application's. Every call is refused."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"CallerModel({self._name!r})"

    async def generate(self, call: ModelCall, on_tokens: OnTokens | None = None) -> Completion:
        """Raises UpstreamRefused: the drafts of this tier are offered, not asked for."""
        raise UpstreamRefused(
            f"the answers of 'caller:{self._name}' come from the application; have one judged "
            "with Router.judge or `surefoot decide`"
        )

    async def aclose(self) -> None:
        """Nothing is held."""
