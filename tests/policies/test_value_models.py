"""Value models: chances by hand, evidence that keeps its mean, JSON and back."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.policies.value_models import RungCosts, RungModel, ValueModels, evidence_steps
from surefoot.router.errors import UsageError

from .value_situations import FLAT, LARGE, SMALL, logit


def test_chances_by_hand() -> None:
    model = RungModel(SMALL, LARGE, 0.5, 0.8, -0.3, 0.6)
    assert model.at(0.7) == pytest.approx(1 / (1 + math.exp(-0.5 - 0.8 * logit(0.7))))
    z = 0.5 + 0.8 * logit(0.7) - 0.3 * logit(0.4) + 0.6 * logit(0.9)
    assert model.at(0.7, (0.4, 0.9)) == pytest.approx(1 / (1 + math.exp(-z)))
    assert RungModel(None, LARGE, 0.0, target_prior=1.0).at(None, (0.4, 0.9)) == pytest.approx(0.9)


def test_certainty_counts_as_no_more_than_the_clip() -> None:
    model = RungModel(SMALL, LARGE, 0.0, 1.0)
    assert (model.at(1.0), model.at(0.0)) == pytest.approx((0.995, 0.005))


@given(st.floats(0.0, 5.0), st.floats(0.01, 0.99))
def test_evidence_keeps_the_mean_whatever_its_spread(spread: float, p: float) -> None:
    total = weight_of_all = 0.0
    steps = evidence_steps(spread)
    for step in steps:
        for weight in (step, -step):
            speaks = 1.0 / (1.0 + math.exp(-weight))
            chance = (p * speaks + (1.0 - p) * (1.0 - speaks)) / len(steps)
            total += chance / (1.0 + math.exp(-logit(p) - weight))
            weight_of_all += chance
    assert weight_of_all == pytest.approx(1.0)
    assert total == pytest.approx(p, abs=1e-9)


def test_evidence_steps_are_quantiles_of_its_weight() -> None:
    from scipy.stats import norm

    steps = evidence_steps(1.3)
    law = norm(1.3**2 / 2, 1.3)
    shares = [law.cdf(step) - law.cdf(-step) for step in steps]
    assert shares == pytest.approx([0.125, 0.375, 0.625, 0.875])
    assert evidence_steps(0.0) == (0.0,)


def test_json_and_back_with_the_same_fingerprint() -> None:
    models = replace(FLAT, informed=(RungModel(SMALL, LARGE, 0.1, 0.2, -0.3, 0.4, 0.5),))
    again = ValueModels.from_data(json.loads(json.dumps(models.to_data())))
    assert again == models and again.fingerprint == models.fingerprint
    other = replace(models, informed=(replace(models.informed[0], spread=0.6),))
    assert other.fingerprint != models.fingerprint


@pytest.mark.parametrize(
    "model",
    [
        RungModel(SMALL, LARGE, math.nan),
        RungModel(SMALL, LARGE, 0.0, -0.1),
        RungModel(SMALL, LARGE, 0.0, 11.0),
        RungModel(SMALL, LARGE, 0.0, spread=-0.1),
        RungModel(SMALL, LARGE, 0.0, target_prior=math.inf),
    ],
)
def test_numbers_that_no_fit_gives_are_refused(model: RungModel) -> None:
    with pytest.raises(UsageError, match="from"):
        ValueModels(FLAT.costs, (model,))


def test_prices_below_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="costs"):
        ValueModels((RungCosts(SMALL, -1.0),), ())


def test_what_no_file_should_hold_is_refused() -> None:
    with pytest.raises(UsageError):
        ValueModels.from_data({"costs": [], "bare": [{"source": None}]})
