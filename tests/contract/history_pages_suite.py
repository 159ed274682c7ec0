"""Pages, turns of the application's own, and size caps: what every history must do beside the
basics.

Derive from `HistoryPages` beside `HistoryContract`; the same fixture `open_store` serves.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.adapters.histories import HistoryStore, Retention
from surefoot.router.decisions import Action
from surefoot.router.errors import UsageError
from surefoot.router.histories import KeptTurn, Page, RunFilter
from surefoot.router.protocols import RunRecord

from .history_suite import SHARED, OpenStore, ask, ids, make_evidence, make_run, questions


def run_ids(page: Page[RunRecord] | Sequence[RunRecord]) -> list[str]:
    """The ids of runs, in their order."""
    items = page.items if isinstance(page, Page) else page
    return [run.result.run_id for run in items]


async def all_run_ids(
    store: HistoryStore, tenant: str = "acme", where: RunFilter | None = None, **how: object
) -> list[str]:
    """Every run that the filter takes, page by page."""
    found: list[str] = []
    cursor: str | None = None
    for _ in range(1000):
        page = await store.page_of_runs(tenant, where, cursor=cursor, **how)  # type: ignore[arg-type]  # limit and order, by name
        found += run_ids(page)
        cursor = page.cursor
        if cursor is None:
            return found
    raise AssertionError("pages without an end")


async def all_turns(store: HistoryStore, thread: str = "t1", limit: int = 2) -> list[KeptTurn]:
    """Every turn of a thread of `acme`, page by page."""
    found: list[KeptTurn] = []
    page = await store.page_of_turns("acme", thread, limit=limit)
    found += page.items
    while page.cursor is not None:
        page = await store.page_of_turns("acme", thread, limit=limit, cursor=page.cursor)
        found += page.items
    return found


def turn(number: int, user: str | None = None) -> KeptTurn:
    return KeptTurn(f"k{number}", f"q{number}", f"a{number}", f"2026-11-22T10:00:0{number}Z", user)


class HistoryPages:
    """The suite; `open_store` comes from the derived class."""

    @pytest.fixture
    async def store(self, open_store: OpenStore) -> HistoryStore:
        return await open_store()

    async def test_pages_of_runs_hold_each_once_and_in_order(self, store: HistoryStore) -> None:
        for number in range(7):
            await store.record(make_run(f"r{number}"))
        newest = [f"r{number}" for number in reversed(range(7))]
        for limit in (1, 2, 3, 7, 8):
            assert await all_run_ids(store, limit=limit) == newest
            assert await all_run_ids(store, limit=limit, oldest_first=True) == newest[::-1]
        assert (await store.page_of_runs("acme", limit=7)).cursor is None
        assert await store.page_of_runs("acme", limit=0) == Page(())
        assert await store.page_of_runs("nobody") == Page(())

    async def test_one_run_is_found_by_its_tenant_alone(self, store: HistoryStore) -> None:
        for tenant, answer in (("acme", "Paris"), ("other", "Lyon")):
            await store.record(make_run("r:1", "Where?", answer, tenant=tenant))
        await store.record(make_run("r2"))
        for tenant, answer in (("acme", "Paris"), ("other", "Lyon")):
            found = await store.find_run(tenant, "r:1")
            assert found is not None
            assert (found.tenant, found.result.answer) == (tenant, answer)
            assert found == (await store.page_of_runs(tenant, oldest_first=True)).items[0]
        assert await store.find_run("other", "r2") is None
        assert await store.find_run("acme", "r") is None

    async def test_pages_stand_still_while_runs_are_recorded(self, store: HistoryStore) -> None:
        for number in range(6):
            await store.record(make_run(f"r{number}"))
        down = await store.page_of_runs("acme", limit=2)
        up = await store.page_of_runs("acme", limit=2, oldest_first=True)
        await store.record(make_run("new"))
        await store.record(make_run("r5"))  # known: moves nothing
        rest = await store.page_of_runs("acme", limit=9, cursor=down.cursor)
        assert run_ids(down) + run_ids(rest) == ["r5", "r4", "r3", "r2", "r1", "r0"]
        rest = await store.page_of_runs("acme", limit=9, cursor=up.cursor, oldest_first=True)
        assert run_ids(up) + run_ids(rest) == ["r0", "r1", "r2", "r3", "r4", "r5", "new"]

    async def test_a_cursor_that_is_none_is_refused(self, store: HistoryStore) -> None:
        await store.record(make_run("r1"))
        for cursor in ("", "next", "1e9", "-1", "९", "9" * 400):
            with pytest.raises(UsageError, match="cursor"):
                await store.page_of_runs("acme", cursor=cursor)
            with pytest.raises(UsageError, match="cursor"):
                await store.page_of_turns("acme", "t1", cursor=cursor)

    async def test_runs_are_filtered(self, store: HistoryStore) -> None:
        runs = [
            make_run("r1", thread="t1", user="ann", at="2026-11-01T00:00:00+00:00"),
            make_run("r2", thread="t2", user="ben", at="2026-11-02T01:00:00+01:00"),
            make_run("r3", thread="t1", user="ben", at="2026-11-03T00:00:00.500000+00:00"),
            make_run("r4", answer=None, thread=None, user=None, at="2026-11-04T00:00:00Z"),
            make_run("r5", thread="t1", user="ann", at="no time at all"),
        ]
        for run in runs:
            await store.record(run)
        second, third = datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 3, 0, 0, 0, 500_000)
        for where, expected in (
            (RunFilter(), ["r1", "r2", "r3", "r4", "r5"]),
            (RunFilter(thread="t1"), ["r1", "r3", "r5"]),
            (RunFilter(user="ben"), ["r2", "r3"]),
            (RunFilter(thread="t1", user="ben"), ["r3"]),
            (RunFilter(action=Action.ABSTAIN), ["r4"]),
            (RunFilter(action=Action.ESCALATE), []),
            (RunFilter(since=second), ["r2", "r3", "r4"]),
            (RunFilter(until=second), ["r1"]),
            (RunFilter(since=second, until=third), ["r2"]),
            (RunFilter(since=third), ["r3", "r4"]),
            (RunFilter(thread="t1", since=second), ["r3"]),
            (RunFilter(thread="t3"), []),
        ):
            assert await all_run_ids(store, where=where, limit=1, oldest_first=True) == expected
            assert await all_run_ids(store, where=where, limit=2) == expected[::-1]
            assert [run.result.run_id for run in runs if where.takes(run)] == expected

    async def test_a_page_is_full_where_few_are_meant(self, store: HistoryStore) -> None:
        for number in range(1200):
            answer = None if number % 300 == 0 else "Paris"
            await store.record(make_run(f"r{number}", answer=answer, thread=None))
        page = await store.page_of_runs("acme", RunFilter(action=Action.ABSTAIN), limit=3)
        assert run_ids(page) == ["r900", "r600", "r300"]
        assert page.cursor is not None

    async def test_user_and_policy_come_back(self, store: HistoryStore) -> None:
        await store.record(make_run("r1", user="%|ü"))
        (run,) = await store.runs("acme")
        assert run.user == "%|ü" and run.policy_id == "policy-1"

    async def test_appended_turns_come_before_a_draft(self, store: HistoryStore) -> None:
        assert await store.append("acme", "t1", [turn(1), turn(2)]) == 2
        await store.record(make_run("r1", "q3", "a3"))
        assert await questions(store, ask(limit=9)) == ["q1", "q2", "q3"]
        assert list(await store.runs("acme"))[1:] == []

    async def test_turns_are_appended_once(self, store: HistoryStore) -> None:
        assert await store.append("acme", "t1", [turn(1), turn(1)]) == 1
        assert await store.append("acme", "t1", [turn(1), turn(2), turn(3)]) == 2
        assert await store.append("acme", "t1", []) == 0
        assert await store.append("acme", "t2", [turn(1)]) == 1
        assert await store.append("other", "t1", [turn(1)]) == 1
        assert await all_turns(store) == [turn(1), turn(2), turn(3)]

    async def test_a_run_is_the_turn_that_was_appended_under_its_id(
        self, store: HistoryStore
    ) -> None:
        await store.append("acme", "t1", [KeptTurn("r1", "Capital of France?", "Paris")])
        await store.record(make_run("r1"))
        assert len(await all_turns(store)) == 1

    async def test_a_restored_run_brings_no_turn(self, store: HistoryStore) -> None:
        run = make_run("r1", evidence={"2": make_evidence()})
        await store.restore(run)
        await store.restore(run)
        assert run_ids(await store.runs("acme")) == ["r1"]
        recalled = await store.recall(ask())
        assert recalled.turns == () and recalled.repeat is not None
        assert await store.get("acme", "r1", "2") == make_evidence()

    async def test_turns_page_by_page(self, store: HistoryStore) -> None:
        turns = [turn(number, "ann" if number % 2 else None) for number in range(5)]
        await store.append("acme", "t1", turns)
        for limit in (1, 2, 5, 6):
            assert await all_turns(store, limit=limit) == turns
        assert await store.page_of_turns("acme", "t1", limit=0) == Page(())
        assert await store.page_of_turns("acme", "t2") == Page(())
        assert await store.page_of_turns("other", "t1") == Page(())

    async def test_turns_stand_still_while_others_are_trimmed(self, open_store: OpenStore) -> None:
        store = await open_store(Retention(max_turns=4))
        await store.append("acme", "t1", [turn(number) for number in range(4)])
        page = await store.page_of_turns("acme", "t1", limit=2)
        await store.append("acme", "t1", [turn(4), turn(5), turn(6)])
        rest = await store.page_of_turns("acme", "t1", limit=9, cursor=page.cursor)
        assert [one.id for one in (*page.items, *rest.items)] == ["k0", "k1"] + [
            f"k{number}" for number in range(3, 7)
        ]

    async def test_a_turn_of_a_run_says_when_and_who(self, store: HistoryStore) -> None:
        await store.record(make_run("r1", user="ben", at="2026-11-22T10:00:00+00:00"))
        at = "2026-11-22T10:00:00+00:00"
        assert await all_turns(store) == [KeptTurn("r1", "Capital of France?", "Paris", at, "ben")]

    async def test_threads_page_by_page(self, store: HistoryStore) -> None:
        for thread in ("b", "a", "c:{}", "a"):
            await store.record(make_run(f"r-{thread}-{thread}", thread=thread))
            await store.append("acme", thread, [turn(1)])
        await store.record(make_run("abstained", answer=None, thread="d"))
        await store.append("acme", "b", [turn(2)])
        found: list[str] = []
        page = await store.page_of_threads("acme", limit=2)
        found += page.items
        assert page.cursor is not None
        page = await store.page_of_threads("acme", limit=2, cursor=page.cursor)
        found += page.items
        assert page.cursor is None
        assert found == ["a", "c:{}", "b"]
        assert await store.page_of_threads("other") == Page(())

    async def test_runs_are_capped(self, open_store: OpenStore) -> None:
        store = await open_store(Retention(max_runs=3))
        for number in range(6):
            await store.record(
                make_run(f"r{number}", f"q{number}", evidence={"2": make_evidence()})
            )
        assert await all_run_ids(store) == ["r5", "r4", "r3"]
        assert (await store.recall(ask("q2"))).repeat is None
        assert (await store.recall(ask("q3"))).repeat is not None
        assert await store.get("acme", "r2", "2") is None
        assert await questions(store, ask(limit=9)) == [f"q{number}" for number in range(6)]

    @given(names=st.lists(st.tuples(ids, ids, ids), min_size=1, max_size=4, unique=True))
    @settings(max_examples=20, suppress_health_check=SHARED)
    async def test_any_ids_will_do(
        self, open_store: OpenStore, names: list[tuple[str, str, str]]
    ) -> None:
        store = await open_store()
        for number, (tenant, thread, id) in enumerate(names):
            kept = KeptTurn(id, f"q{number}", "a", user=None)
            await store.append(tenant, thread, [kept])
            await store.record(make_run(f"r{number}", tenant=tenant, thread=thread, user=id))
        for number, (tenant, thread, id) in enumerate(names):
            mine = [n for n, name in enumerate(names) if name[:2] == (tenant, thread)]
            turns = await store.page_of_turns(tenant, thread, limit=99)
            assert {f"r{n}" for n in mine} | {names[n][2] for n in mine} == {
                one.id for one in turns.items
            }
            where = RunFilter(thread=thread, user=id)
            assert await all_run_ids(store, tenant, where) == [f"r{number}"]
        assert not store.failures
