"""F27: a configuration that cannot be is refused at load, and the field is named."""

from __future__ import annotations

import pytest

from surefoot.graphs.settings import parse_settings
from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.router.errors import ConfigurationError

GOOD = """
[[tiers]]
name = "small"
model = "openai:a"
base_url = "http://127.0.0.1:1/v1"
price = { input = 1.0, output = 2.0 }
[[tiers]]
name = "large"
model = "openai:b"
base_url = "http://127.0.0.1:1/v1"
price = "unknown"
[policy]
thresholds = { small = 0.7, large = 0.5 }
[resilience]
attempts = 3
"""


def test_the_good_one_is_taken() -> None:
    assert len(parse_settings(GOOD).tiers) == 2


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("small = 0.7", "small = 1.7", "policy.thresholds.small"),
        ("small = 0.7", "small = nan", "policy.thresholds.small"),
        ("small = 0.7", "small = inf", "policy.thresholds.small"),
        ("small = 0.7", "small = -0.1", "policy.thresholds.small"),
        ("small = 0.7", 'small = "0.7"', "policy.thresholds.small"),
        ("small = 0.7", "smal = 0.7", "policy.thresholds.smal"),
        ("price = { input = 1.0, output = 2.0 }\n", "", "tiers.0.price"),
        ("input = 1.0", "input = -1.0", "tiers.0.price"),
        ("input = 1.0", "input = nan", "tiers.0.price"),
        ('name = "large"', 'name = "small"', "tiers.1.name"),
        ("attempts = 3", "attempts = 0", "resilience.attempts"),
        ("attempts = 3", "open_s = -1.0", "resilience.open_s"),
        ("attempts = 3", "breaker_ratio = nan", "resilience.breaker_ratio"),
        ("attempts = 3", "atempts = 3", "resilience.atempts"),
    ],
)
def test_what_cannot_be_names_its_field(old: str, new: str, field: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigurationError) as caught:
        parse_settings(GOOD.replace(old, new, 1), "my.toml")
    assert caught.value.field is not None and caught.value.field.startswith(field)
    assert "my.toml" in str(caught.value) and field in str(caught.value)


def test_without_tiers_there_is_nothing() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_settings("[policy]\nthresholds = {}\n", "my.toml")
    assert caught.value.field == "tiers"


@pytest.mark.parametrize("to", [0, 1, 7])
def test_tiers_escalate_upwards_or_not_at_all(to: int) -> None:
    """A cycle cannot be written down: each tier leads to one above it."""
    with pytest.raises(ConfigurationError):
        ThresholdPolicy((RungRule(0, 0.5), RungRule(1, 0.5, to=to)), ("small", "large"))
