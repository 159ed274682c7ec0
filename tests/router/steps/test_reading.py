"""Steps and what is read of them."""

from __future__ import annotations

from surefoot.router.estimators.perplexity import Perplexity
from surefoot.router.evidence import Token
from surefoot.router.signals import Unavailable
from surefoot.router.steps.positions import Sentences
from surefoot.router.steps.reading import StepReader
from surefoot.router.testing import FixedEstimator

from .spoken import spoken

READER = StepReader(Sentences(), Perplexity())
TOKENS = spoken(("Two and two.", 0.9), (" That is five.", 0.4), (" So five.", 0.8))


def values(readings: object) -> list[tuple[str, float]]:
    return [(one.step.text, round(one.value, 6)) for one in readings]  # type: ignore[attr-defined]


def test_each_step_is_read_alone() -> None:
    assert values(READER.whole(TOKENS)) == [
        ("Two and two.", 0.9),
        (" That is five.", 0.4),
        (" So five.", 0.8),
    ]


def test_the_last_step_has_not_ended() -> None:
    assert values(READER.ended(TOKENS)) == [("Two and two.", 0.9), (" That is five.", 0.4)]
    assert values(READER.ended(TOKENS[:3])) == []  # the token behind it is not there yet
    assert values(READER.ended(TOKENS[:4])) == [("Two and two.", 0.9)]


def test_every_step_is_seen_once() -> None:
    """However many tokens come at once."""
    for size in (1, 2, 3, 5, 20):
        seen, found = 0, []
        while seen < len(TOKENS):
            now = min(seen + size, len(TOKENS))
            found += values(READER.ended(TOKENS[:now], seen))
            seen = now
        assert found == values(READER.ended(TOKENS))


def test_what_another_began_is_no_step() -> None:
    tokens = (Token("Begun by another. And so. ", special=True), *TOKENS)
    assert values(READER.whole(tokens)) == values(READER.whole(TOKENS))
    assert READER.whole(()) == ()


def test_an_estimator_that_fails_says_so() -> None:
    def broken(_: object) -> Unavailable:
        raise RuntimeError("no")

    (one, *_) = StepReader(Sentences(), FixedEstimator("x", broken)).whole(TOKENS)
    assert one.value is None
    assert isinstance(one.reading, Unavailable) and "RuntimeError" in one.reading.reason
