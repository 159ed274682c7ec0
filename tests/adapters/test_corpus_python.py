"""Every Python's own documentation as passages: complete, compact, quiet, the same every time."""

import inspect
import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from surefoot.adapters import corpus_python, stdlib_docs
from surefoot.adapters.corpus_python import python_docs_key, python_docs_passages
from surefoot.adapters.passages import SourcePassage, word_count
from surefoot.adapters.stdlib_docs import Entry

COLLECT = [sys.executable, "-I", stdlib_docs.__file__]


@pytest.fixture(scope="module")
def passages() -> list[SourcePassage]:
    return python_docs_passages()


def about(passages: list[SourcePassage], title: str) -> list[SourcePassage]:
    return [passage for passage in passages if passage.title == title]


def test_there_are_thousands_with_unique_ids(passages: list[SourcePassage]) -> None:
    assert len(passages) >= 2_500
    assert len({passage.id for passage in passages}) == len(passages)
    assert all(passage.title and passage.text for passage in passages)


@pytest.mark.parametrize(
    "name",
    [
        "len",
        "ValueError",
        "str.split",
        "dict.setdefault",
        "json.loads",
        "os.path.join",
        "pathlib.Path.read_text",
        "datetime.datetime.strptime",
        "collections.Counter.most_common",
        "asyncio.gather",
        "itertools.chain",
        "concurrent.futures.ThreadPoolExecutor",
        "zipfile.BadZipFile",
        "contextlib.ExitStack.enter_context",
    ],
)
def test_what_people_ask_for_is_there(passages: list[SourcePassage], name: str) -> None:
    found = about(passages, name)
    assert found
    assert all(passage.text.startswith(name) for passage in found)


def test_a_passage_begins_with_the_signature_and_says_what_the_docstring_says(
    passages: list[SourcePassage],
) -> None:
    [passage] = about(passages, "textwrap.shorten")
    assert passage.text.startswith(f"textwrap.shorten{inspect.signature(textwrap.shorten)}\n")
    assert "Collapse and truncate the given text to fit in the given width." in passage.text
    assert passage.lead == "Collapse and truncate the given text to fit in the given width."
    assert passage.context == "function"


def test_constants_have_their_values(passages: list[SourcePassage]) -> None:
    [told] = [found for found in about(passages, "csv") if found.context == "constant"]
    assert "QUOTE_ALL = 1" in told.text


def test_the_language_reference_is_there(passages: list[SourcePassage]) -> None:
    pytest.importorskip("pydoc_data.topics")
    found = about(passages, "The with statement")
    assert any("context manager" in passage.text for passage in found)


def test_nothing_is_told_twice_under_two_names(passages: list[SourcePassage]) -> None:
    assert about(passages, "random.choice")
    assert not about(passages, "random.Random.choice")
    assert not about(passages, "posixpath.join")
    assert not about(passages, "builtins.len")


@pytest.mark.parametrize(
    "module", ["this", "antigravity", "turtle", "tkinter", "idlelib", "lib2to3", "test"]
)
def test_modules_that_act_or_need_a_display_are_left_out(
    passages: list[SourcePassage], module: str
) -> None:
    assert not [p for p in passages if p.title == module or p.title.startswith(f"{module}.")]
    private = [passage.title for passage in passages if passage.title.startswith("_")]
    # The reference explains special names such as __slots__ under headings of their own.
    assert all(title.startswith("__") and title.endswith("__") for title in private)


def test_passages_are_compact(passages: list[SourcePassage]) -> None:
    sizes = sorted(word_count(passage.text) for passage in passages)
    assert sum(sizes) / len(sizes) < 60
    # Beside its 90 words a passage has a signature of up to 320 characters.
    assert sizes[-1] <= 90 + 320 // 8 + 15


def test_the_collector_prints_nothing_but_its_answer() -> None:
    done = subprocess.run([*COLLECT], capture_output=True, check=True)
    assert done.stderr == b""
    assert len(json.loads(done.stdout)) > 2_500


