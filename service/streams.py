"""Writing to stdout and stderr so that no text, reader or disk makes a command fall over."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["give_up", "let_go", "plain", "print_json", "say", "show_any_text", "to_stdout"]

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """The text without control characters but line breaks and tabs.

    What a model or a server wrote must not move the cursor or recolor the terminal.
    """
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)


def say(message: str) -> None:
    """One line for people on stderr, beside whatever is printed on stdout."""
    with contextlib.suppress(OSError):  # nobody reads it
        print(f"surefoot: {plain(message)}", file=sys.stderr, flush=True)


def print_json(document: dict[str, Any]) -> None:
    """One JSON document on stdout and nothing else."""
    try:
        print(json.dumps(document, ensure_ascii=True, allow_nan=False), flush=True)
    except BrokenPipeError:
        let_go()


def show_any_text() -> None:
    """Let stdout and stderr replace what their encoding lacks, instead of failing on it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def let_go() -> None:
    """Send what is still written to stdout nowhere: its reader has gone, or its disk is full."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def give_up(error: OSError) -> None:
    """Say that the results could not be written, and stop trying."""
    let_go()
    say(f"the results could not be written: {error}")


def to_stdout() -> Callable[[bytes], None]:
    """Writes whole lines to stdout as bytes; ends quietly when the reader has gone."""
    stream = getattr(sys.stdout, "buffer", None)

    def write(data: bytes) -> None:
        if stream is None:  # closed by whoever started us
            return
        try:
            stream.write(data)
            stream.flush()
        except BrokenPipeError:  # the reader has seen enough
            let_go()
            raise SystemExit(0) from None

    return write
