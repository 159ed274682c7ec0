"""Accept, refine or discard: by hand-counted shares of words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.router.critic.corrective import Corrective, corrected, relevance, sentences
from surefoot.router.errors import ConfigurationError
from surefoot.router.evidence import Passage


def passage(text: str, title: str = "") -> Passage:
    return Passage("p", title, text, 1.0)


def test_sentences_end_where_sentences_end() -> None:
    text = 'J. Smith wrote os.path. "It works." He said so!\n\nnext one'
    assert sentences(text) == ["J. Smith wrote os.path.", '"It works.', "He said so!", "next one"]


def test_relevance_is_the_share_of_the_query_s_words() -> None:
    assert relevance("Who directed the film Jaws?", "Jaws is a film") == pytest.approx(2 / 3)
    assert relevance("who is it", "anything") == 1.0
    assert relevance("Jaws", "") == 0.0


def test_three_ways() -> None:
    bounds = Corrective(accept=0.9, discard=0.4)
    whole, partly, beside = corrected(
        "director film Jaws",
        [
            passage("The director of the film Jaws."),
            passage("Jaws is a film. Bread is baked. It made money."),
            passage("Bread is baked.", title="Film"),
        ],
        bounds,
    )
    assert (whole.verdict, whole.passage) == ("accept", passage("The director of the film Jaws."))
    assert partly.verdict == "refine"
    assert partly.relevance == pytest.approx(2 / 3)
    assert partly.passage == passage("Jaws is a film.")
    assert (beside.verdict, beside.passage) == ("discard", None)


def test_a_passage_to_the_point_by_its_title_alone_stays_whole() -> None:
    (one,) = corrected("Jaws director", [passage("Bread. Butter.", "Jaws")], Corrective(0.9, 0.1))
    assert (one.verdict, one.passage) == ("refine", passage("Bread. Butter.", "Jaws"))


@pytest.mark.parametrize(("accept", "discard"), [(0.1, 0.5), (1.5, 0.0), (0.5, -0.1)])
def test_bounds_out_of_order_are_refused(accept: float, discard: float) -> None:
    with pytest.raises(ConfigurationError):
        Corrective(accept, discard)


@given(st.text(max_size=60), st.lists(st.text(max_size=80), max_size=4))
def test_what_is_kept_was_there(query: str, texts: list[str]) -> None:
    handled = corrected(query, [passage(text) for text in texts], Corrective(0.6, 0.2))
    assert len(handled) == len(texts)
    for one, text in zip(handled, texts, strict=True):
        assert 0.0 <= one.relevance <= 1.0
        if one.passage is not None:
            assert set(one.passage.text.split()) <= set(text.split())
            assert one.passage.text or not text.strip()
