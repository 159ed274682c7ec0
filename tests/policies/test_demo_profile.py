"""The shipped profile holds what is said of it, on questions that it was not fitted on."""

from dataclasses import replace
from pathlib import Path

import pytest

from surefoot.graphs.config import demo_folder
from surefoot.policies.fit import default_prices, fit_uncertified
from surefoot.policies.outcomes import OutcomeTable, read_outcomes
from surefoot.policies.profile import load_profile
from surefoot.policies.replay import replay_profile
from surefoot.policies.table_facts import fit_settings

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FITTED_ON = BENCHMARKS / "demo_outcomes_fit.jsonl"
HELD_OUT = BENCHMARKS / "demo_outcomes_held_out.jsonl"


@pytest.fixture(scope="module")
def held_out() -> OutcomeTable:
    return read_outcomes(HELD_OUT)


def test_no_topic_of_the_held_out_questions_was_fitted_on(held_out: OutcomeTable) -> None:
    def topics(table: OutcomeTable) -> set[str]:
        return {row.extra["group"]["topic"] for row in table.rows()}

    assert not topics(held_out) & topics(read_outcomes(FITTED_ON))


def test_the_surer_half_is_right_more_often(held_out: OutcomeTable) -> None:
    report = replay_profile(held_out, load_profile(demo_folder() / "demo_profile.json"))
    assert report.n >= 200
    assert report.selective_gain is not None and report.selective_gain > 0
    assert report.intervals["selective_gain"][0] > 0  # the interval excludes zero


def test_nothing_is_said_to_be_certified() -> None:
    assert load_profile(demo_folder() / "demo_profile.json").certificate is None


@pytest.mark.slow
def test_the_profile_is_what_fit_makes_of_the_recorded_outcomes() -> None:
    table = read_outcomes(FITTED_ON)
    settings = replace(fit_settings(table, default_prices(table), 0), enter="first")
    fitted = fit_uncertified(table, settings, {})
    assert fitted.fingerprint == load_profile(demo_folder() / "demo_profile.json").fingerprint
