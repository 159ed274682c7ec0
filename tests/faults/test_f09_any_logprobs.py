"""F09: whatever an endpoint sends for logprobs, each estimator says Unavailable or a number in
[0, 1], the answer itself comes through, and a tier whose signal is gone is not trusted."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from surefoot.adapters.model_openai import OpenAIModel
from surefoot.adapters.openai_stream import StreamedAnswer, read_events
from surefoot.adapters.openai_wire import parse_completion
from surefoot.router.assessing import BareAssessor
from surefoot.router.decisions import Action
from surefoot.router.drive import Router
from surefoot.router.estimators.catalogue import CATALOGUE, estimator
from surefoot.router.evidence import Evidence, Generation, Token
from surefoot.router.protocols import ModelCall, Prompt
from surefoot.router.requests import Continue, PrefixVerdict
from surefoot.router.signals import Signal, Unavailable
from surefoot.router.testing import ScriptedModel, says

from ..adapters.raw_upstream import answering, head
from ..adapters.scripted_upstream import LEGACY, chat_choice, text_choice
from ..router.deployments import router_of
from ..router.plans import plan_of
from .streams import CALL

TEXT_CALL = ModelCall(Prompt("The capital is"), top_logprobs=5)
ESTIMATORS = [estimator(name) for name in CATALOGUE]
NAN, INF = math.nan, math.inf


def entry(token: str, logprob: Any, tops: Any = None, **more: Any) -> dict[str, Any]:
    listed = [{"token": token, "logprob": logprob}, {"token": "x", "logprob": -2.0}]
    return {
        "token": token,
        "logprob": logprob,
        "top_logprobs": listed if tops is None else tops,
        **more,
    }


def content(*entries: Any) -> dict[str, Any]:
    return {"content": list(entries)}


CHAT: dict[str, Any] = {
    "absent": None,
    "no content": {"content": None},
    "empty": content(),
    "NaN": content(entry("Paris", NAN), entry(".", -0.5)),
    "all NaN": content(entry("Paris", NAN), entry(".", NAN)),
    "-inf": content(entry("Paris", -INF), entry(".", -0.5)),
    "+inf": content(entry("Paris", INF), entry(".", -0.5)),
    "above zero": content(entry("Paris", 0.1), entry(".", -0.5)),
    "far above zero": content(entry("Paris", 1e300), entry(".", -0.5)),
    "far below zero": content(entry("Paris", -1e300), entry(".", -0.5)),
    "a sentinel": content(entry("Paris", -9999.0), entry(".", -0.5)),
    "none": content(entry("Paris", None), entry(".", None)),
    "texts": content(entry("Paris", "-0.1"), entry(".", "NaN")),
    "booleans": content(entry("Paris", True), entry(".", False)),
    "huge integers": content(entry("Paris", -(10**400)), entry(".", 10**400)),
    "too few": content(entry("Paris", -0.1)),
    "too many": content(entry("Paris", -0.1), entry(".", -0.1), entry("!", -0.1)),
    "of another text": content(entry("Lyon", -0.1), entry(".", -0.1)),
    "no tops": content(entry("Paris", -0.1, []), entry(".", -0.1, [])),
    "NaN among the tops": content(
        entry("Paris", -0.1, [{"token": "Paris", "logprob": -0.1}, {"token": "x", "logprob": NAN}]),
        entry(".", -0.1),
    ),
    "tops that sum to more than one": content(
        entry("Paris", -0.1, [{"token": str(i), "logprob": -0.1} for i in range(20)]),
        entry(".", -0.1),
    ),
    "tops that are no list": content(entry("Paris", -0.1, 7), entry(".", -0.1, "x")),
    "tops that lack things": content(entry("Paris", -0.1, [{}, None, 7]), entry(".", -0.1, [[]])),
    "one top for all": content(*(entry(token, 0.0, [{"token": token, "logprob": 0.0}])
                                 for token in ("Paris", "."))),
    "entries that are none": content(None, 7, "x"),
    "a list": [entry("Paris", -0.1), entry(".", -0.1)],
    "a number": 7,
    "a text": "none",
    "nested for ever": content(content(content(content(content(content()))))),
    "bytes that are none": content(entry("Paris", -0.1, bytes=[300, -1]),
                                   entry(".", -0.1, bytes="x")),
}  # fmt: skip
LISTS: dict[str, Any] = {
    "unequal": {**LEGACY, "token_logprobs": [-0.25]},
    "longer": {**LEGACY, "top_logprobs": [{}, {}, {}]},
    "none at the start": {**LEGACY, "token_logprobs": [None, -0.5]},
    "NaN": {**LEGACY, "token_logprobs": [NAN, NAN]},
    "above zero": {**LEGACY, "token_logprobs": [0.1, 0.1]},
    "tops as lists": {**LEGACY, "top_logprobs": [[1], [2]]},
    "no tokens": {**LEGACY, "tokens": None},
    "numbers": {**LEGACY, "tokens": [1, 2]},
    "empty": {"tokens": [], "token_logprobs": [], "top_logprobs": []},
}


def go_on(tokens: Sequence[Token]) -> PrefixVerdict:
    return Continue()


def body_of(logprobs: Any, text: str | None = None) -> bytes:
    """An answer with these logprobs: of the chat, or with a text of the older completions."""
    choice = chat_choice(logprobs=logprobs) if text is None else text_choice(logprobs=logprobs)
    return json.dumps({"choices": [choice]}).encode()


def stream_of(logprobs: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": "Paris."}, "logprobs": logprobs}
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    events = [json.dumps({"choices": [each]}).encode() for each in (choice, last)]
    return b"".join(b"data: " + each + b"\n\n" for each in events)


def judged_soundly(answer: Generation) -> Counter[str]:
    """How many estimators said a number, and how many that there is none."""
    evidence = Evidence(
        "Which city is the capital of France?",
        answer,
        samples=(answer,) * 3,
        greedy_similarity=(1.0,) * 3,
        sample_similarity=((1.0,) * 3,) * 3,
        without_context=answer,
        peers={"other": answer},
        asked={"p_true": (answer,), "ptrue": (answer,)},
    )
    said: Counter[str] = Counter()
    for one in ESTIMATORS:
        reading = one.estimate(evidence)
        if isinstance(reading, Unavailable):
            assert reading.reason
        else:
            assert isinstance(reading, Signal)
            assert 0.0 <= reading.value <= 1.0, one.name
            assert not math.isnan(reading.raw), one.name
        said[type(reading).__name__] += 1
    return said


@pytest.mark.parametrize("logprobs", CHAT.values(), ids=CHAT)
@pytest.mark.parametrize("streams", [False, True], ids=["plain", "stream"])
async def test_each_estimator_is_in_range_or_unavailable(logprobs: Any, streams: bool) -> None:
    kind = "text/event-stream" if streams else "application/json"
    body = stream_of(logprobs) if streams else body_of(logprobs)
    async with answering([head(kind=kind), body]) as server:
        model = OpenAIModel(server.base_url, "m")
        (answer,) = (await model.generate(CALL, go_on if streams else None)).generations
        await model.aclose()
    assert (answer.text, answer.finish_reason) == ("Paris.", "stop")
    judged_soundly(answer)


@pytest.mark.parametrize("logprobs", LISTS.values(), ids=LISTS)
async def test_lists_side_by_side_are_no_better_trusted(logprobs: Any) -> None:
    async with answering([head(kind="application/json"), body_of(logprobs, "Paris.")]) as server:
        model = OpenAIModel(server.base_url, "m")
        (answer,) = (await model.generate(TEXT_CALL)).generations
        await model.aclose()
    assert answer.text == "Paris."
    judged_soundly(answer)


NUMBERS: tuple[Any, ...] = (
    NAN, INF, -INF, 0.1, 0.0, -0.0, -1e-300, -1e300, -9999.0, -5e3, None, "x", True, [], 10**400,
)  # fmt: skip


def test_thousands_of_broken_numbers_never_raise() -> None:
    rng, said = random.Random(9), Counter[str]()
    for _ in range(1500):
        tokens = ["Par", "is", "."]
        entries = []
        for token in tokens[: rng.choice([3, 3, 3, 3, 2])]:
            tops = [
                {"token": rng.choice([token, "x", "", "\ud800"]), "logprob": number(rng)}
                for _ in range(rng.randrange(6))
            ]
            entries.append(entry(token, number(rng), rng.choice([tops, tops, tops, None, [], 7])))
        (answer,) = parse_completion("m", body_of(content(*entries)), CALL).generations
        streamed = StreamedAnswer("m", CALL, 1, go_on)
        (again,) = read_events(stream_of(content(*entries)), streamed).generations
        assert again == answer
        said += judged_soundly(answer)
    # Not everything was thrown away, nor believed.
    assert said["Signal"] > 1500 and said["Unavailable"] > 1500


def number(rng: random.Random) -> Any:
    return rng.choice(NUMBERS) if rng.random() < 0.15 else -rng.expovariate(1.0)


@pytest.mark.parametrize("name", ["absent", "all NaN", "above zero", "of another text", "a list"])
async def test_a_tier_whose_signal_is_gone_hands_on(name: str) -> None:
    signal = estimator("min_token_prob")
    plan = plan_of(free=(signal,), assessor=BareAssessor((signal.name,)), retrieval=None)
    async with answering([head(kind="application/json"), body_of(CHAT[name], "Paris.")]) as server:
        small = OpenAIModel(server.base_url, "m")
        performer = router_of(plan, small, ScriptedModel(says("Paris", 0.9))).performer
        async with Router(plan, performer) as router:
            result = await router.ask("Which city is the capital of France?")
    first = result.attempts[0]
    if name == "a list":  # which can be read: the numbers count
        assert (result.action, result.tier, first.text) == (Action.ANSWER, 0, "Paris.")
        return
    assert first.text == "Paris." and isinstance(first.estimate, Unavailable)
    assert (result.action, result.tier) == (Action.ANSWER, 1)
