"""What is searched for next: read from what models write, and told apart from earlier queries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.queries import first_new, query_fingerprint, query_in, rationale_query


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Who directed Jaws?", "Who directed Jaws?"),
        ('Query: "director of Jaws"\nBecause it is missing.', "director of Jaws"),
        ('Sure! {"query": "director of Jaws", "reasoning": "x"}', "director of Jaws"),
        ('{"reasoning": "none", "query": "Jaws \\"film\\" director', 'Jaws \\"film\\" director'),
        ("\n \nSearch: Jaws 1975\n", "Jaws 1975"),
        ("Standalone question: Where was he born?", "Where was he born?"),
        ("", ""),
        ("   \n??", ""),
        ("the of and", ""),
        ("word " * 200, ""),
        ('{"query": 3}', '{"query": 3}'),
    ],
)
def test_the_query_in_what_a_model_wrote(text: str, query: str) -> None:
    assert query_in(text) == query


@given(st.text())
def test_any_text_gives_a_query_or_none(text: str) -> None:
    query = query_in(text)
    assert query == "" or (len(query) <= 400 and "\n" not in query)


def test_equal_searches_have_equal_fingerprints() -> None:
    same = query_fingerprint("Who is the director of Jaws?")
    assert query_fingerprint("jaws DIRECTOR") == same
    assert query_fingerprint("director of Alien") != same
    assert query_fingerprint("Who?") != query_fingerprint("Where?")


def test_the_last_sentence_of_the_reasons() -> None:
    reasons = "Jaws was directed by Steven Spielberg. His mother, L. Adler, ran a restaurant."
    assert rationale_query(reasons) == "His mother, L. Adler, ran a restaurant."
    assert rationale_query("  ") == ""


def test_the_first_that_is_new() -> None:
    asked = ["director of Jaws"]
    assert first_new(["", "Jaws director", "Jaws cast"], asked) == "Jaws cast"
    assert first_new(["", "Jaws director"], asked) is None
