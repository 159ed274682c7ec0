"""Which estimators are read, how records are grouped, and the one line that is written of each."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.policies.scoring import FAMILIES, chosen_estimators, chunks, signal_line
from surefoot.router.errors import BadInput, UsageError
from surefoot.router.estimators.catalogue import CATALOGUE, Options
from surefoot.router.evidence import Evidence, Generation
from surefoot.router.evidence_file import Recorded
from surefoot.router.signals import Reading, Signal, Unavailable

OPTIONS = Options()


def names(*asked: str) -> list[str]:
    return [one.name for one in chosen_estimators(asked, OPTIONS)]


def recorded(line: int, size: int = 10) -> Recorded:
    return Recorded(line, size, str(line), Evidence("q", Generation("x")))


# --- names --------------------------------------------------------------------------------------


def test_without_names_the_whole_catalogue_but_the_compatible_variants() -> None:
    plain = [one.name for one in CATALOGUE.values() if one.compatible_with is None]
    assert sorted(names()) == sorted(plain)
    assert not [name for name in names() if name.endswith(("_lmp", "_uqlm"))]


def test_families_aliases_and_names_each_once_in_order_of_mention() -> None:
    assert names("mean_logprob", "g_nll", "perplexity", "msp") == ["perplexity", "g_nll"]
    tokens = [o.name for o in CATALOGUE.values() if o.family == "tokens" and not o.compatible_with]
    assert names("min_token_prob", "tokens")[0] == "min_token_prob"
    assert sorted(names("min_token_prob", "tokens")) == sorted(tokens)
    assert set(FAMILIES).isdisjoint(CATALOGUE)


def test_a_variant_for_compatibility_can_be_asked_for_by_name() -> None:
    for one in CATALOGUE.values():
        assert names(one.name) == [one.name]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("perplexty", "did you mean 'perplexity'?"),
        ("token", "did you mean 'tokens'?"),
        ("zzzzzz", "`surefoot estimators` lists them"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        names("tokens", name)
    assert f"'{name}'" in str(refused.value)
    assert words in str(refused.value)


def test_the_content_filter_reaches_the_estimators() -> None:
    (off,) = chosen_estimators(["perplexity"], Options(content_filter=False))
    assert getattr(off, "content_filter") is False  # noqa: B009 - no part of the protocol


# --- groups -------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 30), max_size=20), st.integers(1, 5), st.integers(1, 60))
def test_groups_keep_order_and_stay_small(sizes: list[int], most: int, most_bytes: int) -> None:
    records = [recorded(i, size) for i, size in enumerate(sizes)]
    found = list(chunks(records, most, most_bytes))
    assert [record for chunk in found for record in chunk] == records
    assert all(1 <= len(chunk) <= most for chunk in found)
    assert all(sum(one.size for one in chunk[:-1]) < most_bytes for chunk in found)


def test_what_was_read_before_a_bad_line_comes_before_the_error() -> None:
    def broken() -> Iterator[Recorded]:
        yield recorded(1)
        yield recorded(2)
        raise BadInput("x", file="f", line=3)

    groups = chunks(broken(), most=10)
    assert [record.line for record in next(groups)] == [1, 2]
    with pytest.raises(BadInput):
        next(groups)


# --- lines --------------------------------------------------------------------------------------


def test_a_line_as_documented() -> None:
    signals: dict[str, Reading] = {
        "a": Signal("a", 0.5, 2.0, "uncertainty", {"m": 5}),
        "b": Unavailable('no "logprobs"\n'),
        "c": Signal("c", 1, 1),
    }
    assert (
        signal_line("é", signals)
        == (
            '{"id":"é","signals":{"a":{"value":0.5,"raw":2.0,"direction":"uncertainty"},'
            '"b":{"unavailable":"no \\"logprobs\\"\\n"},'
            '"c":{"value":1.0,"raw":1.0,"direction":"confidence"}}}\n'
        ).encode()
    )
    told = json.loads(signal_line(7, signals, details=True))
    assert told["id"] == 7
    assert told["signals"]["a"]["details"] == {"m": 5}
    assert "details" not in told["signals"]["c"]


@given(st.floats(0, 1), st.floats(allow_nan=False, allow_infinity=False), st.text())
def test_numbers_and_texts_read_back_exactly(value: float, raw: float, text: str) -> None:
    line = signal_line(text, {"a": Signal("a", value, raw), "b": Unavailable(text)})
    told = json.loads(line)
    assert line.count(b"\n") == 1
    assert told["id"] == text
    assert (told["signals"]["a"]["value"], told["signals"]["a"]["raw"]) == (value, raw)
    assert told["signals"]["b"]["unavailable"] == text


def test_numbers_of_numpy_and_odd_details_are_written_as_json() -> None:
    import numpy as np

    odd = {"nan": math.nan, "array": np.float32(0.5), "fine": 1}
    signal = Signal("a", np.float64(0.5), np.float32(0.25), "confidence", odd)  # type: ignore[arg-type]  # what an estimator of one's own may return
    told = json.loads(signal_line("x", {"a": signal}, details=True), parse_constant=pytest.fail)
    assert told["signals"]["a"]["raw"] == 0.25
    assert told["signals"]["a"]["details"] == {"nan": "nan", "array": "0.5", "fine": 1}


def test_half_of_a_surrogate_pair_is_escaped() -> None:
    assert json.loads(signal_line("\ud83d", {})) == {"id": "\ud83d", "signals": {}}
