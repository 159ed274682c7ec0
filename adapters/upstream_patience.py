"""How long an HTTP upstream asks to be left alone, in each of the forms that providers have."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["retry_after_s", "should_retry", "wait_in_words_s", "wait_s"]

# Delays, most specific first: OpenAI and Azure give milliseconds beside the rounded seconds.
_MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")
# When a limit is whole again, with what is left of it; only one that is used up asks for patience.
_RESETS = (
    ("x-ratelimit-reset-requests", "x-ratelimit-remaining-requests"),
    ("x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens"),
    ("anthropic-ratelimit-requests-reset", "anthropic-ratelimit-requests-remaining"),
    ("anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-tokens-remaining"),
    ("x-ratelimit-reset", "x-ratelimit-remaining"),
    ("ratelimit-reset", "ratelimit-remaining"),
)
_DURATION = re.compile(
    r"(?:(?P<days>\d+)d)?(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m(?!s))?"
    r"(?:(?P<seconds>\d+(?:\.\d+)?)s)?(?:(?P<milliseconds>\d+(?:\.\d+)?)ms)?",
    re.ASCII,
)
# OpenAI and Groq ("try again in 6m0s"), Azure ("retry after 6 seconds"), Gemini (a field).
_IN_WORDS = re.compile(
    r"(?:try again in|retry (?:in|after)|retryDelay\"\s*:\s*\")\s*"
    r"(?:(\d+(?:\.\d+)?) (seconds?|milliseconds?)\b|((?:\d+(?:\.\d+)?(?:d|h|ms?|s))+))",
    re.IGNORECASE | re.ASCII,
)
_UNITS_S = {"days": 86400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0, "milliseconds": 1e-3}
_SECONDS_SINCE_EPOCH, _MILLISECONDS_SINCE_EPOCH = 1e9, 1e12  # smaller numbers are delays
_LONGEST_HEADER = 100


def wait_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a failed answer's headers ask for; None where they ask for none.

    In this order: `retry-after-ms`, `Retry-After` (seconds or a date), and the time until a used-up
    limit is whole again. Garbage, what is negative or not finite, and a time that has passed count
    as absent. Dates are measured against the answer's own `Date`, so that a wrong clock here does
    no harm.

    Args:
        headers: looked up in lower case.
        now: seconds since the epoch, for answers without a `Date`.
    """
    for name in _MILLISECONDS:
        value = _wait(_number(headers.get(name)))
        if value is not None:
            return value / 1000.0
    now = _sent_at(headers) or now
    wait = retry_after_s(headers.get("retry-after"), now)
    if wait is not None:
        return wait
    waits = [
        wait
        for reset, left in _RESETS
        if _number(headers.get(left)) == 0.0
        and (wait := _reset_s(headers.get(reset), now)) is not None
    ]
    return max(waits, default=None)


def retry_after_s(header: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for, given as seconds or as an HTTP date.

    None for garbage, for what is negative or not finite, and for a date that has passed.
    """
    return _first(header, now, (_number, _until_date))


def wait_in_words_s(text: str) -> float | None:
    """Seconds that an error's words ask for, as `try again in 20s`; None where they say nothing."""
    found = _IN_WORDS.search(text)
    if found is None:
        return None
    number, unit, duration = found.groups()
    if number is None:
        return _wait(_duration(duration.lower(), 0.0))
    return _wait(float(number) * (1e-3 if unit.lower().startswith("milli") else 1.0))


def should_retry(headers: Mapping[str, str]) -> bool | None:
    """What `x-should-retry` says; None where it is absent or neither true nor false."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").strip().lower())


def _reset_s(header: str | None, now: float) -> float | None:
    """Seconds until a limit is whole again: `1s`, `6m0s`, `20ms`, a number or a date."""
    return _first(header, now, (_delay_or_time, _duration, _until_date, _until_iso_date))


def _first(
    header: str | None, now: float, forms: tuple[Callable[[str, float], float | None], ...]
) -> float | None:
    if header is None or len(header) > _LONGEST_HEADER:
        return None
    text = header.strip()
    found = next((value for form in forms if (value := form(text, now)) is not None), None)
    return _wait(found)


def _wait(seconds: float | None) -> float | None:
    return seconds if seconds is not None and math.isfinite(seconds) and seconds >= 0 else None


def _sent_at(headers: Mapping[str, str]) -> float | None:
    date = headers.get("date")
    return None if date is None else _until_date(date, 0.0)


def _number(text: str | None, now: float = 0.0) -> float | None:
    # Python reads 1_000 and digits of any script as well.
    if text is None or "_" in text or not text.isascii():
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _delay_or_time(text: str, now: float) -> float | None:
    number = _number(text)
    if number is None or number < _SECONDS_SINCE_EPOCH:
        return number
    return (number / 1000.0 if number >= _MILLISECONDS_SINCE_EPOCH else number) - now


def _duration(text: str, now: float) -> float | None:
    found = _DURATION.fullmatch(text)
    if found is None or not text:
        return None
    return sum(float(value) * _UNITS_S[unit] for unit, value in found.groupdict().items() if value)


def _until_date(text: str, now: float) -> float | None:
    try:
        return _in_utc(parsedate_to_datetime(text)) - now
    except (ValueError, OverflowError):
        return None


def _until_iso_date(text: str, now: float) -> float | None:
    try:
        return _in_utc(datetime.fromisoformat(text)) - now
    except (ValueError, OverflowError):
        return None


def _in_utc(date: datetime) -> float:
    # A date without a zone means UTC here, whatever this machine's zone is.
    return (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()
