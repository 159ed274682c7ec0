"""Parting an answer from the reasons that came with it."""

from __future__ import annotations

import re

__all__ = ["split_rationale"]

_LABELED = re.compile(
    r"^\s*\**answer\**\s*:\**[ \t]*(?P<answer>[^\n]*)"
    r"\s*\n\s*\**(?:rationale|reasons?|reasoning|explanation)\**\s*:\**\s*(?P<why>.*)$",
    re.IGNORECASE | re.DOTALL,
)


def split_rationale(text: str) -> tuple[str, str]:
    """Answer and rationale of a text with the two labeled lines; else the text and no rationale.

    "Answer: Paris\\nRationale: It says so." is ("Paris", "It says so."). A text without both is an
    answer as it stands.
    """
    found = _LABELED.match(text)
    if found is None or not found["answer"].strip():
        return text.strip(), ""
    return found["answer"].strip(), found["why"].strip()
