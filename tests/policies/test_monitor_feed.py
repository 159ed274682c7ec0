"""Logged requests in time order, each read once."""

from __future__ import annotations

from typing import Any

import pytest

from surefoot.policies.monitor_feed import FeedProgress, logged_requests, unread
from surefoot.router.errors import UsageError

from .traffic import BEGIN, gated
from .worlds import outcome, table_of


def test_a_request_is_what_was_served_of_all_its_attempts() -> None:
    rows = [
        outcome("q1", 0, loss=None, served=False, ts=10, action="escalate"),
        outcome("q1", 1, loss=1.0, served=True, ts=12, audited=True, propensity=0.5),
        outcome("q2", 0, loss=None, served=True, gated=False, ts=11),
        outcome("q3", 0, loss=None, served=False, action="abstain", ts=9),
        outcome("q4", 0, loss=None, ts=13),
    ]
    found = logged_requests(table_of(rows))
    assert [request.ending for request in found] == ["abstained", "ungated", "gated", "open"]
    assert [request.ts for request in found] == [9, 11, 12, 13]
    judged = found[2]
    assert (judged.drawn, judged.propensity, judged.loss) == (True, 0.5, 1.0)
    assert len(judged.rows) == 2


def test_an_action_says_what_was_served_where_nothing_else_does() -> None:
    (request,) = logged_requests(table_of([outcome("q", loss=0.0, action="answer")]))
    assert (request.ending, request.drawn, request.propensity) == ("gated", True, 1.0)


def test_a_label_that_no_draw_asked_for_is_not_used() -> None:
    (request,) = logged_requests(table_of([gated(1, loss=1.0, audited=False)]))
    assert request.volunteered and request.loss is None and not request.is_pending


def test_only_the_traffic_of_one_policy() -> None:
    rows = [gated(1, policy_id="a"), gated(2, policy_id="b"), gated(3)]
    assert len(logged_requests(table_of(rows))) == 3
    assert [r.ts for r in logged_requests(table_of(rows), "b")] == [BEGIN + 120.0]


@pytest.mark.parametrize(
    ("ts", "seconds"),
    [
        (12.5, 12.5),
        ("1970-01-01T00:01:00+00:00", 60.0),
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T01:01:00+01:00", 60.0),
        ("1970-01-01T00:01:00", 60.0),
        (None, -1.0),
    ],
)
def test_times(ts: Any, seconds: float) -> None:
    assert logged_requests(table_of([gated(1, ts=ts)]))[0].ts == seconds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ts", "yesterday"),
        ("ts", -5),
        ("ts", True),
        ("ts", 1.7e12),
        ("propensity", 1.5),
        ("propensity", "half"),
        ("propensity", None),
        ("propensity", 0),
        ("audited", "yes"),
        ("served", 1),
        ("gated", "no"),
    ],
)
def test_fields_that_cannot_be_are_named(name: str, value: Any) -> None:
    row = gated(1, loss=0.0, **{"audited": True, name: value})
    with pytest.raises(UsageError, match=f"query 'r00001': field '{name}'"):
        logged_requests(table_of([row]))


def test_two_served_attempts_are_refused() -> None:
    rows = [outcome("q", 0, served=True), outcome("q", 1, served=True)]
    with pytest.raises(UsageError, match="2 attempts are logged as served"):
        logged_requests(table_of(rows))


def read(rows: Any, progress: FeedProgress) -> tuple[list[float], list[float], int, FeedProgress]:
    new, labelled, skipped = unread(logged_requests(table_of(rows)), progress)
    found = sorted([*labelled, *new], key=lambda request: request.ts)
    return [r.ts for r in new], [r.ts for r in labelled], skipped, progress.after(found)


def test_a_log_read_twice_says_nothing_new() -> None:
    rows = [gated(n, loss=0.0 if n % 2 else None, audited=True, ts=n // 3) for n in range(9)]
    new, _, _, progress = read(rows, FeedProgress())
    assert len(new) == 9
    assert read(rows, progress) == ([], [], 9, progress)


def test_undated_requests_are_remembered_one_by_one() -> None:
    rows = [gated(n, ts=None) for n in range(5)]
    _, _, _, progress = read(rows[:3], FeedProgress())
    new, _, skipped, progress = read(rows, progress)
    assert (len(new), skipped) == (2, 3)
    assert read(rows, progress)[2] == 5


def test_a_label_that_comes_later_is_read_once() -> None:
    asked = [gated(1, audited=True, ts=10), gated(2, audited=True, ts=20)]
    _, _, _, progress = read(asked, FeedProgress())
    assert progress.overdue(15.0) == 1 and progress.overdue(25.0) == 2
    came = [gated(1, loss=1.0, audited=True, ts=10), asked[1], gated(3, ts=20), gated(4, ts=30)]
    new, labelled, skipped, progress = read(came, progress)
    assert (new, labelled, skipped) == ([20.0, 30.0], [10.0], 1)
    assert read(came, progress)[:3] == ([], [], 4)
    assert len(progress.pending) == 1


def test_what_turns_up_with_an_earlier_time_is_skipped() -> None:
    _, _, _, progress = read([gated(5, ts=50)], FeedProgress())
    assert read([gated(4, ts=40)], progress)[:3] == ([], [], 1)


def test_labels_that_never_come_are_given_up_in_the_end() -> None:
    rows = [gated(n, audited=True) for n in range(10_020)]
    _, _, _, progress = read(rows, FeedProgress())
    assert (len(progress.pending), progress.lost) == (10_000, 20)
    assert progress.overdue(BEGIN + 1e9) == 10_020
