"""What an estimator still needs, part by part."""

from __future__ import annotations

from dataclasses import replace

import pytest

from surefoot.router.budget import NOTHING, Budget, Forecast
from surefoot.router.evidence import CriticVerdict, Evidence, Generation
from surefoot.router.forecasts import Outlook
from surefoot.router.protocols import Needs
from surefoot.router.purchases import (
    missing_parts,
    named,
    purchase_forecast,
    purchase_request,
    with_outcome,
)
from surefoot.router.requests import (
    Ask,
    Asked,
    Compare,
    Compared,
    Critique,
    Critiqued,
    Outcome,
    Sample,
    Sampled,
)
from surefoot.router.state import RunState
from surefoot.router.testing import FixedEstimator

from .plans import FOUND, FRANCE, plan_of

ALL = Needs(samples=2, compare="similarity", asked="judge", critique=True)
BARE = Evidence(FRANCE, Generation(" Paris ", (), "stop"), passages=FOUND)
LYON = Generation("Lyon")


def outlook() -> Outlook:
    state = RunState("r", FRANCE, Budget(), passages=FOUND, round=1)
    return Outlook(plan_of(compare_latency_s=0.25), state)


def test_all_parts_in_the_order_in_which_they_are_bought() -> None:
    assert missing_parts(ALL, BARE) == ["samples", "asked", "critique", "comparison"]
    assert missing_parts(Needs(logprobs=True, top_logprobs=5, passages=True), BARE) == []


def test_what_is_there_is_not_missing() -> None:
    evidence = replace(
        BARE,
        samples=(LYON, LYON),
        asked={"judge": (LYON,)},
        critique=CriticVerdict(0.5, 0.5),
        greedy_similarity=(1.0, 1.0),
        sample_similarity=((1.0, 1.0), (1.0, 1.0)),
    )
    assert missing_parts(ALL, evidence) == []
    assert purchase_forecast(outlook(), ALL, evidence) == NOTHING
    assert purchase_request(outlook(), ALL, evidence, 1.0) is None
    # More samples make every comparison of fewer void.
    assert missing_parts(replace(ALL, samples=3), evidence) == ["samples", "comparison"]
    assert missing_parts(Needs(asked="p_true"), evidence) == ["asked"]
    assert missing_parts(Needs(compare="nli"), evidence) == ["comparison"]


def test_the_price_of_all_parts() -> None:
    # A prompt has 10 + 2 * 5 tokens; two samples of it; once more with an answer of 20 in it.
    samples = Forecast(2 * (20 + 40), 0.0, 2, 80)
    asked = Forecast(40 + 40, 0.0, 1, 60)
    local = Forecast(latency_s=0.5)
    assert purchase_forecast(outlook(), ALL, BARE) == samples + asked + local


def test_the_parts_are_asked_for_one_after_the_other() -> None:
    evidence, requests = BARE, []
    outcomes: dict[type, Outcome] = {
        Sample: Sampled((LYON, LYON)),
        Ask: Asked((Generation("yes"),)),
        Critique: Critiqued(CriticVerdict(None, 0.5)),
        Compare: Compared(((0.5,),)),
    }
    while (request := purchase_request(outlook(), ALL, evidence, 1.5)) is not None:
        requests.append(request)
        evidence = with_outcome(evidence, request, outcomes[type(request)])
    assert requests == [
        Sample(0, 2, FOUND, Forecast(120.0, 0.0, 2, 80), 1.5),
        Ask("judge", 0, "Paris", FOUND, Forecast(80.0, 0.0, 1, 60), 1.5),
        Critique("Paris", FOUND, Forecast(latency_s=0.25), 1.5, round=1, found_in=(1, 1)),
        Compare((("Paris", "Lyon"),), "similarity", Forecast(latency_s=0.25), 1.5),
    ]
    assert evidence.greedy_similarity == (0.5, 0.5)


def test_only_the_missing_samples_are_drawn() -> None:
    request = purchase_request(outlook(), Needs(samples=5), replace(BARE, samples=(LYON,)), None)
    assert isinstance(request, Sample)
    assert (request.n, request.forecast.calls) == (4, 4)


def test_new_samples_void_what_compared_the_old_ones_and_nothing_else() -> None:
    old = replace(
        BARE,
        id="7",
        samples=(LYON,),
        nli=(((0.0, 0.0, 1.0),),),
        greedy_similarity=(0.5,),
        sample_similarity=((1.0,),),
        greedy_token_similarity=(0.5,),
        sample_token_similarity=((0.5,),),
        asked={"judge": (LYON,)},
        without_context=LYON,
        previous_answers=("Nice",),
        peers={"m": LYON},
        hidden_ref="f:1",
        critique=CriticVerdict(0.5, 0.5),
    )
    new = with_outcome(old, Sample(0, 1), Sampled((LYON,)))
    assert new == replace(
        old, samples=(LYON, LYON), nli=None, greedy_similarity=None, sample_similarity=None
    )


def test_answers_of_one_kind_leave_the_others() -> None:
    old = replace(BARE, asked={"judge": (LYON,)})
    new = with_outcome(old, Ask("p_true", 0, "Paris"), Asked((Generation("True"),)))
    assert new.asked == {"judge": (LYON,), "p_true": (Generation("True"),)}
    assert old.asked == {"judge": (LYON,)}


def test_estimators_are_found_by_name() -> None:
    estimators = (FixedEstimator("a"), FixedEstimator("b"))
    assert named(estimators, "b") is estimators[1]
    with pytest.raises(StopIteration):
        named(estimators, "c")
