"""How long an endpoint asks to be left alone, in each of the forms that real ones use."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.upstream_patience import (
    retry_after_s,
    should_retry,
    wait_in_words_s,
    wait_s,
)

NOW = 1_790_000_000.0  # Mon, 21 Sep 2026 14:13:20 GMT


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("0.25", 0.25),
        ("1e2", 100.0),
        ("1000000000", 1e9),
        ("Mon, 21 Sep 2026 14:13:50 GMT", 30.0),
        ("Mon, 21 Sep 2026 14:13:50 +0000", 30.0),
        ("Mon, 21 Sep 2026 16:13:50 +0200", 30.0),
        ("Monday, 21-Sep-26 14:13:50 GMT", 30.0),
        ("Mon Sep 21 14:13:50 2026", 30.0),
        ("Mon, 21 Sep 2026 14:13:20 GMT", 0.0),
        ("Mon, 21 Sep 2026 14:13:19 GMT", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        ("", None),
        ("soon", None),
        ("1_000", None),
        ("\u0667", None),  # seven, in Arabic digits
        ("7 s", None),
        ("Mon, 99 Foo 2026 99:99:99 GMT", None),
        ("9" * 200, None),
    ],
)
def test_seconds_and_dates(header: str, expected: float | None) -> None:
    assert retry_after_s(header, NOW) == expected
    assert retry_after_s(None, NOW) is None
    assert wait_s({"retry-after": header}, NOW) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1.0),
        ({"retry-after-ms": "-5", "retry-after": "1"}, 1.0),
        # A wrong clock here does no harm: the answer says when it was sent.
        (
            {
                "date": "Mon, 21 Sep 2026 20:00:00 GMT",
                "retry-after": "Mon, 21 Sep 2026 20:00:09 GMT",
            },
            9.0,
        ),
        # OpenAI's and Groq's limits, of which only the used-up one counts.
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "6m0s",
                "x-ratelimit-remaining-tokens": "150",
                "x-ratelimit-reset-tokens": "1h",
            },
            360.0,
        ),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "20ms",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "1m7.66s",
            },
            67.66,
        ),
        # Anthropic's are dates, OpenRouter's milliseconds since the epoch.
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-09-21T14:13:35Z",
            },
            15.0,
        ),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1790000012000"}, 12.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1790000012"}, 12.0),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "12"}, 12.0),
        ({"x-ratelimit-remaining": "3", "x-ratelimit-reset": "12"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1d2h"}, 93600.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": ""}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1789999999"}, None),
    ],
)
def test_each_provider_in_its_own_way(headers: dict[str, str], expected: float | None) -> None:
    assert wait_s(headers, NOW) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rate limit reached. Please try again in 20s. Visit", 20.0),
        ("Please try again in 6m0s.", 360.0),
        ("Please try again in 7m30.5s.", 450.5),
        ("Please try again in 864ms.", 0.864),
        ("Please try again in 1.2s", 1.2),
        ("Please retry after 6 seconds.", 6.0),
        ("retry after 1 second", 1.0),
        ("retry in 34.074824224s.", 34.074824224),
        ('{"@type": "RetryInfo", "retryDelay": "34s"}', 34.0),
        ("Please try again in a moment", None),
        ("Please try again in 5 minutes or so", None),
        ("try again", None),
        ("", None),
    ],
)
def test_words(text: str, expected: float | None) -> None:
    assert wait_in_words_s(text) == pytest.approx(expected)


def test_what_is_said_of_asking_again() -> None:
    assert should_retry({"x-should-retry": "true"}) is True
    assert should_retry({"x-should-retry": " False "}) is False
    assert should_retry({"x-should-retry": "1"}) is None
    assert should_retry({}) is None


@given(st.text(max_size=120), st.text(max_size=120), st.text(max_size=120))
def test_no_header_raises_or_asks_for_the_impossible(one: str, other: str, third: str) -> None:
    headers = {
        "retry-after": one,
        "date": other,
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": third,
    }
    for wait in (wait_s(headers, NOW), wait_in_words_s(f"try again in {one}")):
        assert wait is None or (math.isfinite(wait) and wait >= 0.0)
