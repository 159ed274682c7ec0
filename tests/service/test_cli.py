"""What holds for every command: exit codes, streams, which configuration is taken."""

from __future__ import annotations

import errno
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from surefoot.adapters.models import ModelSpec
from surefoot.graphs import tiers
from surefoot.router.errors import (
    BadInput,
    ConfigurationError,
    ContextTooLong,
    MissingExtra,
    ProfileMismatch,
    StoreError,
    SurefootError,
    UpstreamUnavailable,
    UsageError,
    WeightsError,
)
from surefoot.service.common import Choices, exit_code, find_settings
from surefoot.service.console import progress_bar

from .doors import PROGRAM, Here, run, write_config
from .endpoint import Endpoint

FRANCE = "What is the capital of France?"
COMMANDS = (
    "ask",
    "chat",
    "score",
    "estimators",
    "record",
    "fit",
    "replay",
    "monitor",
    "evaluate",
    "next-labels",
    "history",
    "doctor",
)


# --- usage --------------------------------------------------------------------------------------


def test_help_names_every_command_and_loads_none(here: Here) -> None:
    done = here("--help")
    assert done.code == 0
    assert [name for name in COMMANDS if f"  {name} " not in done.out] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(here: Here, name: str) -> None:
    done = here(name, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: surefoot {name} ")


def test_the_version(here: Here) -> None:
    assert re.fullmatch(r"surefoot \d+\.\d+\.\d+\S*\n", here("--version").out)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("aks", "x"), "did you mean 'ask'?"),
        (("zzz",), "No such command 'zzz'"),
        (("ask",), "Missing argument 'QUESTION'"),
        (("ask", "one", "two"), "unexpected extra argument"),
        (("ask", "x", "--confg", "y"), "--config"),
        (("ask", "x", "--deadline", "soon"), "'soon' is not a valid float"),
        (("fit", "x"), "Missing option '--out'"),
        (("replay", "x"), "Missing option '--profile'"),
        (("record", "--out", "x"), "Missing option '--questions'"),
        (("record", "--per-topic", "0"), "0 is not in the range"),
        ((), "Usage: surefoot"),
    ],
)
def test_bad_usage_ends_with_2(here: Here, args: tuple[str, ...], words: str) -> None:
    here(*args).check_complaint(2, words)


# --- exit codes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (ContextTooLong(9, 8), 2),
        (BadInput("x", file="f"), 2),
        (ConfigurationError("x"), 2),
        (MissingExtra("redis", "redis"), 2),
        (WeightsError("x"), 2),
        (ProfileMismatch("x"), 2),
        (StoreError("x"), 1),
        (UpstreamUnavailable("x"), 1),
    ],
)
def test_who_can_mend_it_says_the_code(error: SurefootError, code: int) -> None:
    assert exit_code(error) == code


def test_a_full_disk_is_the_world_s_doing_whatever_stumbled_over_it() -> None:
    error = WeightsError("cannot write the joined file")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert exit_code(error) == 1
    error.__cause__ = FileNotFoundError(errno.ENOENT, "No such file")
    assert exit_code(error) == 2


# --- streams ------------------------------------------------------------------------------------


def test_no_color_codes_where_there_is_no_terminal(endpoint: Endpoint, tmp_path: Path) -> None:
    config = write_config(tmp_path, endpoint, history="redis://127.0.0.1:1/0")
    for command in (("ask", FRANCE), ("doctor",)):
        done = run(*command, "--config", config)
        assert done.code in (0, 1)
        assert "\x1b" not in done.out + done.err


def test_a_closed_stdout_does_not_matter(endpoint: Endpoint, tmp_path: Path) -> None:
    config = write_config(tmp_path, endpoint)
    command = (*PROGRAM, "ask", FRANCE, "--config", str(config), "--json")
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *command], stderr=subprocess.PIPE, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_progress_goes_to_stderr_and_only_after_a_while(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from surefoot.service import console

    with progress_bar() as report:
        report("indexing", 5, 10)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(console, "_PATIENCE_S", 0.0)
    with progress_bar() as report:
        for done in range(101):
            report("indexing", done, 100)
    caught = capsys.readouterr()
    assert caught.out == ""
    assert caught.err.splitlines() == [f"indexing: {n} of 100" for n in range(10, 101, 10)]


def test_a_license_notice_comes_once_and_never_into_the_json(
    here: Here, endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices = {"openai:large": ["use it well"]}

    def take(spec: ModelSpec) -> str | None:
        left = notices.get(spec.model, [])
        return left.pop() if left else None

    monkeypatch.setattr(tiers, "license_notice", take)
    config = write_config(tmp_path, endpoint)
    first = here("ask", FRANCE, "--config", config, "--json")
    assert first.err == "surefoot: use it well\n"
    assert first.document["answer"] == "Paris"
    assert here("ask", FRANCE, "--config", config, "--json").err == ""
    notices["openai:large"].append("use it well")
    assert here("doctor", "--config", config, "--json").err == "surefoot: use it well\n"


# --- which configuration ------------------------------------------------------------------------


def test_the_configuration_that_is_taken(
    here: Here, endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, folder, source = find_settings(Choices())
    assert source == "the shipped demo"
    assert (folder / "demo.toml").is_file()
    assert [tier.model.split(":")[0] for tier in settings.tiers] == ["local", "local"]
    local = write_config(tmp_path, endpoint)  # ./surefoot.toml
    settings, folder, source = find_settings(Choices())
    assert (folder, source) == (tmp_path, "surefoot.toml")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert find_settings(Choices())[2] == "the shipped demo"
    assert find_settings(Choices(config=local))[1:] == (tmp_path, str(local))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("sqlite:///h.db", lambda cwd: f"sqlite:///{cwd}/h.db"),
        ("sqlite:////var/h.db", lambda cwd: "sqlite:////var/h.db"),
        ("sqlite:///~/h.db", lambda cwd: f"sqlite:///{Path.home()}/h.db"),
        ("sqlite:///", lambda cwd: "sqlite:///"),
        ("sqlite:///:memory:", lambda cwd: "sqlite:///:memory:"),
        ("redis://host/1", lambda cwd: "redis://host/1"),
        ("none", lambda cwd: "none"),
    ],
)
def test_a_history_of_the_command_line(
    tmp_path: Path, given: str, expected: Callable[[Path], str]
) -> None:
    settings, _, _ = find_settings(Choices(history=given))
    assert settings.history.url == expected(tmp_path)
