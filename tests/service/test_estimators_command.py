"""`surefoot estimators`: what exists, what it needs, what it costs."""

from __future__ import annotations

import pytest

from surefoot.router.estimators.catalogue import ALIASES, CATALOGUE, Options
from surefoot.router.protocols import Needs
from surefoot.service.estimators_command import cost_in_words, needs_in_words

from .doors import Here


def test_every_estimator_is_listed_with_its_facts(here: Here) -> None:
    told = here("estimators", "--json").document
    assert told["schema"] == 1
    assert [one["name"] for one in told["estimators"]] == list(CATALOGUE)
    for one in told["estimators"]:
        made = CATALOGUE[one["name"]].make(Options())
        assert one["direction"] in ("confidence", "uncertainty"), one["name"]
        assert one["version"] == made.version
        assert one["source"] and one["summary"] and one["description"]
        assert one["needs"].get("samples", 0) == made.needs.samples
        assert all(ALIASES[alias] == one["name"] for alias in one["aliases"])
        assert (one["cost"] == "free") == (made.needs.is_free and not made.needs.given)
    by_name = {one["name"]: one for one in told["estimators"]}
    assert by_name["perplexity"]["direction"] == "uncertainty"
    assert by_name["self_consistency"]["direction"] == "confidence"
    assert by_name["self_consistency"]["cost"] == "5 samples"
    assert "label_prob" in by_name["self_consistency"]["aliases"]


def test_people_see_a_table_a_family(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = here("estimators")
    assert (done.code, done.err) == (0, "")
    for family in ("tokens", "samples", "around"):
        assert f"{family}: " in done.out
    assert [name for name in CATALOGUE if name not in done.out] == []


@pytest.mark.parametrize("name", ["self_consistency", "label_prob"])
def test_one_is_shown_in_full_also_under_another_name(here: Here, name: str) -> None:
    done = here("estimators", name)
    assert done.code == 0
    words = " ".join(done.out.split())
    assert words.startswith("self_consistency share of the most frequent answer")
    assert "Wang et al. 2023" in words and "label_prob" in words
    assert "An empty sample counts as a class of its own." in words  # of its docstring
    (told,) = here("estimators", name, "--json").document["estimators"]
    assert told["name"] == "self_consistency"


def test_an_unknown_name_is_refused_with_the_nearest(here: Here) -> None:
    here("estimators", "perplexty").check_complaint(2, "did you mean 'perplexity'?")


@pytest.mark.parametrize(
    ("needs", "what", "cost"),
    [
        (Needs(), "text", "free"),
        (Needs(logprobs=True), "logprobs", "free"),
        (Needs(logprobs=True, top_logprobs=2), "top-2 logprobs", "free"),
        (Needs(passages=True), "passages", "free"),
        (Needs(samples=1), "samples", "1 sample"),
        # Six texts, the answer included: 6 * 5 ordered pairs, half as many where order is nothing.
        (Needs(samples=5, compare="nli"), "samples, NLI", "5 samples + up to 30 NLI pairs"),
        (
            Needs(samples=5, compare="similarity"),
            "samples, similarities",
            "5 samples + up to 15 similarity pairs",
        ),
        (Needs(asked="p_true"), "asked.p_true", "a question to the model"),
        (Needs(critique=True), "the critic's verdict", "the critic"),
        (Needs(given="peers"), "peers", "must come with the record"),
    ],
)
def test_needs_and_costs_in_words(needs: Needs, what: str, cost: str) -> None:
    assert (needs_in_words(needs), cost_in_words(needs)) == (what, cost)
