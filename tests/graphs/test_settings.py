"""The TOML configuration: what is accepted, and what every mistake is told by."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from surefoot.graphs.config import build_policy
from surefoot.graphs.places import Surroundings
from surefoot.graphs.settings import (
    BudgetSettings,
    PolicySettings,
    PriceSettings,
    RetrievalSettings,
    SignalSettings,
    TierSettings,
    load_settings,
    parse_settings,
)
from surefoot.policies.threshold import ThresholdPolicy
from surefoot.router.budget import Price
from surefoot.router.decisions import Rung
from surefoot.router.errors import ConfigurationError

# The design's own example, with thresholds in place of the profile that it names.
EXAMPLE = """
[[tiers]]
name = "small"
model = "local:smollm2-135m"        # local:NAME | openai:MODEL (+ base_url) | langchain:import.path
price = { input = 0.0, output = 0.0, unit = "per_1m_tokens" }   # required
context = 2048
[signals]
free = ["mean_logprob", "min_token_prob"]
buy  = ["self_consistency"]
[policy]
thresholds = { small = 0.7 }
[budget]
max_cost = 0.01
deadline_s = 20
rounds = 3
[retrieval]
docs = "./docs"
[history]
url = "sqlite:///surefoot.db"
"""
TIER = '[[tiers]]\nname = "small"\nmodel = "local:smollm2-135m"\n'
PRICED = TIER + "price = { input = 0.0, output = 0.0 }\n"


def complaint(text: str) -> ConfigurationError:
    """What is said about a text that cannot be used."""
    with pytest.raises(ConfigurationError) as found:
        parse_settings(text, "my.toml")
    assert str(found.value).startswith("my.toml: ")
    return found.value


def test_the_example_of_the_design() -> None:
    settings = parse_settings(EXAMPLE)
    (tier,) = settings.tiers
    assert (tier.name, tier.model, tier.context) == ("small", "local:smollm2-135m", 2048)
    assert settings.signals.free == ("mean_logprob", "min_token_prob")
    assert settings.signals.buy == ("self_consistency",)
    assert settings.policy.thresholds == {"small": 0.7}
    assert (settings.budget.max_cost, settings.budget.deadline_s, settings.budget.rounds) == (
        0.01,
        20.0,
        3,
    )
    assert settings.retrieval.docs == "./docs"
    assert settings.history.url == "sqlite:///surefoot.db"
    assert build_policy(settings, Surroundings()).profile is None


def test_what_need_not_be_said() -> None:
    settings = parse_settings(PRICED)
    assert settings.tiers[0].max_output < settings.tiers[0].context
    assert settings.retrieval.enabled and settings.retrieval.docs is None
    assert settings.budget.max_cost is None and settings.budget.deadline_s is None
    assert settings.history.url is None


@pytest.mark.parametrize(
    ("unit", "tokens"), [("per_1m_tokens", 1e6), ("per_1k_tokens", 1e3), ("per_token", 1.0)]
)
def test_prices_are_per_token(unit: str, tokens: float) -> None:
    text = f'{TIER}price = {{ input = 3, output = 5.5, unit = "{unit}" }}\n'
    price = parse_settings(text).tiers[0].price
    assert price != "unknown"
    assert price.per_token() == Price(3 / tokens, 5.5 / tokens)


def test_an_unknown_price_is_allowed() -> None:
    assert parse_settings(f'{TIER}price = "unknown"').tiers[0].price == "unknown"


def test_how_a_tier_is_prompted() -> None:
    other = PRICED.replace("small", "large").replace("local:", "openai:")
    chosen = PRICED.replace("small", "third") + 'prompt = "chat"\n'
    styles = [tier.style for tier in parse_settings(PRICED + other + chosen).tiers]
    assert styles == ["few_shot", "chat", "chat"]


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("", "tiers", "is missing"),
        ("tiers = []", "tiers", "at least 1 item"),
        ("tiers = 3", "tiers", "got 3"),
        ("tiers = [3]", "tiers.0", "expected a table, got 3"),
        (PRICED + 'modle = "x"', "tiers.0.modle", "did you mean 'model'?"),
        (PRICED + "[signal]", "signal", "did you mean 'signals'?"),
        (PRICED + "[history]\nzzz = 1", "history.zzz", "known: url"),
        (PRICED + "[budget]\ndeadline = 3", "budget.deadline", "did you mean 'deadline_s'?"),
        (PRICED + "[retrieval]\nk = 0", "retrieval.k", "greater than or equal to 1, got 0"),
        (PRICED + "[retrieval]\nenabled = 'no'", "retrieval.enabled", "got 'no'"),
        (PRICED + "[retrieval]\ndocs = 'a\\u0000b'".replace("'", '"'), "retrieval.docs", "control"),
        (PRICED + "[signals]\nfree = []", "signals.free", "at least 1 item"),
        (PRICED + "[signals]\nfree = 'perplexity'", "signals.free", "got 'perplexity'"),
        (PRICED + "[budget]\ndeadline_s = inf", "budget.deadline_s", "finite"),
        (PRICED + "[budget]\nmax_cost = -1", "budget.max_cost", "got -1"),
        (PRICED + "context = 99999999999999", "tiers.0.context", "got 99999999999999"),
        (PRICED + "context = 64\nmax_output = 64", "tiers.0.max_output", "leave no room"),
        (PRICED + "context = 2048.5", "tiers.0.context", "got 2048.5"),
        (PRICED + "prompt = 'poem'", "tiers.0.prompt", "got 'poem'"),
        (PRICED + PRICED, "tiers.1.name", "two tiers are called 'small'"),
        (PRICED + "latency_s = nan", "tiers.0.latency_s", "got nan"),
        (TIER.replace("small", ""), "tiers.0.name", "at least 1 character"),
    ],
)
def test_a_mistake_is_told_by_file_and_field(text: str, field: str, words: str) -> None:
    error = complaint(text)
    assert error.field == field
    assert f"field '{field}'" in str(error)
    assert words in str(error)


@pytest.mark.parametrize(
    ("price", "field", "words"),
    [
        (None, "price", "is missing; give {"),
        ('"free"', "price", "got 'free'; give {"),
        ("3", "price", "got 3; give {"),
        ("{ input = -1.0, output = 0.0 }", "price.input", "greater than or equal to 0, got -1.0"),
        ("{ input = nan, output = 0.0 }", "price.input", "got nan"),
        ("{ input = true, output = 0.0 }", "price.input", "valid number, got True"),
        ('{ input = "1", output = 0.0 }', "price.input", "got '1'"),
        ("{ input = 1.0 }", "price.output", "is missing"),
        ("{ inptu = 1.0, output = 0.0 }", "price.inptu", "did you mean 'input'?"),
        ('{ input = 1, output = 1, unit = "each" }', "price.unit", "got 'each'"),
    ],
)
def test_a_wrong_price(price: str | None, field: str, words: str) -> None:
    error = complaint(TIER if price is None else f"{TIER}price = {price}\n")
    assert error.field == f"tiers.0.{field}"
    assert words in str(error)
    # What a price looks like is said where the whole of it is wrong, and once.
    assert str(error).count("per_1m_tokens") == (field == "price") + (words == "got 'each'")


@pytest.mark.parametrize(
    ("thresholds", "field", "words"),
    [
        ("{ smal = 0.5 }", "smal", "no tier is called 'smal'; did you mean 'small'?"),
        ("{}", "small", "tier 'small' has no threshold"),
        ("{ small = 1.5 }", "small", "or an array with one for each round, got 1.5"),
        ("{ small = -0.1 }", "small", "got -0.1"),
        ("{ small = nan }", "small", "got nan"),
        ("{ small = inf }", "small", "got inf"),
        ("{ small = true }", "small", "got True"),
        ("{ small = [] }", "small", "expected one threshold at least"),
        ("{ small = [0.5, 1.5] }", "small", "got [0.5, 1.5]"),
    ],
)
def test_a_wrong_threshold(thresholds: str, field: str, words: str) -> None:
    error = complaint(f"{PRICED}[policy]\nthresholds = {thresholds}\n")
    assert error.field == f"policy.thresholds.{field}"
    assert words in str(error)


def test_thresholds_by_round() -> None:
    settings = parse_settings(f"{PRICED}[policy]\nthresholds = {{ small = [0.9, 0.7, 0.5] }}\n")
    policy = build_policy(settings, Surroundings()).policy
    assert isinstance(policy, ThresholdPolicy)
    bounds = [policy.rule(Rung(0, n, n > 0)).threshold for n in range(5)]
    assert bounds == [0.9, 0.7, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("edge", [0, 1, 0.0, 1.0])
def test_thresholds_at_the_edges(edge: float) -> None:
    settings = parse_settings(f"{PRICED}[policy]\nthresholds = {{ small = {edge} }}\n")
    assert settings.policy.thresholds == {"small": float(edge)}


@pytest.mark.parametrize(
    "text",
    ["[", "a = ", "a = 1\na = 2", "a = " + "[" * 5000, "a = " + "9" * 5000, "a = 1979-13-01", "\0"],
    ids=["open", "no value", "twice", "too deep", "too long", "no date", "NUL"],
)
def test_what_is_no_toml(text: str) -> None:
    assert "not TOML" in str(complaint(text))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b'name = "caf\xe9"')
    for path in (tmp_path / "absent", tmp_path, tmp_path / "latin"):
        with pytest.raises(ConfigurationError, match="cannot be read") as found:
            load_settings(path)
        assert str(path) in str(found.value)


# --- anything at all ----------------------------------------------------------------------------

KEYS = [
    ("tiers",),
    *((part,) for part in ("signals", "policy", "budget", "retrieval", "history", "other")),
    *(("tiers", 0, key) for key in TierSettings.model_fields),
    *(("tiers", 0, "price", key) for key in PriceSettings.model_fields),
    *(("signals", key) for key in SignalSettings.model_fields),
    *(("policy", key) for key in PolicySettings.model_fields),
    ("policy", "thresholds", "small"),
    ("policy", "thresholds", "other"),
    *(("budget", key) for key in BudgetSettings.model_fields),
    *(("retrieval", key) for key in RetrievalSettings.model_fields),
    ("history", "url"),
    ("history", "other"),
]
WORDS = ["small", "local:smollm2-135m", "openai:x", "unknown", "chat", "perplexity", "none", ""]
leaves = st.one_of(
    st.sampled_from(WORDS),
    st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs", "Cc"]), max_size=5),
    st.integers(0, 100),
    st.integers(),
    st.floats(0.0, 2.0),
    st.floats(),
    st.booleans(),
)
values = leaves | st.lists(leaves, max_size=3) | st.dictionaries(st.sampled_from(WORDS), leaves)
changes = st.lists(st.tuples(st.sampled_from(KEYS), values), max_size=3)


def changed(data: Any, path: tuple[str | int, ...], value: Any) -> None:
    """Put the value there, unless an earlier change has taken the place away."""
    for key in path[:-1]:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(data, dict):
        data[path[-1]] = value


def as_toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        pairs = ", ".join(f"{json.dumps(key)} = {as_toml(inner)}" for key, inner in value.items())
        return f"{{ {pairs} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower()


@settings(max_examples=300)
@given(changes)
def test_anything_else_is_a_configuration_error(
    edits: list[tuple[tuple[str | int, ...], Any]],
) -> None:
    data: dict[str, Any] = tomllib.loads(EXAMPLE)
    for path, value in edits:
        changed(data, path, value)
    text = "\n".join(f"{name} = {as_toml(value)}" for name, value in data.items())
    try:
        found = parse_settings(text, "my.toml")
        if found.policy.profile is None:  # else a file is looked for
            build_policy(found, Surroundings())
    except ConfigurationError as error:
        event("error")
        assert str(error)
        return
    event("settings")
    assert [tier.name for tier in found.tiers]
    for bounds in (found.policy.thresholds or {}).values():
        several = bounds if isinstance(bounds, tuple) else (bounds,)
        assert several and all(0 <= bound <= 1 for bound in several)


@given(st.text())
def test_any_text_is_settings_or_a_configuration_error(text: str) -> None:
    try:
        parse_settings(text)
    except ConfigurationError as error:
        assert str(error).startswith("configuration: ")
