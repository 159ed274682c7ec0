"""Erasing: what every history must forget, down to the last byte.

Derive from `HistoryErasing` beside `HistoryContract`, with a fixture `raw` besides: a function that
returns everything that a store has written, keys and values, as bytes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import pytest

from surefoot.adapters.histories import HistoryStore
from surefoot.router.errors import UsageError
from surefoot.router.evidence import Evidence, Generation
from surefoot.router.histories import Erased, KeptTurn, RunFilter, Scope

from .history_labels_suite import label, outcome, total
from .history_pages_suite import all_run_ids
from .history_suite import OpenStore, ask, make_run

Raw = Callable[[HistoryStore], Awaitable[bytes]]

WHO = (("acme", "ann", "t1"), ("acme", "ben", "t2"), ("acme", "ann", "t3"), ("other", "ann", "t1"))


def mark(tenant: str, user: str, thread: str) -> str:
    """A word that stands in everything of one user in one thread, and nowhere else."""
    return f"mark{tenant}{user}{thread}"


async def fill(store: HistoryStore, runs: int = 3) -> None:
    """Something of every kind for everybody in `WHO`; ids carry the marks as well."""
    for who in WHO:
        tenant, user, thread = who
        word = mark(*who)
        for number in range(runs):
            id = f"{word}-{number}"
            evidence = {"2": Evidence(word, Generation(word))}
            await store.record(
                make_run(
                    id,
                    f"{word} {number}?",
                    word,
                    tenant=tenant,
                    thread=thread,
                    user=user,
                    evidence=evidence,
                )
            )
            await store.label(tenant, label(f"f{number}", id, verdict="corrected", correction=word))
            await store.keep_outcomes(tenant, [outcome(id, 0.0, 0.95, question=word)])
        turns = [KeptTurn(f"{word}-own", word, word, "", user)]
        await store.append(tenant, thread, turns)
        await store.append(tenant, "shared", [KeptTurn(f"{word}-shared", word, word, "", user)])
    await store.put("acme", "orphan", "1", Evidence("markorphan", Generation("markorphan")))


async def erase_all(store: HistoryStore, scope: Scope, limit: int = 2) -> dict[str, int]:
    """Erase in small batches, and sum up."""
    counts: dict[str, int] = {}
    for _ in range(100):
        erased = await store.erase(scope, limit=limit)
        for what, many in erased.counts.items():
            counts[what] = counts.get(what, 0) + many
        if erased.is_done:
            return counts
    raise AssertionError("erasing without an end")


class HistoryErasing:
    """The suite; `open_store` and `raw` come from the derived class."""

    @pytest.fixture
    async def full(self, open_store: OpenStore) -> HistoryStore:
        store = await open_store()
        await fill(store)
        return store

    async def expect(self, content: bytes, *, gone: Iterable[str], there: Iterable[str]) -> None:
        for word in gone:
            assert word.encode() not in content
        for word in there:
            assert word.encode() in content

    async def test_everything_is_there_at_first(self, full: HistoryStore, raw: Raw) -> None:
        words = [mark(*who) for who in WHO]
        await self.expect(await raw(full), gone=[], there=[*words, "markorphan"])

    async def test_a_user_is_erased(self, full: HistoryStore, raw: Raw) -> None:
        counts = await erase_all(full, Scope("acme", user="ann"))
        assert counts == {"runs": 6, "turns": 10, "evidence": 7, "feedback": 6, "outcomes": 6}
        mine, left = (WHO[0], WHO[2]), (WHO[1], WHO[3])
        await self.expect(
            await raw(full),
            gone=[*(mark(*who) for who in mine), "markorphan"],
            there=[mark(*who) for who in left],
        )
        assert await all_run_ids(full, where=RunFilter(user="ann")) == []
        assert len(await all_run_ids(full)) == 3
        assert total(await full.correctness("acme")) == 3
        shared = (await full.page_of_turns("acme", "shared")).items
        assert [turn.user for turn in shared] == ["ben"]
        assert len((await full.recall(ask(thread="t2", limit=9))).turns) == 4
        assert (await full.page_of_threads("acme")).items == ("t2", "shared")

    async def test_a_user_of_another_tenant_is_another(self, full: HistoryStore, raw: Raw) -> None:
        await erase_all(full, Scope("other", user="ann"))
        words = [mark(*who) for who in WHO]
        await self.expect(await raw(full), gone=words[3:], there=[*words[:3], "markorphan"])

    async def test_a_thread_is_erased(self, full: HistoryStore, raw: Raw) -> None:
        counts = await erase_all(full, Scope("acme", thread="t1"))
        assert counts == {"runs": 3, "turns": 4, "evidence": 4, "feedback": 3, "outcomes": 3}
        content = await raw(full)
        gone, shared = f"{mark(*WHO[0])}-0", f"{mark(*WHO[0])}-shared"
        await self.expect(
            content, gone=[gone, "markorphan"], there=[shared, *(mark(*who) for who in WHO[1:])]
        )
        assert await all_run_ids(full, where=RunFilter(thread="t1")) == []
        assert (await full.page_of_turns("acme", "t1")).items == ()
        assert total(await full.correctness("acme")) == 6
        threads = (await full.page_of_threads("acme")).items
        assert sorted(threads) == ["shared", "t2", "t3"]

    async def test_a_thread_leaves_no_name(self, full: HistoryStore, raw: Raw) -> None:
        turns = [KeptTurn("k1", "q", "a", "", "ann"), KeptTurn("k2", "q", "a", "", "carl")]
        await full.append("acme", "namedthread", turns)
        await full.record(make_run("nr1", thread="namedthread", user="dora", answer=None))
        await erase_all(full, Scope("acme", thread="namedthread"))
        await self.expect(await raw(full), gone=["namedthread"], there=[])

    async def test_a_tenant_is_erased(self, full: HistoryStore, raw: Raw) -> None:
        counts = await erase_all(full, Scope("acme"), limit=4)
        assert counts == {"runs": 9, "turns": 15, "evidence": 10, "feedback": 9, "outcomes": 9}
        words = [mark(*who) for who in WHO]
        await self.expect(
            await raw(full), gone=[*words[:3], "acme", "markorphan"], there=[words[3]]
        )
        assert await all_run_ids(full) == []
        assert await full.correctness("acme") == []
        assert len(await all_run_ids(full, "other")) == 3
        assert total(await full.correctness("other")) == 3

    async def test_erasing_what_is_not_there(self, full: HistoryStore) -> None:
        for scope in (Scope("nobody"), Scope("nobody", user="ann"), Scope("nobody", thread="t1")):
            assert await full.erase(scope) == Erased({}, is_done=True)

    async def test_erasing_goes_on_where_it_was(self, full: HistoryStore) -> None:
        first = await full.erase(Scope("acme", user="ann"), limit=2)
        assert first.counts["runs"] == 2 and not first.is_done
        assert len(await all_run_ids(full, where=RunFilter(user="ann"))) == 4
        rest = await erase_all(full, Scope("acme", user="ann"))
        assert rest["runs"] == 4

    async def test_life_goes_on(self, full: HistoryStore) -> None:
        for scope in (Scope("acme", user="ann"), Scope("acme", thread="t2"), Scope("acme")):
            await erase_all(full, scope)
        await full.record(make_run("new", user="ann"))
        assert await all_run_ids(full, where=RunFilter(user="ann", thread="t1")) == ["new"]
        assert len((await full.recall(ask())).turns) == 1
        assert not full.failures

    async def test_a_repeat_of_somebody_else_stays(self, open_store: OpenStore) -> None:
        store = await open_store()
        await store.record(make_run("r1", user="ann"))
        await store.record(make_run("r2", user="ben"))
        await erase_all(store, Scope("acme", user="ann"))
        repeat = (await store.recall(ask())).repeat
        assert repeat is not None and repeat.run_id == "r2"
        await erase_all(store, Scope("acme", user="ben"))
        assert (await store.recall(ask())).repeat is None

    async def test_a_user_and_a_thread_at_once_are_refused(self) -> None:
        with pytest.raises(UsageError, match="not both"):
            Scope("acme", "ann", "t1")