def test_nothing_depends_on_the_machines_mood(tmp_path: Path) -> None:
    """Hash seed, time zone, language, terminal, home and working folder change nothing."""
    plain = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "0"}
    moody = {
        "PATH": "/nowhere",
        "PYTHONHASHSEED": "77",
        "TZ": "Asia/Tokyo",
        "LANG": "tr_TR.UTF-8",
        "TERM": "xterm",
        "HOME": str(tmp_path),
    }
    command = [sys.executable, stdlib_docs.__file__]
    first = subprocess.run(command, env=plain, capture_output=True, check=True)
    other = subprocess.run(command, env=moody, cwd=tmp_path, capture_output=True, check=True)
    assert first.stdout == other.stdout
    # An address in a signature would be that of a living object. (Some editions of the language
    # reference print addresses in their examples: those are text like any other.)
    assert not [entry for entry in json.loads(first.stdout) if " at 0x" in entry[2]]
    assert os.fsencode(sys.prefix) not in first.stdout


def test_building_takes_little_time_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    before = os.times()
    modules = set(sys.modules)
    assert python_docs_passages()
    after = os.times()
    used = sum(after[:4]) - sum(before[:4])
    assert used < 6.0, f"{used:.1f} s of CPU"
    assert capfd.readouterr() == ("", "")
    assert set(sys.modules) == modules


def test_without_a_child_interpreter_the_passages_are_the_same(
    passages: list[SourcePassage],
) -> None:
    """In this process, with warnings as errors, where other modules are loaded already."""
    script = (
        "import sys; sys.executable = '/bin/false'\n"
        "from surefoot.adapters.corpus_python import python_docs_passages\n"
        "print(*(passage.id for passage in python_docs_passages()))"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.split() == [passage.id for passage in passages]


@pytest.mark.parametrize("executable", ["/bin/false", "/bin/echo", "/nowhere/python"])
def test_an_executable_that_is_no_python_is_not_relied_upon(
    executable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [Entry("function", "a.b", "(c)", "Does it.")]
    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.setattr(stdlib_docs, "collect_quietly", lambda: entries)
    assert [passage.text for passage in python_docs_passages()] == ["a.b(c)\nDoes it."]


def made_of(monkeypatch: pytest.MonkeyPatch, *entries: Entry) -> list[tuple[str, str]]:
    monkeypatch.setattr(sys, "executable", "")
    monkeypatch.setattr(stdlib_docs, "collect_quietly", lambda: list(entries))
    return [(passage.title, passage.text) for passage in python_docs_passages()]


def test_a_long_docstring_becomes_several_passages_of_one_title(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    doc = "\n\n".join(f"Paragraph {number} has some words, {'word ' * 50}end." for number in "123")
    found = made_of(monkeypatch, Entry("function", "a.b", "(c=1)", doc))
    assert [text.split("\n")[0] for _, text in found] == ["a.b(c=1)", "a.b", "a.b"]
    assert {title for title, _ in found} == {"a.b"}


def test_c_docstrings_keep_their_own_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Entry("function", "a.b", "", "b(x) -> int\n\nReturns :class:`~m.C` or ``None``.")
    assert made_of(monkeypatch, entry) == [("a.b", "a.b(x) -> int\nReturns m.C or None.")]


def test_definitions_in_the_reference_are_passages_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chapter = (
        'The "x" statement\n*****************\n\nIt is about x.\n\nstr.cut(n)\n\n   Cuts.\n\n'
        "   Or not.\n\nAgain about x."
    )
    found = made_of(
        monkeypatch,
        Entry("method", "str.cut", "(n, /)", "Cut the string."),
        Entry("topic", "x", "", chapter),
    )
    assert found == [
        ("str.cut", "str.cut(n)\nCuts.\nOr not."),
        ("The x statement", "It is about x.\nAgain about x."),
    ]


def test_the_key_names_the_python(monkeypatch: pytest.MonkeyPatch) -> None:
    key = python_docs_key()
    assert ".".join(map(str, sys.version_info[:3])) in key
    monkeypatch.setattr(corpus_python, "CORPUS_VERSION", 99)
    assert python_docs_key() != key


def test_collecting_twice_in_a_process_takes_no_long_time_either() -> None:
    began = time.process_time()
    entries = stdlib_docs.collect_quietly()
    assert time.process_time() - began < 6.0
    assert {entry.kind for entry in entries} == {
        "attribute",
        "class",
        "constants",
        "exception",
        "function",
        "method",
        "module",
        "topic",
    }
