"""Replaying over several processes gives what one process gives, errors and interrupts included."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from surefoot.policies import replay_run
from surefoot.policies.recorded import Replayer
from surefoot.policies.replay import Served, serve
from surefoot.policies.replay_run import replay_questions, workers_for
from surefoot.policies.threshold import RungRule, ThresholdPolicy
from surefoot.router.decisions import Rung
from surefoot.router.errors import BadInput, UsageError

from .worlds import drawn_table, sigmoid

forks = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods() or sys.platform == "darwin",
    reason="processes are forked on Linux only",
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a replay of one question told."""

    query_id: str
    rungs: tuple[Rung, ...] = ()
    process: int = 0
    note: str | None = None


IDS = tuple(f"q{number}" for number in range(1234))


def in_one_block(monkeypatch: pytest.MonkeyPatch, questions: int) -> None:
    monkeypatch.setattr(replay_run, "_BLOCK", questions)


def seen(query_id: str) -> Seen:
    return Seen(query_id, (Rung(len(query_id), 0, True),), os.getpid())


@forks
@pytest.mark.parametrize("workers", [2, 3, 50])
def test_every_question_is_replayed_once_and_comes_back_in_order(workers: int) -> None:
    found = replay_questions(IDS, seen, Seen, workers=workers)

    assert [one.query_id for one in found] == list(IDS)
    assert found[99].rungs == (Rung(3, 0, True),)
    assert type(found[99].rungs[0]) is Rung
    assert all(one.process != os.getpid() for one in found)
    assert 1 < len({one.process for one in found}) <= workers


@pytest.mark.parametrize("workers", [None, 0, 1])
def test_one_process_forks_nothing(workers: int | None) -> None:
    found = replay_questions(IDS, seen, Seen, workers=workers)

    assert [one.query_id for one in found] == list(IDS)
    assert {one.process for one in found} == {os.getpid()}


def test_no_question_at_all_is_no_result() -> None:
    assert replay_questions((), seen, Seen, workers=4) == []


@forks
def test_the_results_do_not_depend_on_the_processes() -> None:
    def draw(rng: random.Random, ease: float) -> dict[Rung, tuple[float, float]]:
        p = sigmoid(ease)
        return {Rung(0, 0, False): (p, p), Rung(1, 0, False): (0.9, 0.5 + p / 2)}

    table = drawn_table(1500, draw, {Rung(0, 0, False): 1.0, Rung(1, 0, False): 7.0}, seed=3)
    policy = ThresholdPolicy((RungRule(0, 0.6), RungRule(1, 0.7)), ("a", "b"))
    one = partial(serve, table, Replayer(table, ("a", "b"), policy))
    ids = list(table.queries)

    alone = replay_questions(ids, one, Served, workers=1)
    assert alone == [one(query_id) for query_id in ids]
    assert replay_questions(ids, one, Served, workers=2) == alone
    assert replay_questions(ids, one, Served, workers=3) == alone
    assert {served.rung for served in alone} == {None, Rung(0, 0, False), Rung(1, 0, False)}


# --- what goes wrong -----------------------------------------------------------------------------


def failing_from(first: int) -> partial[Seen]:
    return partial(_failing, first)


def _failing(first: int, query_id: str) -> Seen:
    if int(query_id[1:]) >= first:
        # An error that cannot be pickled as it is: its arguments are keywords.
        raise BadInput(f"{query_id} failed", file="table", line=7)
    return seen(query_id)


@forks
@pytest.mark.parametrize("first", [0, 499, 501, 1233])
def test_the_first_error_is_raised_as_one_process_would(first: int) -> None:
    for workers in (1, 2, 4):
        with pytest.raises(BadInput, match=f"q{first} failed") as caught:
            replay_questions(IDS, failing_from(first), Seen, workers=workers)
        assert caught.value.line == 7
    assert multiprocessing.active_children() == []


