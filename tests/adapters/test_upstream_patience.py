from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.adapters.upstream_patience import retry_after_s, should_retry, wait_s

NOW = 1_790_000_000.0
IN_HALF_A_MINUTE = datetime.fromtimestamp(NOW + 30, UTC).isoformat()


def date(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(NOW + seconds, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("1e9", 1e9),
        (date(90), 90.0),
        (date(90).replace("GMT", "+0000"), 90.0),
        (date(-1), None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        ("9" * 200, None),
        (None, None),
    ],
)
def test_retry_after_in_every_form(header: str | None, wait: float | None) -> None:
    assert retry_after_s(header, NOW) == (None if wait is None else pytest.approx(wait))


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "2", "retry-after-ms": "1500"}, 1.5),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        # The clock of the machine is wrong by an hour; the answer's own date is believed.
        ({"retry-after": date(3605), "date": date(3600)}, 5.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "1h"}, None),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": datetime.fromtimestamp(
                    NOW + 30, UTC
                ).isoformat(),
            },
            30.0,
        ),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(NOW + 12)}, 12.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str((NOW + 12) * 1000)}, 12.0),
    ],
)
def test_what_providers_send(headers: dict[str, str], wait: float | None) -> None:
    assert wait_s(headers, NOW) == (None if wait is None else pytest.approx(wait, abs=0.001))


def test_an_endpoints_own_word() -> None:
    assert should_retry({"x-should-retry": "true"}) is True
    assert should_retry({"x-should-retry": "False "}) is False
    assert should_retry({"x-should-retry": "maybe"}) is None
    assert should_retry({}) is None


@given(st.text(max_size=120))
def test_nothing_else_comes_out_of_any_text(text: str) -> None:
    names = ("retry-after", "retry-after-ms", "x-ratelimit-reset-requests", "date")
    headers = {name: text for name in names} | {"x-ratelimit-remaining-requests": "0"}
    wait = wait_s(headers, NOW)
    assert wait is None or 0.0 <= wait < float("inf")
