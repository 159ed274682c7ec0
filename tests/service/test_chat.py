"""`surefoot chat`: a conversation that is remembered, typed or piped in."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from surefoot.policies.release_gate import AtOnce
from surefoot.router.drive import Router
from surefoot.router.perform import Performer
from surefoot.router.testing import PlainPrompter, ScriptedModel, says
from surefoot.service.chat_command import _answer

from ..router.plans import plan_of
from .doors import PROGRAM, WAIT_S, run, write_config
from .endpoint import Endpoint, Says

FRANCE = "What is the capital of France?"
PRONOUN = "How many people live there?"


def chat(config: Path, *lines: str, given: bytes | None = None) -> str:
    """What a chat over these lines prints; it ends well."""
    typed = "".join(f"{line}\n" for line in lines).encode() if given is None else given
    done = run("chat", "--config", config, given=typed)
    assert (done.code, done.err) == (0, ""), done
    return done.out


def test_it_remembers_over_two_processes(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.answers[("small", PRONOUN)] = Says("Two million", 0.8)
    config = write_config(tmp_path, endpoint, history="sqlite:///h.db")
    assert "│ Paris" in chat(config, FRANCE)
    out = chat(config, PRONOUN, FRANCE, "/trail")
    # The pronoun was read beside the turn of the other process ...
    assert f"user: {FRANCE}\nassistant: Paris\nuser: {PRONOUN}" in endpoint.asked[1].shown
    # ... and the question that stands alone was recognized, without asking a model.
    assert len(endpoint.asked) == 2
    assert "asked before" in out.partition("recall")[2]


def test_threads_are_kept_apart(endpoint: Endpoint, tmp_path: Path) -> None:
    config = write_config(tmp_path, endpoint, history="sqlite:///h.db")
    run("chat", "--config", config, "--thread", "a", given=f"{FRANCE}\n".encode())
    run("chat", "--config", config, "--thread", "b", given=f"{PRONOUN}\n".encode())
    assert "Paris" not in endpoint.asked[1].shown
    run("ask", PRONOUN, "--config", config, "--thread", "a")
    assert "Paris" in endpoint.asked[-1].shown


def test_commands_are_no_questions(endpoint: Endpoint, tmp_path: Path) -> None:
    config = write_config(tmp_path, endpoint)
    out = chat(config, "/trail", "", "/quit", FRANCE, "/trail", "/exit", "never asked")
    assert [asked.question for asked in endpoint.asked] == [FRANCE]
    before, _, after = out.partition("│ Paris")
    assert "nothing was asked yet" in before
    assert "/exit or Ctrl-D ends" in before  # the answer to /quit
    assert "small draft" in after and "→ answer" in after


def test_the_end_of_the_input_ends_it_also_without_a_line_break(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    config = write_config(tmp_path, endpoint)
    assert chat(config, given=b"") == ""
    assert "│ Paris" in chat(config, given=FRANCE.encode())


def test_one_question_that_cannot_be_asked_does_not_end_it(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    out = chat(write_config(tmp_path, endpoint), "word " * 210_000, "caf\N{BELL}?", FRANCE)
    assert "the question needs about" in out
    assert "│ Paris" in out
    assert len(endpoint.asked) == 3  # the second one was put to both tiers


def test_bytes_that_are_no_text_are_read_all_the_same(endpoint: Endpoint, tmp_path: Path) -> None:
    config = write_config(tmp_path, endpoint)
    given = b"caf\xe9?\n"
    done = run("chat", "--config", config, given=given, PYTHONIOENCODING="utf-8:strict")
    assert (done.code, done.err) == (0, "")
    assert endpoint.asked[0].question == "caf\N{REPLACEMENT CHARACTER}?"


def test_a_terminal_that_knows_few_characters_gets_the_others_replaced(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    config = write_config(tmp_path, endpoint)
    done = run("ask", FRANCE, "--config", config, PYTHONIOENCODING="ascii")
    assert (done.code, done.err) == (0, "")
    assert "? answer  small is 0.95 sure" in done.out


def test_on_a_terminal_it_prompts_and_ends_at_ctrl_d(endpoint: Endpoint, tmp_path: Path) -> None:
    config = write_config(tmp_path, endpoint)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen(
        [*PROGRAM, "chat", "--config", config],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    try:
        assert "Ctrl-D ends" in read_until(ours, rb"> ")
        os.write(ours, f"{FRANCE}\n".encode())
        shown = read_until(ours, rb"(?s)no error rate is promised.*> ")
        assert "Paris" in shown and "\x1b[" in shown  # in color
        os.write(ours, b"\x04")
        assert process.wait(WAIT_S) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(terminal: int, end: bytes) -> str:
    """What the terminal shows until it holds the pattern `end`."""
    shown, give_up = b"", time.monotonic() + WAIT_S
    while re.search(end, shown) is None:
        ready, _, _ = select.select([terminal], [], [], give_up - time.monotonic())
        assert ready, shown
        shown += os.read(terminal, 4096)
    return shown.decode(errors="replace")


def test_an_answer_that_is_let_go_is_shown_while_it_is_written() -> None:
    plan = plan_of(0.9, release_gate=AtOnce(), retrieval=None)
    models = (ScriptedModel(says("It is Paris.")), ScriptedModel("Lyon"))
    router = Router(plan, Performer(plan, models, PlainPrompter()))
    deployment: Any = SimpleNamespace(router=router, names=("small", "large"))
    for is_terminal in (True, False):
        screen = io.StringIO()
        console = Console(file=screen, width=60, force_terminal=is_terminal, color_system=None)
        found = _answer(console, deployment, "t", FRANCE)
        assert found is not None and bool(found.released) == is_terminal
        before, _, after = screen.getvalue().partition("\u256d")  # where the panel begins
        assert ("It is" in before) == is_terminal and "It is Paris." in after
    router.close()
