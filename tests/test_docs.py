"""The documents are true: their Python runs, their commands parse, their tables of TOML load.

Python blocks of one document share a namespace and run in order, in an empty folder. A block may be
kept from running by an HTML comment on the line above its fence, which must give the reason:

    <!-- not run: needs a key of an upstream service -->
"""

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import click
import pytest

from surefoot.router.estimators.catalogue import ALIASES, CATALOGUE

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[\w-]*)\s*$")
NOT_RUN = re.compile(r"^\s*<!--\s*not run\s*(?::\s*(?P<reason>.*?))?\s*-->\s*$")
REDIRECTION = re.compile(r"\s\d?>{1,2}\s*[^\s;&|]+|\s<\s+[^\s;&|]+")
each_document = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix()
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, its text, the line its text starts on, why it is not run."""

    language: str
    text: str
    line: int
    not_run: str | None = None


def blocks_of(markdown: str) -> Iterator[Block]:
    """The fenced blocks of a document, in order; a fence without an end is an error."""
    lines = markdown.splitlines()
    at = 0
    while at < len(lines):
        opened = FENCE.match(lines[at])
        if opened is None:
            at += 1
            continue
        closing = opened["indent"] + opened["ticks"]
        ends = (n for n in range(at + 1, len(lines)) if lines[n].rstrip() == closing)
        end = next(ends, None)
        if end is None:
            raise ValueError(f"the block of line {at + 1} has no end")
        text = "\n".join(line.removeprefix(opened["indent"]) for line in lines[at + 1 : end])
        reason = reason_not_to_run(lines[at - 1] if at else "", line=at)
        yield Block(opened["language"], text, at + 2, reason)
        at = end + 1


def reason_not_to_run(above: str, line: int) -> str | None:
    marked = NOT_RUN.match(above)
    if marked is None:
        return None
    if not marked["reason"]:
        raise ValueError(f"line {line}: 'not run' needs its reason, as in <!-- not run: why -->")
    return marked["reason"]


def blocks_in(path: Path, language: str) -> list[Block]:
    """The blocks of one language that are to be tried."""
    found = blocks_of(path.read_text(encoding="utf-8"))
    return [block for block in found if block.language == language and block.not_run is None]


def commands_of(console: str) -> list[list[str]]:
    """The commands of a console block as words, without assignments before and redirections after.

    Where a line starts with `$ ` only such lines are commands, else each line is one.
    """
    lines = console.replace("\\\n", " ").splitlines()
    prompted = [line[2:] for line in lines if line.startswith("$ ")]
    commands: list[list[str]] = []
    for line in prompted or lines:
        lexer = shlex.shlex(REDIRECTION.sub("", line), posix=True, punctuation_chars=";&|")
        lexer.whitespace_split = True
        commands += split_commands(list(lexer))
    return commands


def split_commands(words: list[str]) -> list[list[str]]:
    """`words` cut at `;`, `&&`, `||` and `|`."""
    commands: list[list[str]] = [[]]
    for word in words:
        if set(word) <= set(";&|"):
            commands.append([])
        elif commands[-1] or not re.match(r"^[A-Z_]+=", word):
            commands[-1].append(word)
    return [command for command in commands if command]


def run_python(blocks: list[Block], document: str) -> None:
    """Execute blocks in one namespace; the lines of a traceback are the document's."""
    module = ModuleType("document_" + re.sub(r"\W", "_", document))
    sys.modules[module.__name__] = module  # where dataclasses and pydantic look names up
    try:
        for block in blocks:
            source = "\n" * (block.line - 1) + block.text
            exec(compile(source, document, "exec"), module.__dict__)
    finally:
        del sys.modules[module.__name__]


def parse_with(command: click.Command, words: list[str], patch: pytest.MonkeyPatch) -> None:
    """Let a command line parse `words` as it would, with nothing behind it.

    Files that a document names need not be there.
    """
    disarm(command, patch)
    patch.setattr(click.Path, "convert", lambda self, value, param, ctx: value)
    command.main(words, prog_name="surefoot", standalone_mode=False)


def disarm(command: click.Command, patch: pytest.MonkeyPatch) -> None:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            disarm(child, patch)
    patch.setattr(command, "callback", lambda **values: None)


def command_line() -> click.Command:
    """The click command behind `surefoot`, whichever name it has in its module."""
    from surefoot.service import cli

    (found,) = [one for one in vars(cli).values() if isinstance(one, click.Group)]
    return found


