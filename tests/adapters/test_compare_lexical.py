"""Jaccard index of words, counted by hand."""

from __future__ import annotations

import pytest

from surefoot.adapters.compare_lexical import LexicalComparer


@pytest.mark.parametrize(
    ("first", "second", "value"),
    [
        ("Paris", "The Paris!", 1.0),  # case, articles and punctuation are no difference
        ("it is Paris", "it is Rome", 2 / 4),
        ("red green blue", "blue", 1 / 3),
        ("red red red", "red", 1.0),  # words are a set
        ("24,000 men", "24000 men", 1.0),
        ("Paris", "Rome", 0.0),
        ("Paris", "", 0.0),
        ("", " \n", 1.0),
        ("?", "!", 0.0),  # signs alone are compared as written
    ],
)
def test_shared_words_over_all_words(first: str, second: str, value: float) -> None:
    ((found,),) = LexicalComparer().compare([(first, second)])
    assert found == pytest.approx(value)
