"""Labels, outcomes and what they count for: what every history must do with them.

Derive from `HistoryLabels` beside `HistoryContract`; the same fixture `open_store` serves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from surefoot.adapters.histories import HistoryStore, Retention
from surefoot.router.decisions import Rung
from surefoot.router.feedback import (
    BinCount,
    Correctness,
    Feedback,
    JudgedOutcome,
    KeptOutcome,
    kept_outcome,
)

from .history_suite import NASTY, OpenStore, make_run


def label(id: str, run_id: str = "r1", **fields: Any) -> Feedback:
    return Feedback(id, run_id, **{"verdict": "right", "by": "eve", **fields})


def outcome(
    query_id: str,
    loss: float | None = 0.0,
    confidence: float | None = 0.95,
    *,
    tier: int = 0,
    model: str = "small",
    **fields: Any,
) -> KeptOutcome:
    row = {
        "query_id": query_id,
        "tier": tier,
        "round": 0,
        "retrieved": False,
        "answer": "Paris",
        "loss": loss,
        "cost": 0.5,
        "signals": {"p": 0.25, "q": None},
        "model": model,
        "confidence": confidence,
    }
    return kept_outcome({**row, **fields})


def counted(correctness: Correctness) -> dict[int, tuple[int, int]]:
    """(n, ok) by bin where there is any; -1 for those without a confidence."""
    found = {bin: (one.n, one.ok) for bin, one in enumerate(correctness.bins) if one.n}
    if correctness.unsure.n:
        found[-1] = (correctness.unsure.n, correctness.unsure.ok)
    return found


async def counts(
    store: HistoryStore, tenant: str = "acme"
) -> dict[tuple[str, Rung], dict[int, tuple[int, int]]]:
    return {(one.model, one.rung): counted(one) for one in await store.correctness(tenant)}


async def all_queries(store: HistoryStore, limit: int) -> list[str]:
    found: list[str] = []
    page = await store.page_of_outcomes("acme", limit=limit)
    found += [row.query_id for row in page.items]
    while page.cursor is not None:
        page = await store.page_of_outcomes("acme", limit=limit, cursor=page.cursor)
        found += [row.query_id for row in page.items]
    return found


CLOSED = Rung(0, 0, False)


class HistoryLabels:
    """The suite; `open_store` comes from the derived class."""

    @pytest.fixture
    async def store(self, open_store: OpenStore) -> HistoryStore:
        return await open_store()

    async def test_labels_come_back_in_order_and_without_loss(self, store: HistoryStore) -> None:
        said = [
            label("f2", verdict="wrong", at="2026-11-22T10:00:00Z", attempt="2"),
            label("f1", verdict="corrected", correction="Lyon", propensity=0.25, audited=True),
            label("f3", verdict=None, propensity=0.0),
        ]
        assert await store.labels("acme", "r1") == ()
        for one in said:
            assert await store.label("acme", one)
        assert list(await store.labels("acme", "r1")) == said
        assert await store.labels("acme", "r2") == ()
        assert await store.labels("other", "r1") == ()
        assert not store.failures

    async def test_a_label_counts_once(self, store: HistoryStore) -> None:
        first = label("f1", verdict="right")
        assert await store.label("acme", first)
        assert not await store.label("acme", label("f1", verdict="wrong"))
        assert list(await store.labels("acme", "r1")) == [first]
        assert await store.label("acme", label("f1", "r2"))
        assert await store.label("other", label("f1"))

    async def test_labels_of_any_ids(self, store: HistoryStore) -> None:
        names = [id for id in NASTY if id != "\ud800"]
        for number, id in enumerate(names):
            await store.label("acme", label(id, id, by=str(number)))
        for number, id in enumerate(names):
            (one,) = await store.labels("acme", id)
            assert (one.id, one.by) == (id, str(number))

    async def test_rows_come_back_without_loss(self, store: HistoryStore) -> None:
        rows = [
            outcome("q1", ts="2026-11-22", audited=True, propensity=0.5, group={"topic": "x"}),
            outcome("q1", None, None, tier=1, answer="ü\u2028\n"),
        ]
        await store.keep_outcomes("acme", rows)
        assert list(await store.outcomes_of("acme", "q1")) == rows
        assert await store.outcomes_of("acme", "q2") == ()
        assert await store.outcomes_of("other", "q1") == ()
        assert not store.failures

    async def test_rows_are_replaced_by_query_and_rung(self, store: HistoryStore) -> None:
        await store.keep_outcomes("acme", [outcome("q1", 1.0), outcome("q1", 0.0, tier=1)])
        await store.keep_outcomes("acme", [outcome("q1", 0.0, 0.15)])
        rows = await store.outcomes_of("acme", "q1")
        assert [(row.rung.tier, row.loss, row.confidence) for row in rows] == [
            (0, 0.0, 0.15),
            (1, 0.0, 0.95),
        ]
        assert await counts(store) == {
            ("small", CLOSED): {1: (1, 1)},
            ("small", Rung(1, 0, False)): {9: (1, 1)},
        }

    async def test_rows_page_by_page(self, store: HistoryStore) -> None:
        for name in ("b", "a:", "c"):
            await store.keep_outcomes("acme", [outcome(name), outcome(name, tier=1)])
        await store.keep_outcomes("other", [outcome("z")])
        for limit in (1, 2, 3, 4):
            assert await all_queries(store, limit) == ["b", "b", "a:", "a:", "c", "c"]

    async def test_counts_by_model_rung_and_bin(self, store: HistoryStore) -> None:
        rows = [
            *(outcome(f"a{n}", float(n == 0), 0.95) for n in range(4)),
            outcome("b", 0.4, 1.0),  # graded: below one half is right
            outcome("c", 0.5, 0.0),
            outcome("d", None, 0.5),
            outcome("e", 0.0, None),
            outcome("f", 1.0, 0.3, tier=2, round=1, retrieved=True, model="a:b|{}"),
        ]
        await store.keep_outcomes("acme", rows)
        assert await counts(store) == {
            ("small", CLOSED): {9: (5, 4), 0: (1, 0), -1: (1, 1)},
            ("a:b|{}", Rung(2, 1, True)): {3: (1, 0)},
        }
        assert await counts(store, "other") == {}

    async def test_what_is_counted_anew_is_uncounted_where_it_was(
        self, store: HistoryStore
    ) -> None:
        await store.keep_outcomes("acme", [outcome("q1", 1.0, 0.95), outcome("q2", 0.0, 0.95)])
        await store.keep_outcomes("acme", [outcome("q1", 0.0, 0.95)])
        assert await counts(store) == {("small", CLOSED): {9: (2, 2)}}
        await store.keep_outcomes("acme", [outcome("q1", 0.0, 0.05, model="large")])
        assert await counts(store) == {
            ("small", CLOSED): {9: (1, 1)},
            ("large", CLOSED): {0: (1, 1)},
        }
        await store.keep_outcomes("acme", [outcome("q1", None), outcome("q2", None)])
        assert await counts(store) == {}
        assert [len(await store.outcomes_of("acme", q)) for q in ("q1", "q2")] == [1, 1]

    async def test_the_same_rows_again_change_nothing(self, store: HistoryStore) -> None:
        rows = [outcome(f"q{n}", float(n % 2)) for n in range(5)]
        for _ in range(3):
            await store.keep_outcomes("acme", rows)
        assert await counts(store) == {("small", CLOSED): {9: (5, 3)}}

    async def test_the_latest_outcomes_are_told(self, store: HistoryStore) -> None:
        for number in range(4):
            await store.keep_outcomes("acme", [outcome(f"q{number}", 0.25 * number, None)])
        (one,) = await store.correctness("acme", recent=2)
        assert one.recent == (JudgedOutcome("q3", None, 0.75), JudgedOutcome("q2", None, 0.5))
        assert one.unsure == BinCount(4, 2)

    async def test_counted_outcomes_are_capped(self, open_store: OpenStore) -> None:
        store = await open_store(Retention(max_outcomes=3))
        rows = [outcome(f"q{n}", float(n < 2), n / 10) for n in range(5)]
        for row in rows:
            await store.keep_outcomes("acme", [row])
        assert await counts(store) == {("small", CLOSED): {2: (1, 1), 3: (1, 1), 4: (1, 1)}}
        await store.keep_outcomes("acme", [outcome("q0", None)])  # it is not counted any more
        assert await counts(store) == {("small", CLOSED): {2: (1, 1), 3: (1, 1), 4: (1, 1)}}

    async def test_concurrent_writers_count_right(self, store: HistoryStore) -> None:
        async def write(number: int) -> None:
            model = ("small", "large")[number % 2]
            await store.keep_outcomes("acme", [outcome(f"q{number % 3}", 0.0, model=model)])

        await asyncio.gather(*(write(number) for number in range(12)))
        total = sum(n for bins in (await counts(store)).values() for n, _ in bins.values())
        assert total == 3

    async def test_labels_and_outcomes_expire(self, open_store: OpenStore) -> None:
        store = await open_store(Retention(ttl_s=0.2))
        await store.label("acme", label("f1"))
        await store.keep_outcomes("acme", [outcome("q1")])
        await asyncio.sleep(0.25)  # Redis keeps its own time
        assert await store.labels("acme", "r1") == ()
        assert await store.outcomes_of("acme", "q1") == ()
        assert await counts(store) == {}

    async def test_they_live_no_longer_than_their_run(self, open_store: OpenStore) -> None:
        """Else a user could be erased, and what was said of an old run would stay."""
        store = await open_store(Retention(ttl_s=0.4))
        await store.record(make_run("r1"))
        await asyncio.sleep(0.25)
        await store.label("acme", label("f1"))
        await store.keep_outcomes("acme", [outcome("r1"), outcome("q1")])
        assert len(await store.labels("acme", "r1")) == 1
        await asyncio.sleep(0.25)
        assert await store.labels("acme", "r1") == ()
        assert await store.outcomes_of("acme", "r1") == ()
        assert await counts(store) == {("small", CLOSED): {9: (1, 1)}}

    async def test_a_run_beyond_the_cap_takes_them_along(self, open_store: OpenStore) -> None:
        store = await open_store(Retention(max_runs=1))
        await store.record(make_run("r1"))
        await store.label("acme", label("f1"))
        await store.keep_outcomes("acme", [outcome("r1")])
        await store.record(make_run("r2"))
        assert await store.labels("acme", "r1") == ()
        assert await store.outcomes_of("acme", "r1") == ()
        assert await counts(store) == {}


def total(correctness: Sequence[Correctness]) -> int:
    """How many outcomes are counted."""
    return sum(n for one in correctness for n, _ in counted(one).values())
