"""Real answers of the local models: each of the four actions, by every driver and both wires."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from surefoot.graphs.config import Built, Surroundings, build, demo_settings
from surefoot.graphs.graph_router import GraphRouter
from surefoot.graphs.places import Places
from surefoot.graphs.settings import HistorySettings, parse_settings
from surefoot.router.decisions import Action, Result, TrailStep
from surefoot.router.errors import MissingExtra, WeightsError
from surefoot.router.signals import Estimate, Signal

from ..local_models import smollm2_server

SMALL = """
[[tiers]]
name = "small"
model = "local:smollm2-135m"
price = { input = 1.0, output = 1.0 }
context = 512
max_output = 12
"""
LARGE = """
[[tiers]]
name = "large"
model = "local:gemma3-270m"
price = { input = 2.0, output = 2.0 }
context = 512
max_output = 12
"""
# Between the models' perplexities on the questions below, at least 0.13 away from each of them.
REST = """
[signals]
free = ["perplexity", "min_token_prob"]
[policy]
thresholds = { small = 0.55, large = 0.6 }
[retrieval]
docs = "docs"
k = 1
[history]
url = "none"
"""
DOCUMENTS = {
    "bridges.txt": "The Fisk bridge was built by Ada Merrow.\n",
    "lamps.html": "<h1>Lamps</h1><p>The Olbers lamp was invented by Mina Korhonen.</p>",
    "places.md": "# Zorblax\n\nThe capital of Zorblax is Quintar.\n",
}


@dataclass(frozen=True)
class Case:
    """A question, and how it is dealt with."""

    question: str
    actions: tuple[str, ...]
    tier: int | None
    answer: str | None


CASES = {
    "known": Case("What is the chemical symbol of gold?", ("answer",), 0, "Au"),
    "in the documents": Case(
        "Who invented the Olbers lamp?", ("retrieve", "answer"), 0, "Mina Korhonen"
    ),
    "known to the larger": Case(
        "Which function of the os module lists the entries of a directory?",
        ("retrieve", "escalate", "answer"),
        1,
        "os.listdir",
    ),
    "known to nobody": Case(
        "Who composed the Kestrel hymn?", ("retrieve", "escalate", "abstain"), None, None
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the configuration; caches lie below it too, since joining weights is slow."""
    path = tmp_path_factory.mktemp("real")
    (path / "docs").mkdir()
    for name, text in DOCUMENTS.items():
        (path / "docs" / name).write_text(text)
    return path


def around(folder: Path) -> Surroundings:
    return Surroundings(folder, Places(folder / "home/cache", folder / "home/data"))


def built(folder: Path, text: str) -> Built:
    """A deployment of this configuration; skips where weights or engine are not installed."""
    try:
        return build(parse_settings(text), around(folder))
    except (WeightsError, MissingExtra) as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def deployment(folder: Path) -> Iterator[Built]:
    found = built(folder, SMALL + LARGE + REST)
    yield found
    found.router.close()


@pytest.fixture(scope="module")
def answered(deployment: Built) -> Callable[[str], Result]:
    """The result of a case, asked once."""
    known: dict[str, Result] = {}

    def find(case: str) -> Result:
        if case not in known:
            known[case] = deployment.router.ask_sync(CASES[case].question)
        return known[case]

    return find


def without_time(steps: tuple[TrailStep, ...]) -> list[TrailStep]:
    return [replace(step, elapsed_s=0.0) for step in steps]


def content_of(result: Result) -> object:
    """All of a result but its id and how long things took."""
    attempts = [replace(attempt, latency_s=0.0) for attempt in result.attempts]
    best = None if result.best is None else replace(result.best, latency_s=0.0)
    whole = replace(result, run_id="", latency_s=0.0, attempts=(), trail=(), best=best)
    return whole, attempts, without_time(result.trail)


@pytest.mark.parametrize("case", CASES)
def test_each_of_the_four_actions(case: str, answered: Callable[[str], Result]) -> None:
    expected, result = CASES[case], answered(case)
    assert [step.action for step in result.trail if step.action] == list(expected.actions)
    assert (result.tier, result.answer) == (expected.tier, expected.answer)
    assert (result.action is Action.ABSTAIN) == (expected.answer is None)
    assert result.rounds == ("retrieve" in expected.actions)
    assert result.degraded == ()
    assert result.certificate is None
    assert result.cost > 0.0 and result.tokens > 0
    for attempt in result.attempts:
        for reading in attempt.signals.values():
            assert isinstance(reading, Signal) and 0.0 <= reading.value <= 1.0
        assert isinstance(attempt.estimate, Estimate) and not attempt.estimate.calibrated
    decided = [step for step in result.trail if step.compared]
    assert all(step.compared[0].bound in (0.55, 0.6) for step in decided)


def test_passages_are_what_the_answer_came_from(answered: Callable[[str], Result]) -> None:
    result = answered("in the documents")
    assert [passage.title for passage in result.passages] == ["Lamps"]
    closed, opened = result.attempts
    assert (closed.retrieved, opened.retrieved) == (False, True)
    assert opened.passage_ids == tuple(passage.id for passage in result.passages)


