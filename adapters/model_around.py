"""What every model around a model has in common."""

from __future__ import annotations

from ..router.capabilities import NOTHING_KNOWN, Capabilities, Capable
from ..router.protocols import Model

__all__ = ["ModelAround"]


class ModelAround:
    """The parts of a `Model` that something around another hands through: all but `generate`."""

    def __init__(self, inner: Model) -> None:
        self._inner = inner

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._inner!r})"

    @property
    def capabilities(self) -> Capabilities:
        """What is known of the model."""
        return self._inner.capabilities if isinstance(self._inner, Capable) else NOTHING_KNOWN

    async def aclose(self) -> None:
        """Close the model."""
        await self._inner.aclose()
