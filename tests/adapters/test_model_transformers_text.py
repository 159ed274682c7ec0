"""Token ids to text, one by one: characters split over tokens, and stop strings."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.adapters.logprobs import spell
from surefoot.adapters.model_transformers_text import AnswerText, TokenTexts

from ..tiny_causal import tiny_tokenizer

pytest.importorskip("tokenizers")

TOKENIZER = tiny_tokenizer()
TEXTS = TokenTexts(TOKENIZER)


def written(text: str, stops: tuple[str, ...] = (), before: str = "Answer:") -> AnswerText:
    """The text put in token by token, until a stop string has come."""
    answer = AnswerText(TEXTS, TOKENIZER.encode(before), stops)
    for token in TOKENIZER.encode(text, add_special_tokens=False):
        answer.add(token, -0.5, [(token, -0.5)])
        if answer.is_stopped:
            break
    return answer


@settings(max_examples=200)
@given(st.text(max_size=30))
def test_tokens_join_to_the_text(text: str) -> None:
    answer = written(text)
    assert "".join(token.token for token in answer.tokens()) == text
    assert spell(answer.tokens(), answer.text())


@settings(max_examples=300)
@given(
    st.text("ab, \n\u2603", max_size=20),
    st.lists(st.text("ab, \n\u2603", min_size=1, max_size=4), max_size=3),
)
def test_the_text_ends_before_the_stop_string_that_is_first_complete(
    text: str, stops: list[str]
) -> None:
    answer = AnswerText(TEXTS, TOKENIZER.encode("Answer:"), stops)
    shown = ""
    for token in TOKENIZER.encode(text, add_special_tokens=False):
        answer.add(token, -0.5, [])
        certain = "".join(one.token for one in answer.certain())
        assert certain.startswith(shown)
        shown = certain
        if answer.is_stopped:
            break
    come = TEXTS.decode(answer.ids).rstrip("\ufffd")  # what was written until one was complete
    places = [at for stop in stops if (at := come.find(stop)) >= 0]
    joined = "".join(token.token for token in answer.tokens())
    assert answer.is_stopped == bool(places) == any(stop in text for stop in stops)
    assert joined == (text[: min(places)] if places else text)
    assert joined.startswith(shown)
    assert spell(answer.tokens(), answer.text())


def test_a_character_split_over_tokens_belongs_to_the_last_of_them() -> None:
    answer = written("\N{GRINNING FACE}\N{LATIN SMALL LETTER E WITH ACUTE}!")
    pieces = [token.token for token in answer.tokens()]
    assert "".join(pieces) == "\N{GRINNING FACE}\N{LATIN SMALL LETTER E WITH ACUTE}!"
    assert "" in pieces
    assert not any("\ufffd" in piece for piece in pieces)


def test_a_character_that_never_ends_is_left_out() -> None:
    half = TOKENIZER.encode("\N{GRINNING FACE}", add_special_tokens=False)[:-1]
    answer = AnswerText(TEXTS, (), ())
    for token in half:
        answer.add(token, -1.0, [])
    assert answer.text() == ""
    assert answer.certain() == ()
    assert len(answer.tokens()) == len(half)


def test_what_belongs_to_a_stop_string_has_no_text_and_is_special() -> None:
    answer = written("the cat\n\nthe dog", ("\n\n",))
    assert answer.text() == "the cat"
    flags = [token.special for token in answer.tokens() if not token.token]
    assert flags and all(flags)
    assert answer.certain() == answer.tokens()


def test_the_beginning_of_a_stop_string_is_held_back() -> None:
    answer = written("the cat\n", ("\n\n",))
    assert "".join(token.token for token in answer.certain()) == "the cat"
    assert "".join(token.token for token in answer.tokens()) == "the cat\n"


def test_the_text_of_a_token_keeps_its_space() -> None:
    ids = TOKENIZER.encode(" the cat", add_special_tokens=False)
    assert "".join(TEXTS.text(token) for token in ids) == " the cat"
    assert TEXTS.text(TOKENIZER.eos_token_id) == "<|end|>"


def test_the_end_of_the_answer_is_a_token_without_text() -> None:
    answer = written("the cat")
    answer.end(TOKENIZER.eos_token_id, -0.25, [(TOKENIZER.eos_token_id, -0.25)])
    last = answer.tokens()[-1]
    assert (last.token, last.logprob, last.special) == ("", -0.25, True)
    assert last.top_logprobs[0].token == "<|end|>"
    assert answer.text() == "the cat"