@pytest.mark.parametrize("case", ["in the documents", "known to nobody"])
def test_asked_again_it_is_the_same_to_the_last_number(
    case: str, deployment: Built, answered: Callable[[str], Result]
) -> None:
    again = deployment.router.ask_sync(CASES[case].question)
    assert content_of(again) == content_of(answered(case))


@pytest.mark.parametrize("case", ["in the documents", "known to the larger"])
def test_the_graph_decides_as_the_plain_driver_does(
    case: str, deployment: Built, answered: Callable[[str], Result]
) -> None:
    graph = GraphRouter(deployment.router.plan, deployment.router.performer)
    result = graph.ask_sync(CASES[case].question)  # not closed: its models are the deployment's
    assert content_of(result) == content_of(answered(case))


def test_a_tier_behind_http_answers_as_it_does_here(
    folder: Path, answered: Callable[[str], Result]
) -> None:
    server = smollm2_server()
    # The same model twice: the first is never sure enough, the second is asked over the wire.
    large = LARGE.replace("local:gemma3-270m", "openai:smollm2") + (
        f'base_url = "{server.base_url}"\napi_key_env = "SERVER_KEY"\nprompt = "few_shot"\n'
    )
    rest = REST.replace("small = 0.55", "small = 1.0").replace('docs = "docs"', "enabled = false")
    around_it = replace(around(folder), environment={"SERVER_KEY": server.api_key})
    router = build(parse_settings(SMALL + large + rest), around_it).router
    with router:
        result = router.ask_sync(CASES["known"].question)
    assert [step.action for step in result.trail] == ["escalate", "answer"]
    assert (result.tier, result.model, result.answer) == (1, "openai:smollm2", "Au")
    here, there = result.attempts
    local = answered("known").attempts[0]
    assert here.text == there.text == local.text
    for name, reading in local.signals.items():
        for other in (here.signals[name], there.signals[name]):
            assert isinstance(reading, Signal) and isinstance(other, Signal)
            assert other.value == pytest.approx(reading.value, abs=0.02)


# --- the command line ---------------------------------------------------------------------------


def start(folder: Path, *args: str) -> subprocess.Popen[str]:
    """`surefoot ARGS` in a process of its own."""
    environment = {**os.environ, "SUREFOOT_HOME": str(folder / "home"), "COLUMNS": "80"}
    program = "from surefoot.service.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", program, *args],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_shows_the_license_once_and_remembers_the_answer(
    folder: Path, deployment: Built
) -> None:
    (folder / "s.toml").write_text(SMALL + LARGE + REST)
    command = ("ask", CASES["known"].question, "--config", "s.toml", "--json")
    remembering = (*command, "--history", "sqlite:///h.db")
    out, err = start(folder, *remembering).communicate(timeout=100)
    assert json.loads(out)["answer"] == "Au" and not json.loads(out)["recognized"]
    assert err.count("\n") == 1 and "Gemma Terms of Use" in err
    out, err = start(folder, *remembering).communicate(timeout=100)
    assert json.loads(out)["answer"] == "Au" and json.loads(out)["recognized"]
    assert err == ""


def test_ctrl_c_while_a_model_writes(folder: Path, deployment: Built) -> None:
    # The small tier's step is shown; from then on the large one loads, reads and writes for long.
    long = (SMALL + LARGE).replace("12", "400").replace("512", "1024")
    (folder / "long.toml").write_text(long + REST.replace("small = 0.55", "small = 1.0"))
    process = start(
        folder,
        *("ask", "Tell everything about gold.", "--config", "long.toml"),
        *("--history", "sqlite:///interrupted.db", "--deadline", "90"),
    )
    try:
        assert process.stdout is not None
        while "small draft" not in (line := process.stdout.readline()):
            assert line, process.communicate()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "interrupted" in err and "Traceback" not in out + err
    with sqlite3.connect(folder / "interrupted.db") as history:
        assert history.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert history.execute("SELECT COUNT(*) FROM history_runs").fetchone() == (0,)
    history.close()


@pytest.mark.slow
def test_the_shipped_demo_decides_by_its_profile(folder: Path) -> None:
    settings, demo = demo_settings()
    if not (demo / (settings.policy.profile or "")).is_file():
        pytest.skip("no profile is shipped")
    settings = settings.model_copy(update={"history": HistorySettings(url="none")})
    try:
        found = build(settings, replace(around(folder), folder=demo))
    except (WeightsError, MissingExtra) as error:
        pytest.skip(str(error))
    with found.router:
        result = found.router.ask_sync("Which function of the math module returns the factorial?")
    assert found.profile is not None
    drafts = [step for step in result.trail if step.request.startswith("draft")]
    assert drafts
    assert all(isinstance(step.estimate, Estimate) and step.estimate.calibrated for step in drafts)
    assert result.degraded == ()