@each_document
def test_python_blocks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SUREFOOT_HOME", str(tmp_path))  # else it would recall what was asked before
    run_python(blocks_in(path, "python"), str(path))


@each_document
def test_toml_blocks_parse(path: Path) -> None:
    for block in blocks_in(path, "toml"):
        try:
            tomllib.loads(block.text)
        except tomllib.TOMLDecodeError as error:
            pytest.fail(f"{path.name}, block of line {block.line}: {error}")


@each_document
def test_commands_parse(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for block in blocks_in(path, "console"):
        for program, *words in commands_of(block.text):
            where = f"{path.name}, block of line {block.line}: {program} {shlex.join(words)}"
            if program == "make":
                tried = ["make", "--dry-run", *words]
                done = subprocess.run(tried, cwd=ROOT, capture_output=True, text=True)
                assert done.returncode == 0, f"{where}: {done.stderr.strip()}"
            elif program == "surefoot":
                try:
                    parse_with(command_line(), words, monkeypatch)
                except click.ClickException as error:
                    pytest.fail(f"{where}: {error.format_message()}")


# ------------------------------------------------------------- and the checks above can fail

SAMPLE = """
# Title
```python
a = 1
```
  ```python
  assert a == 1
  if a:
      a += 1
  ```
<!-- not run: needs a network -->
```python
raise RuntimeError
```
````markdown
```python
not python
```
````
```console
$ FOO=1 surefoot ask "what; is this?" --json > out.json; make demo \\
    QUESTION=x
an answer
$ cat f | surefoot score f 2> log  # a comment
```
"""


def test_blocks_are_found_with_line_language_and_reason() -> None:
    found = list(blocks_of(SAMPLE))
    assert [block.language for block in found] == [
        "python",
        "python",
        "python",
        "markdown",
        "console",
    ]
    assert found[1].text == "assert a == 1\nif a:\n    a += 1"
    assert [block.line for block in found[:2]] == [4, 7]
    assert [block.not_run for block in found] == [None, None, "needs a network", None, None]


def test_blocks_share_one_namespace_and_errors_point_into_the_document() -> None:
    run_python([block for block in blocks_of(SAMPLE) if block.line in (4, 7)], "sample.md")
    with pytest.raises(NameError) as failed:
        run_python([block for block in blocks_of(SAMPLE) if block.line == 7], "sample.md")
    assert failed.traceback[-1].lineno == 6  # counted from zero: line 7 of the document


@pytest.mark.parametrize("marker", ["<!-- not run -->", "<!-- not run: -->"])
def test_a_block_is_not_left_out_without_a_reason(marker: str) -> None:
    with pytest.raises(ValueError, match="reason"):
        list(blocks_of(f"{marker}\n```python\n```\n"))


def test_a_block_without_an_end_is_an_error() -> None:
    with pytest.raises(ValueError, match="line 2 has no end"):
        list(blocks_of("text\n```python\na = 1\n"))


def test_commands_are_taken_from_a_console_block() -> None:
    (console,) = [block for block in blocks_of(SAMPLE) if block.language == "console"]
    assert commands_of(console.text) == [
        ["surefoot", "ask", "what; is this?", "--json"],
        ["make", "demo", "QUESTION=x"],
        ["cat", "f"],
        ["surefoot", "score", "f"],
    ]
    assert commands_of("make test\nmake lint type\n") == [
        ["make", "test"],
        ["make", "lint", "type"],
    ]


def test_a_command_that_does_not_parse_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    acted: list[str] = []

    @click.group()
    def program() -> None:
        acted.append("program")

    @program.command()
    @click.argument("file", type=click.Path(exists=True))
    @click.option("--json", is_flag=True)
    def score(file: str, json: bool) -> None:
        acted.append(file)

    parse_with(program, ["score", "not-there.jsonl", "--json"], monkeypatch)
    for wrong in (["score"], ["score", "f", "--jsn"], ["scor", "f"]):
        with pytest.raises(click.UsageError):
            parse_with(program, wrong, monkeypatch)
    assert acted == []


def test_every_estimator_stands_on_the_page_of_its_family() -> None:
    pages = {
        family: (ROOT / "docs" / f"estimators_{family}.md").read_text(encoding="utf-8")
        for family in ("tokens", "samples", "semantic", "around")
    }
    for entry in CATALOGUE.values():
        if entry.compatible_with is None:
            assert f"`{entry.name}`" in pages[entry.family], entry.name
    for alias in ALIASES:
        assert any(f"`{alias}`" in page for page in pages.values()), alias
