"""F09: logprobs that are absent, NaN, infinite, positive, empty or of another length make every
token signal Unavailable or a number in [0, 1]; a policy never answers on a signal that is not
there."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.openai_wire import parse_completion
from surefoot.router.decisions import Action
from surefoot.router.estimators.catalogue import CATALOGUE, estimator
from surefoot.router.evidence import Evidence
from surefoot.router.signals import Signal, Unavailable

from ..adapters.scripted_upstream import chat_choice, running_upstream
from .deployment import deployed
from .protected import asking

FREE = [name for name in CATALOGUE if estimator(name).needs.is_free]


def entry(token: str, logprob: object, top: object = None) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "top_logprobs": top}


PARIS = [entry("Paris", -0.1, [{"token": "Paris", "logprob": -0.1}]), entry(".", -0.2, [])]
BROKEN: dict[str, object] = {
    "absent": None,
    "empty": {"content": []},
    "nan": {"content": [entry("Paris", math.nan), entry(".", -0.1)]},
    "minus infinity": {"content": [entry("Paris", -math.inf), entry(".", -0.1)]},
    "positive": {"content": [entry("Paris", 0.1), entry(".", -0.1)]},
    "a text": {"content": [entry("Paris", "-0.1"), entry(".", -0.1)]},
    "null": {"content": [entry("Paris", None), entry(".", -0.1)]},
    "fewer than tokens": {"content": [entry("Paris", -0.1)]},
    "more than tokens": {"content": [*PARIS, entry(" More", -0.1)]},
    "no candidates": {"content": [entry("Paris", -0.1, []), entry(".", -0.1, [])]},
    "broken candidates": {"content": [entry("Paris", -0.1, [{"token": "x"}, 7]), entry(".", -0.1)]},
    "candidates above one": {
        "content": [
            entry("Paris", -0.1, [{"token": "Paris", "logprob": 3.0}] * 3),
            entry(".", -0.1),
        ]
    },
}


def body_with(logprobs: object) -> bytes:
    return json.dumps({"choices": [chat_choice(logprobs=logprobs)]}).encode()


def check_all(logprobs: object) -> list[str]:
    """The names of the signals that could be read."""
    completion = parse_completion("m", body_with(logprobs), asking())
    evidence = Evidence("Which city?", completion.generations[0])
    found = []
    for name in FREE:
        reading = estimator(name).estimate(evidence)
        if isinstance(reading, Unavailable):
            assert reading.reason
            continue
        assert isinstance(reading, Signal) and 0.0 <= reading.value <= 1.0
        found.append(name)
    return found


@pytest.mark.parametrize("logprobs", list(BROKEN.values()), ids=list(BROKEN))
def test_every_token_signal_is_a_number_or_says_why_not(logprobs: object) -> None:
    check_all(logprobs)


def test_whole_ones_can_be_read() -> None:
    """The control."""
    assert {"perplexity", "min_token_prob"} <= set(check_all({"content": PARIS}))
    assert "perplexity" not in check_all(None)


@given(
    st.lists(
        st.builds(
            entry,
            st.text(max_size=3),
            st.one_of(st.none(), st.floats(), st.integers(), st.text(max_size=2)),
            st.one_of(
                st.none(),
                st.lists(
                    st.fixed_dictionaries({"token": st.text(max_size=2), "logprob": st.floats()}),
                    max_size=4,
                ),
            ),
        ),
        max_size=4,
    )
)
def test_nor_does_anything_else_raise(content: list[dict[str, Any]]) -> None:
    check_all({"content": content})


async def test_a_policy_does_not_answer_on_a_signal_that_is_not_there(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        url = upstream.base_url
        async with deployed(tmp_path, ("small", "no-logprobs", url), ("large", "ok", url)) as built:
            result = await built.router.ask("Which city?")
            assert (result.action, [a.tier for a in result.attempts]) == (Action.ANSWER, [0, 1])
        async with deployed(tmp_path, ("small", "no-logprobs", url)) as built:
            result = await built.router.ask("Which city?")
            assert result.action is Action.ABSTAIN and len(result.attempts) == 1
