"""Questions become terms: names whole and in parts, noise dropped or weighed low."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.query_terms import (
    MAX_TERMS,
    QueryTerm,
    name_parts,
    name_words,
    query_terms,
    search_form,
)


def test_question_words_are_dropped_and_kinds_are_known() -> None:
    assert query_terms("Which function of the json module parses what a file says?") == (
        QueryTerm("function", kind="function", weight=0.5),
        QueryTerm("json", names=(("json", 1),)),
        QueryTerm("module", kind="module", weight=0.5),
        QueryTerm("parses"),
        QueryTerm("file"),
        QueryTerm("says"),
    )


def test_what_names_the_corpus_weighs_little() -> None:
    terms = query_terms("in the Python standard library")
    assert {term.words: term.weight for term in terms} == {
        "python": 0.5,
        "standard": 0.5,
        "library": 0.5,
    }


def test_dotted_names_are_kept_whole_and_split() -> None:
    [term] = query_terms("os.path.join")
    assert term.words == "os path join"
    assert dict(term.names) == {
        "os": 1,
        "path": 1,
        "join": 1,
        "os.path": 2,
        "path.join": 2,
        "os.path.join": 3,
    }


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("what does read_text return", "read_text"),
        ("how to use ZipFile", "ZipFile"),
        ("the Popen object", "Popen"),
        ("csv methods", "csv"),
        ("calling __init__", "__init__"),
    ],
)
def test_words_that_name_something(query: str, name: str) -> None:
    assert [term.names[0][0] for term in query_terms(query) if term.names] == [name]


def test_plain_words_name_nothing() -> None:
    assert not any(term.names for term in query_terms("Return the largest item of a list"))


def test_words_of_names() -> None:
    assert name_words("JSONDecodeError") == "JSONDecodeError JSON Decode Error"
    assert name_words("pathlib.Path.read_text") == "pathlib Path read text"
    assert name_words("b64encode") == "b64encode b 64 encode"
    assert name_words("naïve") == "naïve"


def test_parts_of_titles() -> None:
    assert name_parts("csv.DictReader").split() == [
        "csv",
        "csv.DictReader",
        "DictReader",
        "csv.dictreader",
        "dictreader",
    ]
    assert name_parts("How to install") == "How to install how"


def test_hyphenated_words_are_also_joined() -> None:
    assert query_terms("sub-commands")[0].words == "sub commands subcommands"


def test_each_word_once_and_not_too_many() -> None:
    assert len(query_terms("cache cache caches")) == 2
    assert len(query_terms(" ".join(f"word{number}" for number in range(1_000)))) == MAX_TERMS


def test_a_pasted_book_is_cut_short() -> None:
    began = time.process_time()
    query_terms("a.b_c " * 1_000_000)
    assert time.process_time() - began < 1.0


def test_one_spelling_for_one_word() -> None:
    assert query_terms("ﬁle") == query_terms("file")
    assert query_terms("cafe\u0301") == query_terms("café")
    assert search_form("a\ud800b") == "a?b"


@pytest.mark.parametrize("query", ["", "   ", "\0", "?!", "the of", "\ud800", "..."])
def test_queries_without_a_word_have_no_terms(query: str) -> None:
    assert query_terms(query) == ()


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_any_text_is_a_query(query: str) -> None:
    terms = query_terms(query)
    assert len(terms) <= MAX_TERMS
    for term in terms:
        assert 0 < term.weight <= 1
        term.words.encode("utf-8")
        assert " " not in "".join(name for name, _ in term.names)
