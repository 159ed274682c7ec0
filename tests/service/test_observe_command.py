"""`surefoot observe` over what a watching gate has recorded."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent

from surefoot.adapters.histories import open_history
from surefoot.graphs.middleware import ConfidenceMiddleware
from surefoot.policies.observe_report import Observed, observe_report
from surefoot.router.decisions import Action
from surefoot.router.feedback import Feedback

from ..graphs.gated import Scripted, says
from .doors import Here

SURE, UNSURE = 0.95, 0.4


def watched(url: str, mode: Any, *sure: float) -> None:
    """One question after the other, past a gate."""
    model = Scripted(answers=[says("Paris.", p) for p in sure])
    large = Scripted(answers=[says("Paris.", 0.99)], model_name="large")
    gate = ConfidenceMiddleware(threshold=0.8, escalate_to=[large], mode=mode, history=url)
    agent: Any = create_agent(model, middleware=[gate])
    for number in range(len(sure)):
        agent.invoke({"messages": [("user", f"Which city, {number}?")]})


def judge(url: str, *right: bool) -> None:
    """Label the runs, oldest first."""

    async def label() -> None:
        history = open_history(url)
        page = await history.page_of_runs("default", oldest_first=True)
        for run, is_right in zip(page.items, right, strict=False):
            verdict: Any = "right" if is_right else "wrong"
            feedback = Feedback(run.result.run_id, run.result.run_id, verdict)
            await history.label("default", feedback)
        await history.aclose()

    asyncio.run(label())


def test_what_the_gate_would_have_done_is_counted(here: Here, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'history.db'}"
    watched(url, "observe", SURE, UNSURE, UNSURE, SURE)
    watched(url, "gate", SURE)  # a run that was gated is none that was observed
    judge(url, True, False, True)
    ended = here("observe", "--history", url, "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["n"] == 4
    assert found["would"] == {"answer": 2, "retrieve": 0, "escalate": 2, "abstain": 0}
    assert found["judged"] == {"answer": 1, "escalate": 2}
    assert (found["wrong_served"]["k"], found["wrong_served"]["n"]) == (1, 3)
    assert (found["wrong_gated"]["k"], found["wrong_gated"]["n"]) == (0, 1)
    assert (found["wrong_caught"]["k"], found["wrong_caught"]["n"]) == (1, 1)
    assert (found["right_held_back"]["k"], found["right_held_back"]["n"]) == (1, 2)
    assert (found["larger_calls_saved"]["k"], found["larger_calls_saved"]["n"]) == (2, 4)
    shown = " ".join(here("observe", "--history", url).out.split())
    assert "4 observed answers" in shown
    assert "wrong answers that it would have held back: 1 of 1, 100.0%" in shown


def test_times_and_tenants_leave_out(here: Here, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'history.db'}"
    watched(url, "observe", SURE)
    for words in (("--since", "2999-01-01"), ("--until", "2000-01-01"), ("--tenant", "acme")):
        ended = here("observe", "--history", url, *words)
        assert ended.code == 2 and "holds no observed run" in ended.err
    assert here("observe", "--history", url, "--since", "2000-01-01").code == 0


def test_shares_by_hand() -> None:
    runs = [
        Observed(Action.ANSWER, "right", 0.5),
        Observed(Action.ANSWER, "corrected", 0.5),
        Observed(Action.ABSTAIN, "wrong", 0.5),
        Observed(Action.RETRIEVE, None, 0.5),
    ]
    report = observe_report(runs)
    assert report.cost == pytest.approx(2.0)
    assert report.wrong_served.share == pytest.approx(2 / 3)
    assert report.wrong_gated.share == pytest.approx(1 / 2)
    assert report.wrong_caught.share == pytest.approx(1 / 2)
    assert report.right_held_back.share == 0.0
    # Clopper and Pearson, 1 of 2 at 95 %: 1 - .975^(1/2) and .975^(1/2).
    interval = report.wrong_gated.interval
    assert interval is not None
    assert interval == pytest.approx((1 - 0.975**0.5, 0.975**0.5), abs=1e-9)
    assert observe_report([]).wrong_served.share is None
