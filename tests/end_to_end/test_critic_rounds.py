"""Several rounds of retrieval on real answers: a local model, the shipped critic, two documents.

The model proposes the second query itself; neither document alone suffices, and the critic says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from surefoot.graphs.config import Built, Surroundings, build
from surefoot.graphs.graph_router import GraphRouter
from surefoot.graphs.places import Places
from surefoot.graphs.settings import parse_settings
from surefoot.router.decisions import Action, Result
from surefoot.router.errors import MissingExtra, WeightsError
from surefoot.router.signals import Reading, Signal

QUESTION = "Where was the director of the film Jaws born?"
DOCUMENTS = {
    "jaws.md": "# Jaws (film)\n\nJaws is a 1975 thriller film directed by Mildred Quistgard, about "
    "a shark that keeps away from the beach of a small town.\n",
    "mildred.md": "# Mildred Quistgard\n\nMildred Quistgard is a director of films and plays. She "
    "was born in Vilnius in 1940 and lives in Oslo.\n",
    "bread.md": "# Bread\n\nBread is baked from flour and water, and where it was born nobody can "
    "tell for sure.\n",
}
SETTINGS = """
[[tiers]]
name = "small"
model = "local:smollm2-135m"
price = { input = 1.0, output = 1.0 }
max_output = 32
[signals]
free = ["critic_accept", "critic_sufficient"]
[critic]
model = "default"
[policy]
thresholds = { small = 1.0 }
[budget]
rounds = 3
[retrieval]
docs = "docs"
k = 1
[history]
url = "none"
"""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    folder = tmp_path_factory.mktemp("rounds")
    (folder / "docs").mkdir()
    for name, text in DOCUMENTS.items():
        (folder / "docs" / name).write_text(text)
    try:
        places = Places(folder / "home/cache", folder / "home/data")
        found = build(parse_settings(SETTINGS), Surroundings(folder, places))
    except (WeightsError, MissingExtra) as error:
        pytest.skip(str(error))
    yield found
    found.router.close()


@pytest.fixture(scope="module")
def result(deployment: Built) -> Result:
    return deployment.router.ask_sync(QUESTION)


def value(reading: Reading | None) -> float:
    assert isinstance(reading, Signal)
    return reading.value


def test_the_second_search_is_for_what_the_first_one_left_open(result: Result) -> None:
    searches = [step for step in result.trail if step.request.startswith("retrieve")]
    assert searches[0].request.endswith(QUESTION)
    assert "Mildred Quistgard" in searches[1].request
    assert searches[1].outcome.startswith("2 passages: Mildred Quistgard")
    assert "ask follow_up_query" in [step.request for step in result.trail]


def test_the_critic_sees_when_the_passages_suffice(result: Result) -> None:
    sufficient = [value(one.signals["critic_sufficient"]) for one in result.attempts]
    assert len(sufficient) == 3
    assert max(sufficient[:2]) < 0.2
    assert sufficient[2] > 0.8


def test_it_ends_by_itself_with_a_reason(result: Result) -> None:
    assert result.action is Action.ABSTAIN
    assert "retrieve:" in result.reason
    assert result.rounds <= 3
    assert result.cost == pytest.approx(sum(step.cost or 0.0 for step in result.trail))


def test_the_graph_goes_the_same_way(deployment: Built, result: Result) -> None:
    router = deployment.router
    other = GraphRouter(router.plan, router.performer).ask_sync(QUESTION)
    steps = [replace(step, elapsed_s=0.0) for step in result.trail]
    assert [replace(step, elapsed_s=0.0) for step in other.trail] == steps
    assert other.reason == result.reason