@forks
def test_a_missing_row_is_named_as_by_one_process() -> None:
    def draw(rng: random.Random, ease: float) -> dict[Rung, tuple[float, float]]:
        return {Rung(0, 0, False): (0.5, 0.1)}

    table = drawn_table(1200, draw, {Rung(0, 0, False): 1.0})
    policy = ThresholdPolicy((RungRule(0, 0.6), RungRule(1, 0.7)), ("a", "b"))
    one = partial(serve, table, Replayer(table, ("a", "b"), policy))

    with pytest.raises(UsageError, match=r"'q0000' has no row for tier 1, round 0"):
        replay_questions(list(table.queries), one, Served, workers=2)


@forks
def test_what_a_process_that_was_killed_left_undone_is_done_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_one_block(monkeypatch, 100)
    here = os.getpid()

    def deadly(query_id: str) -> Seen:
        if query_id == "q250" and os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return seen(query_id)

    found = replay_questions(IDS, deadly, Seen, workers=2)
    assert [one.query_id for one in found] == list(IDS)
    assert {one.process for one in found if one.query_id in IDS[200:300]} == {here}


@forks
def test_results_that_cannot_be_sent_are_made_here() -> None:
    lock = threading.Lock()

    def odd(query_id: str) -> Seen:
        return Seen(query_id, process=os.getpid(), note=lock)  # type: ignore[arg-type]  # odd

    found = replay_questions(IDS, odd, Seen, workers=2)
    assert {one.process for one in found} == {os.getpid()}


_INTERRUPTED = """
import os, sys, time
from surefoot.policies.replay_run import replay_questions
from tests_of import Seen, slow
try:
    replay_questions([str(i) for i in range(100_000)], slow, Seen, workers=2)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(130)
"""

_SLOW = """
import os, time
from dataclasses import dataclass

@dataclass(frozen=True, slots=True)
class Seen:
    query_id: str

def slow(query_id):
    if query_id in ("0", "500"):
        os.write(1, f"pid {os.getpid()}\\n".encode())
    time.sleep(0.002)
    return Seen(query_id)
"""


@forks
def test_an_interrupt_ends_all_processes(tmp_path: Path) -> None:
    (tmp_path / "tests_of.py").write_text(_SLOW)
    running = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a terminal interrupts the whole group
    )
    assert running.stdout is not None
    forked = [int(running.stdout.readline().split()[1]) for _ in range(2)]
    os.killpg(running.pid, signal.SIGINT)
    out, errors = running.communicate(timeout=30)

    assert (running.returncode, out, errors) == (130, "interrupted\n", "")
    for process in forked:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


@forks
def test_processes_end_when_nobody_collects(tmp_path: Path) -> None:
    (tmp_path / "tests_of.py").write_text(_SLOW)
    running = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    for _ in range(2):
        assert running.stdout.readline().startswith("pid ")
    running.kill()
    # Its output is at its end when the last process that could write to it has ended.
    running.communicate(timeout=30)


# --- how many, and how far -----------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=forks)])
def test_progress_ends_with_all_questions(workers: int) -> None:
    told: list[tuple[int, int]] = []
    replay_questions(
        IDS, seen, Seen, workers=workers, progress=lambda done, all: told.append((done, all))
    )

    assert told[-1] == (1234, 1234)
    assert told == sorted(set(told))
    assert 3 <= len(told) <= 201


@forks
def test_few_questions_are_not_worth_a_second_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_run, "_processors", lambda: 3)

    assert [workers_for(n) for n in (0, 3999, 4000, 10**6)] == [1, 1, 3, 3]


def test_other_threads_and_systems_do_not_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_run, "_processors", lambda: 3)
    counts: list[int] = []
    thread = threading.Thread(target=lambda: counts.append(workers_for(10**6)))
    thread.start()
    thread.join()
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    counts.append(workers_for(10**6))

    assert counts == [1, 1]
    found = replay_questions(IDS, seen, Seen, workers=4)
    assert {one.process for one in found} == {os.getpid()}
