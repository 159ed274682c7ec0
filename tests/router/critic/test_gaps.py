"""What passages lack, in the question's own words."""

from __future__ import annotations

from surefoot.router.critic.gaps import gap_of, missing_words
from surefoot.router.evidence import Passage

PASSAGES = (Passage("1", "Jaws (film)", "A film that Steven Spielberg directed.", 1.0),)


def test_words_that_no_passage_holds() -> None:
    question = "Where was the director of Jaws, Worthy Streator, born? And Streator's son?"
    assert missing_words(question, PASSAGES)[:2] == ("director", "Worthy")
    assert "Jaws" not in missing_words(question, PASSAGES)
    assert missing_words("Which films did Spielberg direct?", PASSAGES) == ()


def test_a_gap_in_words() -> None:
    assert gap_of("Streator?", PASSAGES) == "Nothing was found on: Streator."
    assert gap_of("Jaws?", PASSAGES) is None
