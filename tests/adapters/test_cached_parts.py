"""Models, critics and comparers whose results are kept: what a repeat costs, and what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from surefoot.adapters.cache_keys import completion_key, verdict_key
from surefoot.adapters.cache_stores import MemoryStore
from surefoot.adapters.cached_comparer import CachedComparer
from surefoot.adapters.cached_critic import CachedCritic
from surefoot.adapters.cached_model import CachedModel
from surefoot.adapters.exact_cache import ExactCache
from surefoot.router.critic.states import CriticState
from surefoot.router.errors import UpstreamUnavailable
from surefoot.router.evidence import CriticVerdict, Passage
from surefoot.router.protocols import Message, ModelCall, Prompt
from surefoot.router.requests import CompareKind, Continue, PrefixVerdict, Stop
from surefoot.router.tenancy import acting_for, current_tenant
from surefoot.router.testing import FunctionModel, says

CALL = ModelCall(Prompt("Which city?"), n=2, top_logprobs=5)


def cached(model: FunctionModel, cache: ExactCache | None = None) -> CachedModel:
    return CachedModel(model, cache or ExactCache(MemoryStore()), "m", "ctx")


# --- models -------------------------------------------------------------------------------------


async def test_an_equal_call_is_served_again_and_costs_nothing() -> None:
    inner = FunctionModel(lambda call: f"answer {call.seed}")
    model = cached(inner)
    first = await model.generate(CALL)
    again = await model.generate(replace(CALL, timeout_s=3.0))
    assert again.generations == first.generations
    assert first.calls == 2 and first.tokens_out > 0
    assert (again.calls, again.tokens_in, again.tokens_out) == (0, 0, 0)
    assert len(inner.calls) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(CALL, prompt=Prompt("Which city? ")),
        replace(CALL, prompt=Prompt(messages=(Message("user", "Which city?"),))),
        replace(CALL, prompt=Prompt("Which city?", stop=("\n",))),
        replace(CALL, max_tokens=65),
        replace(CALL, temperature=0.5),
        replace(CALL, n=1),
        replace(CALL, top_logprobs=4),
        replace(CALL, seed=1),
    ],
)
async def test_any_other_call_is_made(other: ModelCall) -> None:
    inner = FunctionModel(lambda call: "a")
    model = cached(inner)
    await model.generate(CALL)
    await model.generate(other)
    assert len(inner.calls) == 2


async def test_another_model_context_or_tenant_is_another_key() -> None:
    keys = {
        completion_key(tenant, model, CALL, context).__repr__()
        for tenant in "ab"
        for model in "xy"
        for context in "12"
    }
    assert len(keys) == 8
    inner, cache = FunctionModel(lambda call: current_tenant()), ExactCache(MemoryStore())
    model = cached(inner, cache)
    for tenant in ("a", "b", "a"):
        with acting_for(tenant):
            found = await model.generate(CALL)
        assert found.generations[0].text == tenant
    assert len(inner.calls) == 2


@pytest.mark.parametrize("finish", ["stopped", "content_filter", None])
async def test_what_is_not_whole_is_never_kept(finish: str | None) -> None:
    inner = FunctionModel(lambda call: says("half an", finish_reason=finish))  # type: ignore[arg-type]  # a Literal
    model = cached(inner)
    await model.generate(CALL)
    await model.generate(CALL)
    assert len(inner.calls) == 2


async def test_a_failure_is_not_kept() -> None:
    answers: list[object] = [UpstreamUnavailable("down"), "a"]
    model = cached(FunctionModel(lambda call: answers.pop(0)))  # type: ignore[arg-type, return-value]
    with pytest.raises(UpstreamUnavailable):
        await model.generate(replace(CALL, n=1))
    assert (await model.generate(replace(CALL, n=1))).generations[0].text == "a"


async def test_a_gate_sees_what_is_kept_and_stops_only_its_own_answer() -> None:
    inner = FunctionModel(lambda call: "a long answer")
    model = cached(inner)
    one = replace(CALL, n=1)
    await model.generate(one)
    shown: list[int] = []

    def stop(tokens: Sequence[object]) -> PrefixVerdict:
        shown.append(len(tokens))
        return Stop("weak")

    (stopped,) = (await model.generate(one, stop)).generations
    assert stopped.finish_reason == "stopped" and shown == [3]
    (whole,) = (await model.generate(one, lambda tokens: Continue())).generations
    assert whole.finish_reason == "stop"
    assert len(inner.calls) == 1


async def test_a_prompt_that_no_key_can_hold_is_asked_all_the_same() -> None:
    inner = FunctionModel(lambda call: "a")
    model = cached(inner)
    for _ in range(2):
        await model.generate(replace(CALL, prompt=Prompt("\ud800")))
    assert len(inner.calls) in (1, 2)


# --- critics ------------------------------------------------------------------------------------


class Critic:
    """Judges by length, and counts."""

    version = "c-1"

    def __init__(self) -> None:
        self.judged: list[CriticState] = []

    async def judge(self, state: CriticState) -> CriticVerdict:
        self.judged.append(state)
        return CriticVerdict(0.75 if state.answer else None, 0.5, "what", True, self.version)

    async def aclose(self) -> None: ...


STATE = CriticState("q", "a", passages=(Passage("1", "t", "x", 1.0),), round=1, queries=("q",))


async def test_an_equal_state_is_judged_once() -> None:
    inner = Critic()
    critic = CachedCritic(inner, ExactCache(MemoryStore()), "ctx")
    first, again = await critic.judge(STATE), await critic.judge(STATE)
    assert first == again == CriticVerdict(0.75, 0.5, "what", True, "c-1")
    for other in (
        replace(STATE, answer="b"),
        replace(STATE, round=2),
        replace(STATE, previous_answers=("z",)),
        replace(STATE, passages=(Passage("1", "t", "x", 2.0),)),
    ):
        await critic.judge(other)
    assert len(inner.judged) == 5
    inner.version = "c-2"
    await critic.judge(STATE)
    assert len(inner.judged) == 6


async def test_a_kept_verdict_that_is_none_is_a_miss() -> None:
    store, inner = MemoryStore(), Critic()
    critic = CachedCritic(inner, ExactCache(store), "ctx")
    key = verdict_key("default", "c-1", STATE, "ctx")
    for damaged in (b"{}", b'{"p_accept": 7.0, "p_sufficient": 0.5}', b"[", b""):
        await store.put(key, damaged, 60.0)
        assert (await critic.judge(STATE)).p_accept == 0.75
    assert len(inner.judged) == 4


# --- comparers ----------------------------------------------------------------------------------


class Lengths:
    """Compares by length, and keeps what it was asked."""

    name, kind = "lengths", "similarity"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def compare(self, pairs: Sequence[tuple[str, str]]) -> Sequence[tuple[float, ...]]:
        self.asked += pairs
        return [(1.0 / (1 + abs(len(a) - len(b))),) for a, b in pairs]


def comparer(inner: Lengths, most: int = 100) -> CachedComparer:
    kind: CompareKind = "similarity"
    assert inner.kind == kind
    return CachedComparer(inner, most)  # type: ignore[arg-type]  # a class attribute is a str


def test_a_pair_is_compared_once_a_tenant() -> None:
    inner = Lengths()
    found = comparer(inner)
    pairs = [("a", "bb"), ("a", "a"), ("a", "bb")]
    assert found.compare(pairs) == [(0.5,), (1.0,), (0.5,)]
    assert inner.asked == [("a", "bb"), ("a", "a")]
    assert found.compare([("a", "a"), ("bb", "a")]) == [(1.0,), (0.5,)]
    assert inner.asked == [("a", "bb"), ("a", "a"), ("bb", "a")]
    with acting_for("other"):
        found.compare([("a", "a")])
    assert len(inner.asked) == 4


def test_pairs_that_were_not_used_make_room() -> None:
    inner = Lengths()
    found = comparer(inner, most=2)
    found.compare([("a", "a")])
    found.compare([("b", "b"), ("c", "c")])
    found.compare([("c", "c"), ("a", "a")])
    assert inner.asked == [("a", "a"), ("b", "b"), ("c", "c"), ("a", "a")]
