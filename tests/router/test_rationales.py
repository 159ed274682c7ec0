"""Answers are parted from their reasons only where both are labeled."""

from __future__ import annotations

import pytest

from surefoot.router.rationales import split_rationale


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Answer: Paris\nRationale: The text says so.", ("Paris", "The text says so.")),
        ("**Answer:** Paris\n\n**Reason:** a\nb", ("Paris", "a\nb")),
        ("answer: 42\nexplanation:", ("42", "")),
        (" Paris ", ("Paris", "")),
        ("Answer: Paris", ("Answer: Paris", "")),
        ("Rationale: because\nAnswer: Paris", ("Rationale: because\nAnswer: Paris", "")),
        ("Answer:\nRationale: none", ("Answer:\nRationale: none", "")),
        ("", ("", "")),
    ],
)
def test_parts(text: str, parts: tuple[str, str]) -> None:
    assert split_rationale(text) == parts
