"""Exports: what every history hands out and takes in again.

Derive from `HistoryExports` beside `HistoryContract`; the same fixture `open_store` serves.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from surefoot.adapters.histories import HistoryStore
from surefoot.adapters.history_export import Importer, export_history
from surefoot.router.errors import BadInput
from surefoot.router.histories import KeptTurn, Scope

from .history_labels_suite import counted, label, outcome
from .history_suite import OpenStore, make_run

TURNS = [KeptTurn("k1", "And Italy?", "Rome", "2026-11-22T10:00:01+00:00", "bob")]


async def filled(store: HistoryStore) -> None:
    """Two users, two threads, a label, an outcome of a run and one of another table."""
    await store.record(make_run("r1", user="ann", thread="t1"))
    await store.record(make_run("r2", user="bob", thread="t:2", answer=None))
    await store.record(make_run("r3", user="ann", thread=None))
    await store.append("acme", "t1", TURNS)
    await store.label("acme", label("f1", "r1"))
    await store.keep_outcomes("acme", [outcome("r1", 1.0), outcome("elsewhere", 0.0)])
    await store.record(make_run("r1", "secret?", tenant="other"))


async def exported(store: HistoryStore, scope: Scope) -> list[dict[str, Any]]:
    """As a file would hold it."""
    return [json.loads(json.dumps(line)) async for line in export_history(store, scope)]


def kinds(lines: list[dict[str, Any]]) -> list[str]:
    return sorted(line["kind"] for line in lines)


class HistoryExports:
    """Exports and imports."""

    async def test_what_was_exported_can_be_put_into_another(self, open_store: OpenStore) -> None:
        one, other = await open_store(), await open_store()
        await filled(one)
        lines = await exported(one, Scope("acme"))
        assert kinds(lines) == ["feedback", *["outcome"] * 2, *["run"] * 3, *["turn"] * 2]
        importer = Importer(other, "new")
        for _ in range(2):  # the second time changes nothing
            taken = await importer.take(enumerate(lines, start=1), "export.jsonl")
            assert taken == {"run": 3, "turn": 2, "feedback": 1, "outcome": 2}
        runs = [replace(run, tenant="acme") for run in await other.runs("new")]
        assert runs == list(await one.runs("acme"))
        assert await other.labels("new", "r1") == await one.labels("acme", "r1")
        assert (await other.page_of_turns("new", "t1")).items == (
            await one.page_of_turns("acme", "t1")
        ).items
        assert [counted(each) for each in await other.correctness("new")] == [{9: (2, 1)}]
        assert await other.runs("acme") == ()

    async def test_of_a_user_only_what_is_the_users(self, open_store: OpenStore) -> None:
        store = await open_store()
        await filled(store)
        lines = await exported(store, Scope("acme", user="ann"))
        assert kinds(lines) == ["feedback", "outcome", "run", "run", "turn"]
        lines = await exported(store, Scope("acme", user="bob"))
        assert [(line["kind"], line.get("thread")) for line in lines] == [
            ("run", None),
            ("turn", "t1"),
        ]

    async def test_of_a_thread_only_what_was_said_there(self, open_store: OpenStore) -> None:
        store = await open_store()
        await filled(store)
        lines = await exported(store, Scope("acme", thread="t1"))
        assert kinds(lines) == ["feedback", "outcome", "run", "turn", "turn"]
        assert await exported(store, Scope("nobody")) == []

    async def test_pages_lose_nothing(self, open_store: OpenStore) -> None:
        store = await open_store()
        turns = [KeptTurn(f"k{n}", f"q{n}", "a") for n in range(200)]
        for thread in range(3):
            await store.append("acme", f"t{thread}", turns)
        await store.keep_outcomes("acme", [outcome(f"q{n}") for n in range(450)])
        lines = await exported(store, Scope("acme"))
        assert [line["turn"]["id"] for line in lines if line["kind"] == "turn"] == [
            turn.id for _ in range(3) for turn in turns
        ]
        named = [line["outcome"]["query_id"] for line in lines if line["kind"] == "outcome"]
        assert sorted(named) == sorted(f"q{n}" for n in range(450))

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ({}, "field 'kind': expected run"),
            ({"kind": "run"}, "field 'run': expected an object"),
            ({"kind": "turn", "turn": {"id": "1"}}, "KeptTurn: field 'question'"),
            ({"kind": "turn", "turn": {"id": "1", "question": "q", "answer": "a"}}, "'thread'"),
            ({"kind": "feedback", "feedback": {"id": "1"}}, "Feedback: field 'run_id'"),
            ({"query_id": "q", "tier": -1}, "field 'tier'"),
        ],
    )
    async def test_a_bad_line_is_named_and_what_came_before_is_kept(
        self, open_store: OpenStore, line: dict[str, Any], words: str
    ) -> None:
        store = await open_store()
        good = {"kind": "feedback", "feedback": {"id": "1", "run_id": "r", "verdict": "right"}}
        with pytest.raises(BadInput, match=words) as caught:
            await Importer(store, "acme").take([(1, good), (4, line)], "x.jsonl")
        assert str(caught.value).startswith("x.jsonl:4: ")
        assert [one.id for one in await store.labels("acme", "r")] == ["1"]
