"""F23: a critic that is missing or damaged fails at load with words; one that breaks, hangs or
returns nonsense while running never turns a draft into an answer, and the result names it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from surefoot.adapters.critic_serving import BatchingCritic
from surefoot.adapters.critics import default_critic, open_critic
from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.router.assessing import BareAssessor
from surefoot.router.budget import Budget
from surefoot.router.critic.states import CriticState
from surefoot.router.decisions import Action, Result
from surefoot.router.drive import Router
from surefoot.router.errors import SurefootError
from surefoot.router.estimators.catalogue import estimator
from surefoot.router.evidence import CriticVerdict
from surefoot.router.perform import Performer
from surefoot.router.plan import Plan, TierPlan
from surefoot.router.sizing import PromptSizer
from surefoot.router.testing import FunctionModel, PlainPrompter, says


def shipped() -> dict[str, object]:
    from importlib.resources import files

    text = files("surefoot.router.critic").joinpath("default_critic.json").read_text()
    found: dict[str, object] = json.loads(text)
    return found


def damaged(folder: Path, how: str) -> Path:
    folder.mkdir(exist_ok=True)
    data = shipped()
    if how == "cut":
        text = json.dumps(data)[:-500]
    elif how == "not json":
        text = "critic"
    else:
        text = json.dumps({**data, "kind": "oracle"})
    (folder / "critic.json").write_text(text)
    return folder


@pytest.mark.parametrize("how", ["cut", "not json", "other kind"])
def test_a_damaged_file_fails_at_load_and_is_named(tmp_path: Path, how: str) -> None:
    with pytest.raises(SurefootError, match=r"critic\.json"):
        open_critic(str(damaged(tmp_path / "critic", how)))


def test_a_missing_one_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SurefootError, match="surefoot critic train"):
        open_critic(str(tmp_path / "nowhere"))


class Broken:
    """A critic that does what it is told instead of judging."""

    version = "broken-1"

    def __init__(self, how: str) -> None:
        self.how = how

    def judge(self, states: Sequence[CriticState]) -> Sequence[CriticVerdict]:
        if self.how == "out of memory":
            raise MemoryError("cannot allocate 8 GB")
        if self.how == "raises":
            raise ValueError("shape mismatch")
        if self.how == "slow":
            time.sleep(3.0)
        if self.how == "too few":
            return []
        p = {"nan": math.nan, "infinite": math.inf, "above one": 1.5}.get(self.how, 1.0)
        return [CriticVerdict(p, p, version="broken-1") for _ in states]


async def ask(how: str, deadline_s: float) -> Result:
    """One tier whose drafts are answers only where the critic accepts them."""
    plan = Plan(
        tiers=(TierPlan("small", "m"),),
        policy=ThresholdPolicy((RungRule(0, 0.5),), ("small",)),
        assessor=BareAssessor(("critic_accept",)),
        sizer=PromptSizer(PlainPrompter()),
        free=(estimator("critic_accept"),),
        critiques=True,
    )
    critic = BatchingCritic(Broken(how))
    model = FunctionModel(lambda call: says("Paris", 0.99))
    performer = Performer(plan, (model,), PlainPrompter(), critic=critic)
    async with Router(plan, performer) as router:
        return await router.ask("Which city?", budget=Budget(deadline_s=deadline_s))


@pytest.mark.parametrize(
    "how", ["out of memory", "raises", "too few", "nan", "infinite", "above one"]
)
async def test_a_critic_that_died_never_answers(how: str) -> None:
    result = await ask(how, 5.0)
    assert result.action is Action.ABSTAIN and result.answer is None
    assert any(words.startswith("critic: ") for words in result.degraded)


async def test_a_slow_one_keeps_the_deadline_and_never_answers() -> None:
    began = time.monotonic()
    result = await ask("slow", 0.4)
    assert time.monotonic() - began < 0.4 + 0.1 + 1.2  # closing waits a second for its thread
    assert result.latency_s < 0.5
    assert result.action is Action.ABSTAIN
    assert any(words.startswith("critic: deadline") for words in result.degraded)


async def test_one_that_works_does() -> None:
    """The control: without it all of the above would hold of a gate that never opens."""
    assert (await ask("well", 5.0)).answer == "Paris"


def test_the_shipped_one_loads() -> None:
    assert default_critic().version
