"""A URL that its HTTP library cannot spill: httpx logs the URL of every request at INFO."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from .public_url import public_url

if TYPE_CHECKING:
    import httpx

__all__ = ["shy"]


def shy(url: httpx.URL) -> httpx.URL:
    """The same URL; it goes over the wire whole, with its user, password and parameters, and shows
    none of them."""
    return _shy_class()(url)


@cache
def _shy_class() -> type[httpx.URL]:
    import httpx

    class ShyURL(httpx.URL):
        # httpx logs and prints URLs by `str`, and sends them by their raw parts.
        def __str__(self) -> str:
            return public_url(super().__str__())

        def __repr__(self) -> str:
            return f"URL({str(self)!r})"

    return ShyURL
