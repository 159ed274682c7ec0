"""URLs as they may be shown: without what opens a door."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

__all__ = ["SECRET_NAME", "is_public", "public_address", "public_url"]

SECRET_NAME = re.compile(r"key|token|secret|password|signature|^sig$", re.IGNORECASE)
"""What names a secret among the parameters of a URL."""

_VALUE = re.compile(r"(?P<name>[^=&]+)=[^&]*")


def public_url(url: str) -> str:
    """The URL without user and password; parameters that are named like keys show no value."""
    parts = _split(url)
    if parts is None:
        return "(not a URL)"
    return parts._replace(
        netloc=parts.netloc.rpartition("@")[2],
        query=_VALUE.sub(_masked, parts.query),
    ).geturl()


def public_address(url: str) -> str:
    """Where a server is: scheme, host and path."""
    parts = _split(url)
    if parts is None:
        return "(not a URL)"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def is_public(url: str) -> bool:
    """Whether the URL may be shown, and whatever was said of it, as it is."""
    return "@" not in url and SECRET_NAME.search(url) is None


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:  # a bracket too many, say; what is in it may be anything
        return None


def _masked(found: re.Match[str]) -> str:
    name = found["name"]
    return f"{name}=***" if SECRET_NAME.search(name) else found[0]
