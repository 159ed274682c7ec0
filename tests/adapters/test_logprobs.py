"""The logprob shapes of providers, as they come over the wire and out of checkpoints."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.logprobs import read_logprobs, spell
from surefoot.router.evidence import Alternative, Token

PARIS = Token(" Paris", -0.25, (Alternative(" Paris", -0.25), Alternative(" Lyon", -2.0)))
DOT = Token(".", -0.5, (Alternative(".", -0.5),))

ENTRIES: list[dict[str, Any]] = [
    {
        "token": " Paris",
        "bytes": [32, 80, 97, 114, 105, 115],
        "logprob": -0.25,
        "top_logprobs": [
            {"token": " Paris", "logprob": -0.25},
            {"token": " Lyon", "logprob": -2.0},
        ],
    },
    {"token": ".", "logprob": -0.5, "top_logprobs": [{"token": ".", "logprob": -0.5}]},
]


def as_object(entry: dict[str, Any]) -> SimpleNamespace:
    tops = [SimpleNamespace(**top) for top in entry["top_logprobs"]]
    return SimpleNamespace(**{**entry, "top_logprobs": tops})


LEGACY = {
    "tokens": [" Paris", "."],
    "token_logprobs": [-0.25, -0.5],
    "top_logprobs": [{" Paris": -0.25, " Lyon": -2.0}, {".": -0.5}],
    "text_offset": [0, 6],
}


@pytest.mark.parametrize(
    "raw",
    [
        {"content": ENTRIES},
        {"content": ENTRIES, "refusal": None},
        ENTRIES,
        tuple(ENTRIES),
        [as_object(entry) for entry in ENTRIES],
        SimpleNamespace(content=[as_object(entry) for entry in ENTRIES]),
        LEGACY,
    ],
    ids=["chat", "chat+refusal", "list", "tuple", "objects", "object", "legacy"],
)
def test_every_shape_becomes_the_same_tokens(raw: object) -> None:
    reading = read_logprobs(raw)
    assert reading.tokens == (PARIS, DOT)
    assert reading.reason is None


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "sent no logprobs"),
        ({"content": None}, "sent no logprobs"),
        ([], "empty list"),
        ({"content": []}, "empty list"),
        ({"tokens": []}, "empty list"),
        ("Paris", "unknown shape (str)"),
        (7, "unknown shape (int)"),
        ({}, "unknown shape (dict)"),
        ([{"logprob": -1.0}], "entry 0 has no token text"),
        ([ENTRIES[0], None], "entry 1 has no token text"),
        ({"tokens": ["a", 1]}, "not a list of strings"),
        ({"tokens": ["a", "b"], "token_logprobs": [-1.0]}, "'token_logprobs' has not one entry"),
        ({"tokens": ["a"], "top_logprobs": []}, "'top_logprobs' has not one entry"),
    ],
)
def test_what_cannot_be_read_says_why(raw: object, reason: str) -> None:
    reading = read_logprobs(raw)
    assert reading.tokens == ()
    assert reading.reason is not None
    assert reason in reading.reason


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (-0.25, -0.25),
        (0, 0.0),
        (-3, -3.0),
        # A positive logprob is kept: the estimators' hygiene refuses the whole answer for it.
        (0.1, 0.1),
        (None, None),
        (math.nan, None),
        (-math.inf, None),
        (math.inf, None),
        (-9999, None),
        (-9999.0, None),
        (-3.4028234663852886e38, None),
        (True, None),
        ("-0.5", None),
        (-(10**400), None),
        ([], None),
    ],
)
def test_a_number_that_is_none_is_missing_never_zero(value: object, expected: float | None) -> None:
    (token,) = read_logprobs([{"token": "x", "logprob": value}]).tokens
    assert token.logprob == expected


def test_an_alternative_without_a_usable_logprob_is_left_out_alone() -> None:
    tops = [
        {"token": "a", "logprob": -0.1},
        {"token": "b", "logprob": -9999.0},
        {"token": "c"},
        {"logprob": -1.0},
        "d",
        {"token": "e", "logprob": -3.0},
    ]
    (token,) = read_logprobs([{"token": "a", "logprob": -0.1, "top_logprobs": tops}]).tokens
    assert token.top_logprobs == (Alternative("a", -0.1), Alternative("e", -3.0))


def test_a_character_split_over_tokens_joins_correctly() -> None:
    unicorn = "🦄".encode()
    pieces = [b"a", unicorn[:2], unicorn[2:3], unicorn[3:] + b"!", "é".encode()]
    entries = [
        {"token": piece.decode("utf-8", "replace"), "bytes": list(piece), "logprob": -1.0}
        for piece in pieces
    ]
    tokens = read_logprobs(entries).tokens
    assert [token.token for token in tokens] == ["a", "", "", "🦄!", "é"]
    assert spell(tokens, "a🦄!é")


def test_a_character_that_never_ends_is_replaced_once() -> None:
    entries = [
        {"token": "a", "bytes": [97], "logprob": -1.0},
        {"token": "\ufffd", "bytes": list("🦄".encode()[:3]), "logprob": -1.0},
    ]
    assert [token.token for token in read_logprobs(entries).tokens] == ["a", "\ufffd"]
    entries.append({"token": "b", "bytes": None, "logprob": -1.0})
    assert "".join(token.token for token in read_logprobs(entries).tokens) == "a\ufffdb"


def test_the_older_completions_spell_half_characters_out() -> None:
    raw = {"tokens": ["bytes:\\xf0\\x9f", "bytes:\\xa6\\x84", "bytes: 5"]}
    tokens = read_logprobs(raw).tokens
    assert [token.token for token in tokens] == ["", "🦄", "bytes: 5"]
    assert [token.logprob for token in tokens] == [None, None, None]


@pytest.mark.parametrize("junk", [[300], [-1], ["a"], [1.5], [True], "abc", 7, {}])
def test_bytes_that_are_none_are_ignored(junk: object) -> None:
    (token,) = read_logprobs([{"token": "x", "bytes": junk, "logprob": -1.0}]).tokens
    assert token.token == "x"


def test_an_object_whose_attributes_fail_is_only_unreadable() -> None:
    class Hostile:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError(name)

    assert read_logprobs(Hostile()).tokens == ()
    assert read_logprobs([Hostile()]).reason == "logprob entry 0 has no token text"


def test_spelling_ignores_outer_space_and_control_tokens_only() -> None:
    tokens = (Token(" Paris"), Token("."), Token("<|im_end|>"))
    assert spell(tokens, "Paris.")
    assert not spell(tokens, "Paris")
    assert not spell(tokens, "Lyon.")
    assert spell((Token("Paris"), Token("###", special=True)), "Paris")
    assert spell((), "  ")


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["content", "token", "tokens", "bytes", "logprob", "top_logprobs", "token_logprobs"]
            )
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JUNK)
def test_junk_never_raises_and_never_becomes_a_number_that_is_none(raw: object) -> None:
    reading = read_logprobs(raw)
    assert (reading.reason is None) == bool(reading.tokens)
    for token in reading.tokens:
        assert token.logprob is None or math.isfinite(token.logprob)
        assert all(math.isfinite(other.logprob) for other in token.top_logprobs)


@given(st.text(max_size=30), st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_any_cut_into_byte_pieces_joins_to_the_text(text: str, sizes: list[int]) -> None:
    data, entries, at, turn = text.encode("utf-8", "replace"), [], 0, 0
    while at < len(data):
        piece = data[at : at + sizes[turn % len(sizes)]]
        entries.append({"token": "?", "bytes": list(piece), "logprob": -1.0})
        at, turn = at + len(piece), turn + 1
    tokens = read_logprobs(entries).tokens
    assert "".join(token.token for token in tokens) == data.decode()
    assert len(tokens) == len(entries)
