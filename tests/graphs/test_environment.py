"""Environment variables over the values of a TOML file."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.graphs.environment import with_environment
from surefoot.graphs.settings import parse_settings
from surefoot.router.errors import ConfigurationError

DATA: dict[str, Any] = {
    "tiers": [{"name": "A", "price": {"input": 1.0}}, {"name": "b"}],
    "serve": {"port": 8080},
    "policy": {"thresholds": {"Small": 0.5}},
}


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("SERVE__PORT", "9000", ("serve", "port"), 9000),
        ("SERVE__HOST", "0.0.0.0", ("serve", "host"), "0.0.0.0"),
        ("SERVE__MODELS", '["a", "b"]', ("serve", "models"), ["a", "b"]),
        ("TIERS__1__NAME", "large", ("tiers", 1, "name"), "large"),
        ("TIERS__0__PRICE__INPUT", "0.25", ("tiers", 0, "price", "input"), 0.25),
        ("POLICY__THRESHOLDS__SMALL", "0.9", ("policy", "thresholds", "Small"), 0.9),
        ("BUDGET__MAX_COST", "0.1", ("budget", "max_cost"), 0.1),
        ("HISTORY__URL", "redis://h/0", ("history", "url"), "redis://h/0"),
        ("HISTORY__URL", "none", ("history", "url"), "none"),
        ("CACHE__MODELS", "false", ("cache", "models"), False),
        ("RETRIEVAL__DOCS", "a\nb = 1", ("retrieval", "docs"), "a\nb = 1"),
    ],
)
def test_a_variable_stands_over_the_file(
    name: str, text: str, path: tuple[str | int, ...], value: object
) -> None:
    found: Any = with_environment(DATA, {f"SUREFOOT__{name}": text, "PATH": "/bin"})
    for step in path:
        found = found[step]
    assert found == value
    assert DATA["serve"] == {"port": 8080} and DATA["tiers"][1] == {"name": "b"}, "a copy"


@pytest.mark.parametrize(
    "name",
    ["TIERS__2__NAME", "TIERS__FIRST__NAME", "TIERS__-1__NAME", "SERVE__PORT__X", "SERVE____PORT"],
)
def test_a_variable_that_leads_nowhere_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"SUREFOOT__{name}"):
        with_environment(DATA, {f"SUREFOOT__{name}": "1"})


@given(st.dictionaries(st.text(max_size=30).map(lambda one: f"SUREFOOT__{one}"), st.text()))
def test_any_variable_is_taken_or_named(environment: dict[str, str]) -> None:
    try:
        assert isinstance(with_environment(DATA, environment), dict)
    except ConfigurationError as error:
        assert error.field in environment


def test_what_it_says_is_checked_as_the_file_is() -> None:
    text = """
[[tiers]]
name = "small"
model = "local:smollm2-135m"
price = "unknown"
[policy]
thresholds = { small = 0.5 }
"""
    settings = parse_settings(text, "f", {"SUREFOOT__POLICY__THRESHOLDS__SMALL": "0.75"})
    assert settings.policy.thresholds == {"small": 0.75}
    for name, value, field in (
        ("SERVE__PORT", "high", "serve.port"),
        ("SERVE__PROT", "80", "serve.prot"),
        ("POLICY__THRESHOLDS__SMALL", "1.5", "policy.thresholds.small"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            parse_settings(text, "f", {f"SUREFOOT__{name}": value})
        assert caught.value.field == field
