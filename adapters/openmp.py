"""Loading libraries that compute on several threads, so that they share a busy machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["short_spins"]

# GNU OpenMP lets a waiting thread spin 300,000 rounds by default. On a machine that is busy with
# anything else the spinners take the cores from the thread that they wait for: on two cores with
# two other processes 20 tokens of llama.cpp took 1.4 to 11 s, with this setting 0.5 s, and a pair
# of texts in an NLI model of torch's 1.2 s, with it 0.3 s. On an idle machine there is no
# difference; not spinning at all would take twice as long.
_VARIABLE = "GOMP_SPINCOUNT"
_ROUNDS = "1000"


@contextmanager
def short_spins() -> Iterator[None]:
    """Threads of a library that is loaded inside do not spin for long, unless the user says so."""
    # It is read once, while the library is loaded; child processes shall not inherit it.
    added = _VARIABLE not in os.environ
    os.environ.setdefault(_VARIABLE, _ROUNDS)
    try:
        yield
    finally:
        if added:
            os.environ.pop(_VARIABLE, None)
