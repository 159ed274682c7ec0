"""Several processes behind one listening socket, of which each that dies is replaced.

They share the socket itself: what has connected waits in the kernel for whichever accepts next, and
is not lost with one process, as it would be from a queue of its own (SO_REUSEPORT). uvicorn's own
supervisor starts servers of its own class alone, which know nothing of our drain.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType

__all__ = ["Workers", "end_with_parent", "start_worker"]

_POLL_S = 0.05
_SHORT_LIFE_S = 5.0
_LONGEST_REST_S = 30.0


def start_worker(arguments: Sequence[str], listener: int) -> subprocess.Popen[bytes]:
    """A process that serves on a listening socket, until it is told to end or we are gone.

    In a session of its own: a terminal's Ctrl-C is for the supervisor, which passes it on once.

    Args:
        arguments: of the command line.
        listener: file descriptor, which it inherits.
    """
    code = f"from {__package__}.cli import main; main()"
    return subprocess.Popen(
        (sys.executable, "-c", code, *arguments),
        stdin=subprocess.PIPE,
        pass_fds=(listener,),
        start_new_session=True,
    )


def end_with_parent() -> None:
    """In a worker: drain once the supervisor has died, whose pipe then ends."""

    def wait() -> None:
        # Unbuffered: the lock of a buffer would be held still when the interpreter ends.
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


@dataclass(slots=True)
class _Place:
    process: subprocess.Popen[bytes] | None
    began: float
    rest_s: float = 0.0


class Workers:
    """Keeps so many workers running until SIGTERM or SIGINT, which all of them get, as they get
    SIGHUP; a second SIGTERM ends them at once.

    A worker that did not live long is replaced after a rest, which doubles.

    Args:
        start: starts one.
        say: tells people what happened.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        start: Callable[[], subprocess.Popen[bytes]],
        count: int,
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._start = start
        self._say = say
        self._clock = clock
        self._sleep = sleep
        self._is_ending = False
        self._places = [_Place(None, clock()) for _ in range(count)]

    def run(self) -> int:
        """The exit code: 0 where all have ended well after a signal."""
        signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        before = {one: signal.signal(one, self._signaled) for one in signals}
        try:
            while not self._is_ending:
                self.look()
                self._sleep(_POLL_S)
            codes = [one.process.wait() for one in self._places if one.process is not None]
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)
        # By SIGTERM ends who has not begun to serve, and so had nothing under way.
        if set(codes) <= {0, -signal.SIGTERM}:
            return 0
        self._say(f"workers ended with codes {codes}")
        return 1

    def look(self) -> None:
        """Replace those that have died and have had their rest."""
        now = self._clock()
        for place in self._places:
            process = place.process
            if process is not None and process.poll() is not None:
                is_short = now - place.began < _SHORT_LIFE_S
                place.rest_s = min(max(2 * place.rest_s, 0.5), _LONGEST_REST_S) if is_short else 0.0
                place.process, place.began = None, now
                words = f"worker {process.pid} ended with code {process.returncode}"
                self._say(f"{words}; another one starts in {place.rest_s:g} s")
            if place.process is None and not self._is_ending and now >= place.began + place.rest_s:
                place.process, place.began = self._start(), now

    def _signaled(self, number: int, frame: FrameType | None) -> None:
        is_end = number != signal.SIGHUP
        self._is_ending |= is_end
        for place in self._places:
            if place.process is not None and place.process.poll() is None:
                place.process.send_signal(signal.SIGTERM if is_end else number)
