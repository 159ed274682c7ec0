"""Features of a question: the same everywhere, bounded in time, of any text."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.policies.question_features import BUCKETS, MEASURES, question_features

PLAIN = "Which rivers, in Asia, are longer than 2,500 km?"


def place(word: str) -> tuple[int, int]:
    code = zlib.crc32(word.encode())
    return (code >> 1) % BUCKETS, 1 if code % 2 else -1


def test_words_land_where_their_hash_says_with_the_root_of_their_count() -> None:
    found = question_features("cat Cat cat dog")
    (cat, cat_sign), (dog, dog_sign) = place("cat"), place("dog")
    assert cat != dog
    # Counts 3 and 1: roots over the root of 4.
    assert found.words == pytest.approx({cat: cat_sign * math.sqrt(3) / 2, dog: dog_sign / 2})


def test_words_count_by_their_first_five_characters() -> None:
    assert question_features("rivers").words == question_features("riverside").words
    assert question_features("river").words != question_features("rives").words


def test_words_of_opposite_sign_in_one_bucket_cancel() -> None:
    by_bucket: dict[int, dict[int, str]] = {}
    letters = "abcdefghijklmnopqrstuvwxyz"
    for word in (one + other + "x" for one in letters for other in letters):
        bucket, sign = place(word)
        both = by_bucket.setdefault(bucket, {})
        both[sign] = word
        if len(both) == 2:
            assert question_features(" ".join(both.values())).words == {}
            return
    raise AssertionError("no such pair among 676 words: the hash is not what it was")


def test_measures_by_hand() -> None:
    found = dict(zip(MEASURES, question_features("Ab 1?\nxyz").measures, strict=True))
    assert found == pytest.approx(
        {
            "log_length": math.log(10),
            "log_words": math.log(5),  # ab 1 ? xyz
            "log_lines": math.log(2),
            "log_first_line": math.log(6),
            "word_length": 7 / 4,
            "longest_word": math.log(4),
            "distinct_share": 1.0,
            "digit_share": 1 / 9,
            "capital_share": 1 / 9,
            "mark_share": 1 / 9,
            "foreign_share": 0.0,
        }
    )


def test_the_same_in_every_process_whatever_its_hash_seed() -> None:
    program = (
        "import json, sys; from surefoot.policies.question_features import question_features;"
        "w, m = question_features(sys.argv[1]); print(json.dumps([sorted(w.items()), m]))"
    )
    told = set()
    for seed in ("0", "1", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = [sys.executable, "-c", program, PLAIN]
        told.add(subprocess.run(run, env=environment, capture_output=True, check=True).stdout)
    assert len(told) == 1
    words, measures = json.loads(told.pop())
    here = question_features(PLAIN)
    assert ({b: v for b, v in words}, tuple(measures)) == (dict(here.words), here.measures)


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_gives_finite_numbers_and_a_direction(text: str) -> None:
    found = question_features(text)
    assert len(found.measures) == len(MEASURES) and all(map(math.isfinite, found.measures))
    assert all(0 <= bucket < BUCKETS for bucket in found.words)
    assert not found.words or math.hypot(*found.words.values()) == pytest.approx(1.0)


def test_the_empty_question_and_lone_surrogates_are_questions_too() -> None:
    assert question_features("").words == {}
    assert question_features("\ud800 \x00").measures[0] == pytest.approx(math.log(4))


def test_scripts_without_spaces_give_a_word_per_character() -> None:
    asked, other = question_features("東京はどこですか").words, question_features("東京").words
    assert set(other) <= set(asked) and len(asked) > 5


def test_width_and_case_of_letters_make_no_difference() -> None:
    assert (
        question_features("\uff21\uff22\uff23 Straße").words
        == question_features("abc STRASSE").words
    )


def test_a_huge_question_is_read_at_its_ends_only() -> None:
    task = "Summarize the plot. " + "x" * 1500
    huge = task + " filler" * 1_000_000 + " y" * 750
    other = task + " else" * 1_400_000 + " y" * 750
    began = time.perf_counter()
    found = question_features(huge)
    assert time.perf_counter() - began < 0.1
    assert found.words == question_features(other).words
    assert found.measures[0] == pytest.approx(math.log1p(len(huge)))


def test_thirty_words_take_tens_of_microseconds() -> None:
    question = " ".join(f"word{chr(97 + n % 26)}{n}" for n in range(15)) + " and what of it?" * 4
    runs = []
    for _ in range(7):
        began = time.process_time()
        for _ in range(300):
            question_features(question)
        runs.append((time.process_time() - began) / 300)
    # 30 on an idle machine; the slack is for a shared one.
    assert min(runs) < 240e-6
