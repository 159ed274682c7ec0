"""The prior as a value: its arithmetic by hand, its file, what it refuses."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from surefoot.policies.packed_table import packed
from surefoot.policies.prior import CLIP, Line, MeasureScale, QuestionMap, QuestionPrior
from surefoot.policies.question_features import BUCKETS, MEASURES, question_features
from surefoot.router.errors import ProfileMismatch, UsageError
from surefoot.router.protocols import Prior

ROWS = BUCKETS + len(MEASURES)
[(CAT, CAT_SIGN)] = question_features("cat").words.items()
[(DOG, DOG_SIGN)] = question_features("dog").words.items()


def by_hand() -> QuestionPrior:
    """Two tiers; "cat" lies along the first axis, "dog" along the second, "cat" is remembered."""
    axes, weights = np.zeros((ROWS, 2)), np.zeros((ROWS, 2))
    axes[CAT, 0], axes[DOG, 1] = CAT_SIGN, DOG_SIGN
    weights[DOG] = 0.2 * DOG_SIGN, -0.4 * DOG_SIGN
    weights[BUCKETS] = 0.508, 0.0  # the length, for the first tier; 127 times 0.004
    scales = (MeasureScale(math.log(4), 0.5), *[MeasureScale(0.0, 1e6)] * (len(MEASURES) - 1))
    map_ = QuestionMap(scales, packed(axes), (0.0, 0.0), packed(np.array([[1.0, 0.0]])))
    worths = packed(np.array([[-0.3, 0.5]]))
    return QuestionPrior(map_, packed(weights), worths, (Line(0.5, 1.0), Line(0.9, 0.5)))


def test_a_question_at_a_remembered_one_is_worth_what_that_one_is() -> None:
    # Nearness 1, usual length: 0.5 - 0.3, and 0.9 + 0.5 (0.5), clipped.
    assert by_hand().probabilities("cat") == pytest.approx((0.2, 1 - CLIP), abs=1e-5)


def test_a_question_at_a_right_angle_is_hardly_near() -> None:
    near = math.exp(-3.0)
    expected = 0.5 + 0.2 - 0.3 * near, 0.9 + 0.5 * (-0.4 + 0.5 * near)
    assert by_hand().probabilities("dog") == pytest.approx(expected, abs=1e-5)


def test_a_question_nowhere_on_the_map_is_near_nothing() -> None:
    # "cat" and "dog" have other places; "zzz" is at the origin, and of usual length too.
    assert not {CAT, DOG} & set(question_features("zzz").words)
    assert by_hand().probabilities("zzz") == pytest.approx((0.5, 0.9), abs=1e-5)


def test_a_measure_counts_by_deviations_and_at_most_four() -> None:
    prior = by_hand()
    longer = (math.log(9) - math.log(4)) / 0.5
    assert prior.probabilities("zzz" + " " * 5)[0] == pytest.approx(
        0.5 + 0.508 * 0.15 * longer, abs=1e-5
    )
    assert prior.scores("zzz" + " " * 10**6)[0] == pytest.approx(0.508 * 0.15 * 4.0, abs=1e-5)


def test_it_is_what_the_loop_takes_as_a_prior() -> None:
    prior: Prior = by_hand()
    assert len(prior.probabilities("")) == 2


def test_round_trip_keeps_every_number_and_the_fingerprint() -> None:
    prior = by_hand()
    back = QuestionPrior.from_data(json.loads(json.dumps(prior.to_data())))
    assert back == prior and back.fingerprint == prior.fingerprint
    for question in ("cat", "dog and cat", "", "¿Qué?"):
        assert back.probabilities(question) == prior.probabilities(question)


def test_the_fingerprint_changes_with_any_number() -> None:
    data = by_hand().to_data()
    seen = {by_hand().fingerprint}
    changes: list[tuple[list[Any], Any]] = [
        (["lines", 0, 0], 0.51),
        (["map", "origin", 1], 0.1),
        (["map", "measures", "log_words", 0], 0.1),
        (["weights", "units", 1], 0.5),
        (["worths", "numbers"], "AQI="),
    ]
    for path, value in changes:
        changed = json.loads(json.dumps(data))
        part = changed
        for step in path[:-1]:
            part = part[step]
        part[path[-1]] = value
        seen.add(QuestionPrior.from_data(changed).fingerprint)
    assert len(seen) == 1 + len(changes)


def test_features_of_another_version_are_a_mismatch() -> None:
    with pytest.raises(ProfileMismatch, match="version 0"):
        QuestionPrior.from_data({**by_hand().to_data(), "features": 0})


@pytest.mark.parametrize(
    "part",
    [
        {"lines": [[0.5, 1.0]]},  # one tier, weights of two
        {"lines": []},
        {"lines": [[0.5], [0.5, 1.0]]},
        {"lines": [[0.5, float("inf")], [0.5, 1.0]]},
        {"lines": 3},
        {"map": []},
        {"worths": {"units": [1.0, 1.0], "numbers": "AQIDBA=="}},  # two rows, one remembered
        {"weights": {"units": [1.0, 1.0], "numbers": "AQI="}},
    ],
)
def test_numbers_that_make_no_prior_are_refused(part: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        QuestionPrior.from_data({**by_hand().to_data(), **part})


@pytest.mark.parametrize(
    "part",
    [
        {"origin": [0.0]},
        {"remembered": {"units": [1.0], "numbers": "AQ=="}},
        {"axes": {"units": [1.0, 1.0], "numbers": "AQI="}},
        {"measures": {name: [0.0, 0.0] for name in MEASURES}},
        {"measures": {name: [0.0] for name in MEASURES}},
    ],
)
def test_numbers_that_make_no_map_are_refused(part: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        QuestionMap.from_data({**by_hand().map.to_data(), **part})


def test_serving_needs_no_numpy_and_is_the_same_in_another_process() -> None:
    program = (
        "import json, sys; from surefoot.policies.prior import QuestionPrior;"
        "prior = QuestionPrior.from_data(json.load(sys.stdin));"
        "print(json.dumps([prior.probabilities('cat and dog'), 'numpy' in sys.modules]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(by_hand().to_data()).encode(),
        capture_output=True,
        check=True,
    )
    told, has_numpy = json.loads(run.stdout)
    assert tuple(told) == by_hand().probabilities("cat and dog") and not has_numpy


def test_thirty_words_among_the_most_remembered_questions_take_a_tenth_of_a_millisecond() -> None:
    rng = np.random.default_rng(0)
    map_ = QuestionMap(
        (MeasureScale(0.0, 1.0),) * len(MEASURES),
        packed(rng.normal(size=(ROWS, 12))),
        (0.0,) * 12,
        packed(rng.normal(size=(128, 12))),
    )
    tables = packed(rng.normal(size=(ROWS, 5))), packed(rng.normal(size=(128, 5)))
    prior = QuestionPrior(map_, *tables, (Line(0.5, 1.0),) * 5)
    question = " ".join(f"{chr(97 + n % 26) * 6}" for n in range(30))
    runs = []
    for _ in range(7):
        began = time.process_time()
        for _ in range(100):
            prior.probabilities(question)
        runs.append((time.process_time() - began) / 100)
    assert min(runs) < 800e-6  # 0.1 ms on an idle machine; the slack is for a shared one
